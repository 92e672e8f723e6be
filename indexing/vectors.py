"""Vectors: kept in Chroma, in the index or on a server, and searched in a memory-mapped copy.

ADR 0003 tells why there are two, ADR 0006 what is different with very many passages.
"""

from __future__ import annotations

import gc
import hashlib
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
"""How many passages that first look leaves: of the true ten nearest it loses fewer than 1 in 200 at 500,000 (ADR 0006)."""

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
    location: Path | str, index: Path, version: str, entries: Entries, before: tuple[Path, frozenset[str]] | None
) -> None:
    """Store the vectors of one version of `index`: in a folder of its own, or as a collection of its own on a server.

    `before` is the folder of the version before, if it has one, and the ids of the entries that are as they were.

    Raises:
        ChromaUnavailable: the server does not answer.
        OSError: Chroma could not write.
    """
    try:
        if isinstance(location, Path):
            _write_embedded(location, entries, before)
        else:
            _write_server(location, index, version, entries)
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


def _write_server(location: str, index: Path, version: str, entries: Entries) -> None:
    """Write the version's collection, whole or not at all, and drop those of versions that the index has no more."""
    client = _client(location)
    name = collection_name(index, version)
    held = {collection.name: collection for collection in client.list_collections()}
    kept = {collection_name(index, folder.name.partition("-")[0]) for folder in (index / "versions").iterdir()}
    if name not in held or held[name].count() != len(entries.ids):
        writing = f"{name}-writing"  # gets its name when it is whole: a killed build leaves no half collection in use
        if writing in held:
            client.delete_collection(writing)
        collection = client.create_collection(writing, embedding_function=None, configuration=_SPACE)
        metadata = [{"row": row, "jurisdiction": place} for row, place in enumerate(entries.jurisdictions)]
        _add(collection, entries, range(len(entries.ids)), metadata)
        if name in held:
            client.delete_collection(name)
        collection.modify(name=name)
    prefix = collection_name(index, "")
    for old in held:
        if old.startswith(prefix) and old not in {*kept, name, f"{name}-writing"}:
            client.delete_collection(old)


def server_fault(location: str, index: Path, version: str, passages: int) -> str | None:
    """What is wrong with a version's collection on a server, in one line; None when it is whole."""
    try:
        held = {collection.name: collection.count() for collection in _client(location).list_collections()}
    except ChromaUnavailable as error:
        return str(error)
    except Exception as error:  # as in write_chroma
        return f"Chroma server at {location} fails ({error}); start it again or unset AEO_CHROMA_URL"
    count = held.get(collection_name(index, version), 0)
    if count != passages:
        return f"Chroma server at {location} holds {count} of {passages} vectors; run 'aeo index build'"
    return None


def collection_name(index: Path, version: str) -> str:
    """Name of a version's collection on a server, which several indexes may share."""
    return f"{_COLLECTION}-{hashlib.sha256(str(index.resolve()).encode()).hexdigest()[:8]}-{version}"


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
