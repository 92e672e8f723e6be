"""What users added to an index: originals with their hash, and a TOML file of metadata for each.

    index/library/
      customs-act.toml            the entry: metadata, name and SHA-256 of the original, when it was added
      customs-act.1f2e3d4c.pdf    the original, as it was added

An entry is replaced by one atomic rename: a crash leaves the old one or the new one, never half of both.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexing.metadata import FIELDS, Metadata, metadata_of, read_sidecar
from indexing.passages import Document, DocumentError
from indexing.readers import LARGEST_FILE, read_publication, slug
from indexing.sources import Documents, SourceFile, digest_of, files_of, publication_files, read_beir, shipped_files
from indexing.store import PassageStore

_KEPT = ("file", "sha256", "added", "name", "etag", "last_modified")


@dataclass(frozen=True, slots=True)
class Entry:
    """One addition: a publication or a BEIR collection."""

    id: str
    metadata: dict[str, str]
    """As the entry's file has it: names of `indexing.metadata.Metadata`."""
    file: str
    """Name of the original in the library."""
    sha256: str
    added: str
    """ISO 8601 date on which it was last got."""
    name: str
    """Name of the file that was added, or the address that it came from."""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding one file."""

    id: str
    title: str
    jurisdiction: str
    language: str
    access: str
    passages: int
    notices: tuple[str, ...]
    unchanged: bool
    """Whether the library held the same original already."""


def library_of(index: Path) -> Path:
    """The library's folder; it need not exist."""
    return index / "library"


def entry_paths(index: Path) -> list[Path]:
    """Files of all entries, by id."""
    return sorted(library_of(index).glob("*.toml"), key=lambda path: path.stem)


def entries(index: Path) -> list[Entry]:
    """All entries, by id.

    Raises:
        DocumentError: when one of them is broken.
    """
    return [_open(path) for path in entry_paths(index)]


def _open(path: Path) -> Entry:
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        kept = {name: str(fields.pop(name, "")) for name in _KEPT}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise DocumentError(f"library/{path.name}: not readable; remove it and add the document again") from error
    if not kept["file"] or Path(kept["file"]).name != kept["file"]:
        raise DocumentError(f"library/{path.name}: does not name its original; remove it and add the document again")
    return Entry(path.stem, {k: str(v) for k, v in fields.items()}, **kept)


def collection(source: Path | None, index: Path) -> list[SourceFile]:
    """The files to index: those of `source`, or by default the shipped guidance and what was added to `index`.

    Raises:
        DocumentError: when `source` holds nothing that can be read.
    """
    return [*shipped_files(), *library_files(index)] if source is None else files_of(source)


def library_files(index: Path) -> list[SourceFile]:
    """What users added to the index."""
    return [SourceFile(f"library/{p.stem}", p, digest_of(p), read_entry) for p in entry_paths(index)]


def read_entry(path: Path) -> Documents:
    """Documents of an entry, with the original's hash checked.

    Raises:
        DocumentError: when the original is missing, was changed, or cannot be read.
    """
    entry = _open(path)
    original = path.parent / entry.file
    try:
        with original.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DocumentError(f"library/{entry.file}: the original is missing; add '{entry.name}' again") from error
    if digest != entry.sha256:
        raise DocumentError(f"library/{entry.file}: changed since it was added; add '{entry.name}' again")
    return _documents(original, entry)


def _documents(original: Path, entry: Entry) -> Documents:
    if original.suffix == ".jsonl":
        found = metadata_of(entry.name, {"id": entry.id}, entry.metadata)
        return _collection(read_beir(original), found, original, entry)
    document, passages = read_publication(original, {**entry.metadata, "id": entry.id}, seen=entry.added)
    url = entry.metadata.get("url", "")
    return [
        (replace(document, url=url, original=entry.file), [replace(passage, url=url) for passage in passages]),
    ]


def _collection(documents: Documents, found: Metadata, original: Path, entry: Entry) -> Documents:
    """A BEIR collection under the metadata that was given for it; its ids and texts stay as they are."""
    shared: dict[str, Any] = {
        "jurisdiction": found.jurisdiction,
        "programme": found.programme,
        "language": found.language or "en",
        "access": found.access,
        "as_of": found.as_of or entry.added,
        "valid_from": found.valid_from,
        "valid_to": found.valid_to,
        "url": found.url,
    }
    undated = found.as_of is None
    return [
        (
            replace(document, publisher=found.publisher, original=original.name, content_hash=entry.sha256, **shared),
            [replace(passage, undated=undated, **shared) for passage in passages],
        )
        for document, passages in documents
    ]


def add(
    index: Path, path: Path, options: Mapping[str, Any] | None = None, *, replace_existing: bool = False
) -> tuple[list[Added], list[str]]:
    """Add a publication, a BEIR folder, or every publication of a folder.

    Options are names of `indexing.metadata.Metadata`; they win over sidecar, front matter and document properties. The
    index itself is not touched: `aeo index update` takes the additions in.

    Returns:
        What was added, and one line for each file of a folder that was not.

    Raises:
        DocumentError: when a single file or collection cannot be added.
    """
    options = {k: v for k, v in (options or {}).items() if v not in (None, "")}
    if path.is_dir() and (path / "corpus.jsonl").exists():
        return [add_file(index, path / "corpus.jsonl", options, name=path.name, replace_existing=replace_existing)], []
    if not path.is_dir():
        if not path.exists():
            raise DocumentError(f"{path}: no such file or folder")
        return [add_file(index, path, options, replace_existing=replace_existing)], []
    if options.get("id"):
        raise DocumentError(f"{path}: --id is for a single document; leave it out for a folder")
    added: list[Added] = []
    problems: list[str] = []
    for file in publication_files(path):
        try:
            own = {"id": slug(Path(file.name).with_suffix("").as_posix())}
            own |= {k: str(v) for k, v in read_sidecar(file.path).items() if k == "id"}
            added.append(add_file(index, file.path, {**options, **own}, replace_existing=replace_existing))
        except DocumentError as error:
            problems.append(str(error))
    if not added and not problems:
        raise DocumentError(f"{path}: the folder is empty; put Markdown, HTML, PDF or DOCX files into it")
    return added, problems


