"""Where documents come from: the shipped notes, a folder of publications, a BEIR collection, what users added.

A source lists its files with a digest each, and reads one file into documents. A build reads every file; an update
only those whose digest changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from corpus import mra
from corpus.loader import NOTES, load_note, note_paths
from corpus.schema import CorpusError
from indexing.metadata import SIDECAR, sidecar_of
from indexing.notes import note_document
from indexing.passages import Document, DocumentError, Passage, passage_id
from indexing.readers import read_publication, slug
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
    return [
        SourceFile(f"notes/{p.relative_to(root).as_posix()}", p, digest_of(p), _read_note) for p in note_paths(root)
    ]


def shipped_files(notes_root: Path = NOTES) -> list[SourceFile]:
    """The shipped guidance: the notes, and the structured data that answers may cite."""
    return [*note_files(notes_root), SourceFile(f"data/{mra.PATH.name}", mra.PATH, digest_of(mra.PATH), read_mra)]


def _read_note(path: Path) -> Documents:
    try:
        return [note_document(load_note(path))]
    except CorpusError as error:
        raise DocumentError(str(error)) from error


def publication_files(folder: Path) -> list[SourceFile]:
    """The publications in a folder, at any depth. Files that cannot be read are listed too: reading them says why.

    Hidden files and metadata sidecars (`act.pdf.toml`) are no publications.
    """
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_publication(path, folder)]
    return [_publication(path, path.relative_to(folder)) for path in paths]


def _is_publication(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts)
    return not hidden and not (path.suffix == SIDECAR and path.with_suffix("").exists())


def _publication(path: Path, name: Path) -> SourceFile:
    """One file; the id of its document is made from its path, so that two files never share one by chance."""
    digest = hashlib.sha256(digest_of(path).encode())
    if (sidecar := sidecar_of(path)).exists():
        digest.update(sidecar.read_bytes())
    read = partial(_read_publication, default_id=slug(name.with_suffix("").as_posix()))
    return SourceFile(name.as_posix(), path, digest.hexdigest(), read)


def _read_publication(path: Path, default_id: str) -> Documents:
    return [read_publication(path, {}, default_id)]


def files_of(source: Path) -> list[SourceFile]:
    """The files of a BEIR folder, of a folder of guidance notes, of a folder of publications, or a single publication.

    Raises:
        DocumentError: when there is nothing at `source`.
    """
    if source.is_file():
        return [_publication(source, Path(source.name))]
    if not source.is_dir():
        raise DocumentError(f"{source}: no such file or folder")
    if (source / "corpus.jsonl").exists():
        return beir_files(source)
    if any(map(_is_note, note_paths(source))):
        others = [file for file in publication_files(source) if file.path.suffix != ".md"]
        return [*note_files(source), *others]
    files = publication_files(source)
    if not files:
        raise DocumentError(f"{source}: the folder is empty; put Markdown, HTML, PDF or DOCX files into it")
    return files


def _is_note(path: Path) -> bool:
    """Whether a Markdown file has the front matter of a guidance note, well-formed or not."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        head = [line.partition(":")[0] for line, _ in zip(lines, range(40), strict=False)]
    return head[:1] == ["---\n"] and {"instrument", "sources"} <= set(head)


def beir_files(folder: Path) -> list[SourceFile]:
    """The corpus of a BEIR folder, whose ids are kept."""
    path = folder / "corpus.jsonl"
    return [SourceFile(path.name, path, digest_of(path), read_beir)]


def read_beir(path: Path) -> Documents:
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
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    entry = json.loads(line)
                    if not isinstance(entry, dict):
                        raise DocumentError(f"{path}:{number}: not a JSON object; a BEIR corpus has one on each line")
                    yield number, entry
    except json.JSONDecodeError as error:
        raise DocumentError(f"{path}:{number}: not JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise DocumentError(f"{path}: cannot be opened ({error.strerror})") from error


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


SHIPPED_QUESTIONS = NOTES.parent / "questions"
"""Questions that the shipped provisions answer (`indexing.questions`)."""

SHIPPED_VECTORS = (NOTES.parent / "vectors.npz", NOTES.parent / "question-vectors.npz")
"""Vectors of the shipped guidance and of its questions by content key: a first start need not embed (`make vectors`)."""
