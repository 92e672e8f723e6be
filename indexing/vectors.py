"""Vectors: kept in Chroma, searched in a memory-mapped copy unless a Chroma server is configured.

ADR 0003 tells why there are two, ADR 0006 what is different with very many passages.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.errors import UserError
from indexing.embedding import Vectors

EXACT_LIMIT = 20_000
"""Among more passages than this a search looks at the signs of all vectors first (docs/performance.md has the curve)."""

NEAREST = 3_000
"""How many passages that first look leaves: of the true ten nearest it lost 1 in 200 at 500,000 passages (ADR 0006)."""

CHROMA_LIMIT = 50_000
"""A larger collection is kept in Chroma only on a server: its embedded index would take longer than all the rest."""

_BATCH = 5_000
_COLLECTION = "passages"
_SPACE = {"hnsw": {"space": "cosine"}}


class ChromaUnavailable(UserError):
    """The Chroma server does not answer. The message names its address and the remedy."""


def _client(location: Path | str) -> Any:
    """Embedded Chroma for a folder, a client for an address like http://host:8000."""
    import chromadb
    from chromadb.config import Settings

    quiet = Settings(anonymized_telemetry=False)
    if isinstance(location, Path):
        return chromadb.PersistentClient(str(location), settings=quiet)
    from urllib.parse import urlsplit

    address = urlsplit(location)
    try:
        return chromadb.HttpClient(
            host=address.hostname or location,
            port=address.port or (443 if address.scheme == "https" else 8000),
            ssl=address.scheme == "https",
            settings=quiet,
        )
    except Exception as error:  # chromadb raises ValueError, httpx errors and its own; all mean the same here
        raise ChromaUnavailable(
            f"Chroma server at {location} does not answer; start it or unset AEO_CHROMA_URL"
        ) from error


@dataclass(frozen=True, slots=True)
class Entries:
    """What Chroma keeps of one version."""

    ids: Sequence[str]
    vectors: Vectors
    jurisdictions: Sequence[str]


def write_chroma(
    location: Path | str, version: str, entries: Entries, before: tuple[Path, frozenset[str]] | None
) -> None:
    """Store the vectors of one version: in a folder of its own, or as a collection of its own on a server.

    `before` is the folder of the version before, if it has one, and the ids of the entries that are as they were.

    Raises:
        ChromaUnavailable: the server does not answer.
        OSError: Chroma could not write.
    """
    try:
        if isinstance(location, Path):
            _write_embedded(location, entries, before)
        else:
            _write_server(location, version, entries)
    except ChromaUnavailable:
        raise
    except Exception as error:  # Chroma reports a full disk, a lost server and a bad name through many classes
        raise OSError(None, f"Chroma could not store the vectors ({error})") from error


def _write_embedded(folder: Path, entries: Entries, before: tuple[Path, frozenset[str]] | None) -> None:
    previous, same = before or (None, frozenset())
    if same and previous is not None and previous.is_dir():
        # Copied and changed where it differs: building the graph anew costs a hundred times as much.
        shutil.copytree(previous, folder)
    else:
        same = frozenset()
    client = _client(folder)
    collection = client.get_or_create_collection(_COLLECTION, embedding_function=None, configuration=_SPACE)
    gone = [] if not same else [held for held in collection.get(include=[])["ids"] if held not in same]
    for start in range(0, len(gone), _BATCH):
        collection.delete(ids=gone[start : start + _BATCH])
    new = [row for row, identifier in enumerate(entries.ids) if identifier not in same]
    _add(collection, entries, new, [{"jurisdiction": entries.jurisdictions[row]} for row in new])
    client.close()
    del collection, client
    gc.collect()


def _write_server(location: str, version: str, entries: Entries) -> None:
    client = _client(location)
    name = f"{_COLLECTION}-{version}"
    if name in {collection.name for collection in client.list_collections()}:
        return
    collection = client.create_collection(name, embedding_function=None, configuration=_SPACE)
    metadata = [{"row": row, "jurisdiction": place} for row, place in enumerate(entries.jurisdictions)]
    _add(collection, entries, range(len(entries.ids)), metadata)


def _add(collection: Any, entries: Entries, rows: Sequence[int], metadata: Sequence[Mapping[str, object]]) -> None:
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        collection.add(
            ids=[entries.ids[row] for row in some],
            embeddings=entries.vectors[list(some)],
            metadatas=list(metadata[start : start + _BATCH]),
        )


class ExactVectors:
    """Exact cosine over a memory-mapped matrix."""

    def __init__(self, path: Path) -> None:
        self.matrix: Vectors = np.load(path, mmap_mode="r")

    def scores(self, query: Vectors, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosine of each of `rows` with a unit query vector, shape (rows,)."""
        # Copying rows out of the file costs five times what scanning them does.
        if len(rows) * 5 > len(self.matrix):
            return np.asarray(self.matrix @ query, np.float32)[rows]
        return np.asarray(self.matrix[rows] @ query, np.float32)


class ChromaVectors:
    """Chroma's approximate search; rows that it does not return score 0."""

    def __init__(self, location: Path | str, version: str) -> None:
        client = _client(location)
        name = _COLLECTION if isinstance(location, Path) else f"{_COLLECTION}-{version}"
        try:
            self._collection = client.get_collection(name, embedding_function=None)
        except Exception as error:  # NotFoundError of several shapes
            raise ChromaUnavailable(
                f"Chroma at {location} does not hold index version {version}; run 'aeo index build' with it"
            ) from error

    def scores(
        self, query: Vectors, rows: NDArray[np.int64], jurisdictions: frozenset[str] | None = None, k: int = 300
    ) -> NDArray[np.float32]:
        """Cosine of the `k` nearest passages of the jurisdictions, at their places among `rows` (ascending)."""
        where = {"jurisdiction": {"$in": sorted(jurisdictions)}} if jurisdictions else None
        found = self._collection.query(
            query_embeddings=[query], n_results=k, where=where, include=["distances", "metadatas"]
        )
        scores = np.zeros(len(rows), np.float32)
        nearest = np.array([entry["row"] for entry in found["metadatas"][0]], np.int64)
        places = np.searchsorted(rows, nearest)
        inside = places < len(rows)
        inside[inside] = rows[places[inside]] == nearest[inside]
        scores[places[inside]] = 1 - np.array(found["distances"][0], np.float32)[inside]
        return scores