def add_file(
    index: Path,
    path: Path,
    options: Mapping[str, Any],
    *,
    name: str = "",
    replace_existing: bool = False,
    etag: str = "",
    last_modified: str = "",
) -> Added:
    """Read a file, and keep it if it can be read. `name` is what the user knows it as, where it is not the file's.

    Raises:
        DocumentError: when it cannot be read, has no known jurisdiction, or its id is taken.
    """
    name = name or path.name
    if path.stat().st_size > LARGEST_FILE:
        size = path.stat().st_size / (1 << 20)
        raise DocumentError(f"{name}: {size:.0f} MB; files up to {LARGEST_FILE >> 20} MB are read: split it")
    today = datetime.now(UTC).date().isoformat()
    collection = path.suffix == ".jsonl"
    if collection:
        stated = metadata_of(name, options, read_sidecar(path.parent))
        document = _of_collection(name, stated)
    else:
        document, _ = read_publication(path, options, default_id=slug(Path(name).stem), seen=today)
        stated = metadata_of(name, options, read_sidecar(path))
    if not document.jurisdiction:
        raise DocumentError(
            f'{name}: whose guidance is it? Give --jurisdiction CODE, or write jurisdiction = "CODE" in {name}.toml'
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    before = _before(index, document.id, name, digest, replace_existing)
    suffix = path.suffix.casefold()
    entry = Entry(
        id=document.id,
        metadata=_resolved(stated, document),
        file=f"{document.id}.{digest[:8]}{suffix}",
        sha256=digest,
        added=today,
        name=name,
        etag=etag,
        last_modified=last_modified,
    )
    _store(index, path, entry)
    if before and before.file != entry.file:
        (library_of(index) / before.file).unlink(missing_ok=True)
    documents = read_entry(library_of(index) / f"{entry.id}.toml")
    return Added(
        id=entry.id,
        title=document.title,
        jurisdiction=document.jurisdiction,
        language=document.language,
        access=document.access,
        passages=sum(len(passages) for _, passages in documents),
        notices=document.notices,
        unchanged=before is not None and before.sha256 == digest,
    )


def _of_collection(name: str, found: Metadata) -> Document:
    return Document(
        id=found.id or slug(name),
        title=found.title or name,
        publisher=found.publisher,
        programme=found.programme,
        jurisdiction=found.jurisdiction,
        kind="official",
        language=found.language or "en",
        url=found.url,
        as_of=found.as_of or "",
        access=found.access,
        content_hash="",
    )


def _resolved(stated: Metadata, document: Document) -> dict[str, str]:
    """What the entry remembers: what was stated for the file, and what was found in it."""
    fields = {field: str(getattr(stated, field) or "") for field in FIELDS if field != "id"}
    fields |= {"title": document.title, "publisher": document.publisher, "jurisdiction": document.jurisdiction}
    fields |= {"language": document.language, "programme": document.programme, "access": document.access}
    if document.url.startswith(("http://", "https://")):
        fields["url"] = document.url
    return {field: value for field, value in fields.items() if value}


def _before(index: Path, document_id: str, name: str, digest: str, replace_existing: bool) -> Entry | None:
    """The entry that an addition takes the place of.

    Raises:
        DocumentError: when the id is that of another document, and replacing was not asked for.
    """
    path = library_of(index) / f"{document_id}.toml"
    if path.exists():
        entry = _open(path)
        if entry.sha256 == digest or replace_existing:
            return entry
        raise DocumentError(
            f"{name}: a document with id '{document_id}' was added on {entry.added} (from {entry.name}); "
            "add it with --replace to take its place, or with another --id"
        )
    if (index / "current").exists():
        store = PassageStore(index / "current" / "passages.sqlite")
        known = store.document(document_id)
        store.close()
        if known is not None and known.original is None:
            raise DocumentError(
                f"{name}: id '{document_id}' is that of '{known.title}' in the index; give another --id"
            )
    return None


def _store(index: Path, path: Path, entry: Entry) -> None:
    folder = library_of(index)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{entry.file}.part"
        shutil.copyfile(path, part)
        part.replace(folder / entry.file)
        write_entry(index, entry)
    except OSError as error:
        raise DocumentError(f"{entry.name}: could not be kept in {folder} ({error.strerror or error})") from error


def write_entry(index: Path, entry: Entry) -> None:
    """Write an entry's file, in one rename."""
    fields = {**entry.metadata, **{name: getattr(entry, name) for name in _KEPT}}
    # A JSON string is a TOML string, but for one character.
    lines = [f"{k} = {json.dumps(v, ensure_ascii=False)}".replace("\x7f", "") for k, v in fields.items() if v]
    part = library_of(index) / f".{entry.id}.toml.part"
    part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    part.replace(library_of(index) / f"{entry.id}.toml")


def remove(index: Path, document_id: str) -> Entry:
    """Take an addition out of the library; `aeo index update` takes it out of the index.

    Raises:
        DocumentError: when there is none with this id.
    """
    path = library_of(index) / f"{document_id}.toml"
    if path not in entry_paths(index):
        known = ", ".join(p.stem for p in entry_paths(index)) or "none"
        raise DocumentError(f"no added document has id '{document_id}'; added are: {known}")
    entry = _open(path)
    path.unlink()
    (library_of(index) / entry.file).unlink(missing_ok=True)
    return entry
