"""Where documents come from: the shipped notes, a folder of publications, a BEIR collection, what users added.

A source lists its files with a digest each, and reads one file into documents. A build reads every file; an update
only those whose digest changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus import mra
from corpus.loader import NOTES, load_note, note_paths
from corpus.schema import CorpusError
from indexing.notes import note_document
from indexing.passages import Document, DocumentError, Passage, passage_id
from indexing.structured import read_mra

Documents = list[tuple[Document, list[Passage]]]

READER_VERSION = "1"
"""Part of every digest: raise it when reading or splitting changes, so that updates read everything again."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, and how to read it."""

    name: str
    path: Path
    digest: str
    read: Callable[[Path], Documents]


def digest_of(path: Path) -> str:
    """SHA-256 of the reader's version and the file's bytes."""
    digest = hashlib.sha256(READER_VERSION.encode())
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def note_files(root: Path) -> list[SourceFile]:
    """The guidance notes under `root`."""
    return [SourceFile(f"notes/{p.relative_to(root).as_posix()}", p, digest_of(p), _read_note) for p in note_paths(root)]


def shipped_files(notes_root: Path = NOTES) -> list[SourceFile]:
    """The shipped guidance: the notes, and the structured data that answers may cite."""
    return [*note_files(notes_root), SourceFile(f"data/{mra.PATH.name}", mra.PATH, digest_of(mra.PATH), read_mra)]


def _read_note(path: Path) -> Documents:
    try:
        return [note_document(load_note(path))]
    except CorpusError as error:
        raise DocumentError(str(error)) from error


def beir_files(folder: Path) -> list[SourceFile]:
    """The corpus of a BEIR folder, whose ids are kept."""
    path = folder / "corpus.jsonl"
    return [SourceFile(path.name, path, digest_of(path), _read_beir)]


def _read_beir(path: Path) -> Documents:
    """Passages in file order; those with the same title up to the first comma form a document."""
    documents: dict[str, tuple[Document, list[Passage]]] = {}
    for number, entry in _json_lines(path):
        try:
            key, title, text = str(entry["_id"]), str(entry.get("title", "")), str(entry["text"])
        except KeyError as error:
            raise DocumentError(f"{path}:{number}: no field {error}; a BEIR corpus needs _id and text") from error
        name = title.partition(",")[0].strip() or path.parent.name
        if name not in documents:
            documents[name] = (_beir_document(name, path), [])
        document, passages = documents[name]
        passages.append(_beir_passage(key, title, text, document))
    return list(documents.values())


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError as error:
                    raise DocumentError(f"{path}:{number}: not JSON: {error.msg}") from error
                yield number, entry


def _beir_document(name: str, path: Path) -> Document:
    return Document(
        id=passage_id("beir", name, ""),
        title=name,
        publisher="",
        programme="",
        jurisdiction="",
        kind="official",
        language="en",
        url=path.resolve().as_uri(),
        as_of="",
        access="public",
        content_hash="",
    )


def _beir_passage(key: str, title: str, text: str, document: Document) -> Passage:
    return Passage(
        id=key,
        document_id=document.id,
        text=text,
        heading_path=(document.title,),
        reference=title,
        topic="",
        programme="",
        jurisdiction="",
        kind="official",
        language="en",
        url=document.url,
        as_of="",
        undated=True,
        source_type="official",
        status="verified",
        access="public",
        valid_from=None,
        valid_to=None,
    )


SHIPPED_VECTORS = NOTES.parent / "vectors.npz"
"""Vectors of the shipped guidance by content key, so that a first start need not embed (`make vectors`)."""


def collection(source: Path | None, index: Path) -> list[SourceFile]:
    """The files to index: those of `source`, or by default the shipped guidance and what was added to `index`.

    Raises:
        DocumentError: when `source` holds nothing that can be read.
    """
    if source is None:
        return shipped_files()
    if (source / "corpus.jsonl").exists():
        return beir_files(source)
    return note_files(source)
