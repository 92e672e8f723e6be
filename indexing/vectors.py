"""Vectors: kept in Chroma, searched exactly from a memory-mapped copy as long as that is the faster way.

ADR 0003 tells why there are two: a filtered Chroma search over 100,000 vectors found 57 % of the true neighbours, and
importing it takes longer than a whole answer; an exact scan has neither fault up to a few hundred thousand passages.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.errors import UserError
from indexing.embedding import Vectors

EXACT_LIMIT = 300_000
"""Above this many passages a search asks Chroma instead of scanning (docs/performance.md has the curve)."""

_BATCH = 5_000
_COLLECTION = "passages"


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


def write_chroma(
    location: Path | str, version: str, ids: Sequence[str], vectors: Vectors, jurisdictions: Sequence[str]
) -> None:
    """Store the vectors of one version: in its own folder, or as a collection of its own on a server.

    Raises:
        ChromaUnavailable: the server does not answer.
        OSError: Chroma could not write.
    """
    try:
        _write_chroma(location, version, ids, vectors, jurisdictions)
    except ChromaUnavailable:
        raise
    except Exception as error:  # Chroma reports a full disk, a lost server and a bad name through many classes
        raise OSError(None, f"Chroma could not store the vectors ({error})") from error


def _write_chroma(
    location: Path | str, version: str, ids: Sequence[str], vectors: Vectors, jurisdictions: Sequence[str]
) -> None:
    client = _client(location)
    name = _COLLECTION if isinstance(location, Path) else f"{_COLLECTION}-{version}"
    if not isinstance(location, Path) and name in {collection.name for collection in client.list_collections()}:
        return
    collection = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    for start in range(0, len(ids), _BATCH):
        stop = start + _BATCH
        collection.add(
            ids=list(ids[start:stop]),
            embeddings=vectors[start:stop],
            metadatas=[
                {"row": row, "jurisdiction": jurisdiction}
                for row, jurisdiction in enumerate(jurisdictions[start:stop], start=start)
            ],
        )
    if isinstance(location, Path):
        client.close()
        del collection, client
        gc.collect()


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
