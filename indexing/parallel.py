"""Embedding spread over several processes, or over several machines by an engine with the same interface.

The work is cut into chunks that each worker embeds on its own and hands back in order, so ids and texts of the index do
not depend on how many workers there are. The default is a pool of local processes from the standard library: it needs
no further package and no service. `indexing.cluster` runs the same chunks on the machines of a Dask cluster, on each of
which this package must be installed; whatever else offers `multiprocessing.Pool`'s `imap` takes its place, as
`ray.util.multiprocessing.Pool` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from indexing.cluster import ClusterPool
from indexing.embedding import DEFAULT_MODEL, OnnxEmbedder, SentenceTransformerEmbedder, StateEmbedder, Vectors
from indexing.late import Pieces, Projection, embed

CHUNK = 32
"""Texts that a worker takes at a time; also the batch of sentence-transformers, so that batches are the same."""

Task = tuple[str, bool, tuple[str, ...]]
"""Model, whether ONNX Runtime embeds, texts."""


class Pool(Protocol):
    """The part of `multiprocessing.Pool` that is used."""

    def imap(self, function: Callable[[Task], Vectors], tasks: Iterable[Task]) -> Iterator[Vectors]:
        """Results in the order of the tasks."""
        ...


class ParallelEmbedder:
    """An `Embedder` over `workers` processes of its own, the workers of a Dask `cluster`, or a `pool`.

    Use it as a context manager: it ends the processes that it started.
    """

    def __init__(
        self,
        workers: int,
        model: str = DEFAULT_MODEL,
        *,
        onnx: bool = False,
        pool: Pool | None = None,
        cluster: str | None = None,
    ) -> None:
        self.model = model
        self.workers = workers
        """Chunks that are embedded at one time."""
        self._onnx = onnx
        self._own: Any = None
        self._pool: Any = pool
        if pool is None:
            self._own = self._pool = ClusterPool(cluster) if cluster else _processes(workers)
        if cluster:
            self.workers = self._pool.workers

    def __enter__(self) -> ParallelEmbedder:
        return self

    def __exit__(self, *problem: object) -> None:
        if self._own is not None:
            self._own.__exit__(*problem)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors in the order of the texts, shape (texts, dimensions)."""
        found = list(self._pool.imap(embed_chunk, self._tasks(texts)))
        return np.concatenate(found) if found else np.zeros((0, 384), np.float32)

    def pieces(self, texts: Sequence[str]) -> tuple[Vectors, list[Pieces]]:
        """Unit vectors and word pieces (`indexing.late`) of one text or more, in their order."""
        found = list(self._pool.imap(pieces_of_chunk, self._tasks(texts)))
        return np.concatenate([vectors for vectors, _ in found]), [piece for _, pieces in found for piece in pieces]

    def _tasks(self, texts: Sequence[str]) -> list[Task]:
        return [(self.model, self._onnx, tuple(texts[i : i + CHUNK])) for i in range(0, len(texts), CHUNK)]


def _processes(workers: int) -> Any:
    import multiprocessing

    # Spawned, not forked: a fork copies the locks of torch's and ONNX Runtime's threads in whatever state they are.
    return multiprocessing.get_context("spawn").Pool(workers)


def embed_parallel(
    texts: Sequence[str], workers: int, model: str = DEFAULT_MODEL, *, onnx: bool = False, pool: Pool | None = None
) -> Vectors:
    """Embed texts with so many local processes, or with the workers of `pool`; `onnx` with the engine of questions.

    Raises:
        EmbeddingError: when a worker cannot load the model.
    """
    with ParallelEmbedder(workers, model, onnx=onnx, pool=pool) as embedder:
        return embedder.embed(texts)


def embed_chunk(task: Task) -> Vectors:
    """Embed one task's texts: what runs in a worker, which loads the model once."""
    model, onnx, texts = task
    return _embedder(model, onnx).embed(texts)


def pieces_of_chunk(task: Task) -> tuple[Vectors, list[Pieces]]:
    """Embed one task's texts and project their word pieces: what runs in a worker."""
    model, onnx, texts = task
    return embed(_embedder(model, onnx), Projection.open(), texts)


@lru_cache(maxsize=2)
def _embedder(model: str, onnx: bool) -> StateEmbedder:
    if onnx:
        return OnnxEmbedder()
    import torch

    torch.set_num_threads(1)  # the other cores have workers of their own
    return SentenceTransformerEmbedder(model)
