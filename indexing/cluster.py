"""Embedding on several machines: a pool over the workers of a Dask cluster (`AEO_CLUSTER`).

Dask is optional: `pip install 'aeo-assistant[cluster]'` on every machine that takes part. docs/operate.md shows how to
start the scheduler and the workers.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from corpus.errors import UserError

TIMEOUT_S = 10

T = TypeVar("T")
R = TypeVar("R")


class ClusterUnavailable(UserError):
    """The cluster cannot be used. The message names its address and the remedy."""


class ClusterPool:
    """`imap` over the workers of the cluster whose scheduler listens at `address` (tcp://host:8786).

    Use it as a context manager: it takes leave of the scheduler, which goes on running.

    Raises:
        ClusterUnavailable: Dask is not installed, nothing answers at the address, or no worker has joined.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ClusterUnavailable(
                "AEO_CLUSTER is set, but Dask is not installed; pip install 'aeo-assistant[cluster]', or unset it"
            ) from error
        try:
            _knock(address)
            self._client: Any = Client(address, timeout=TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError) as error:  # a wrong form, no such host, nobody there, no answer in time
            raise ClusterUnavailable(
                f"no Dask scheduler answers at {address}; start it with 'dask scheduler', or unset AEO_CLUSTER"
            ) from error
        self.workers = sum(self._client.nthreads().values())
        """Tasks that the cluster runs at one time."""
        if not self.workers:
            self._client.close()
            raise ClusterUnavailable(
                f"the Dask scheduler at {address} has no workers; start some with 'dask worker {address} --nthreads 1'"
            )

    def __enter__(self) -> ClusterPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def imap(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Results in the order of the tasks. A task whose worker is lost runs again on another."""
        for future in self._client.map(function, list(tasks), pure=False):
            yield future.result()


def _knock(address: str) -> None:
    """Connect once, so that a wrong address is told at once and starts none of Dask's threads.

    Raises:
        OSError: nobody listens there.
        ValueError: it is no address of a scheduler.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not parts.port:
        raise ValueError(f"{address} is not of the form tcp://host:port")
    socket.create_connection((parts.hostname, parts.port), TIMEOUT_S).close()
