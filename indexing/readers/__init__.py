"""Reads publications: Markdown, HTML, PDF, DOCX and plain text become documents and citable passages."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpus.programmes import programmes
from indexing.metadata import FIELDS, Metadata, guess_language, metadata_of, read_sidecar
from indexing.passages import Document, DocumentError, Passage, passage_id
from indexing.readers.blocks import Content

LARGEST_FILE = 64 << 20
"""Bytes; larger files are refused."""


def _markdown(path: Path, charset: str) -> Content:
    from indexing.readers.markdown import read_markdown

    return read_markdown(path)


def _text(path: Path, charset: str) -> Content:
    from indexing.readers.markdown import read_text

    return read_text(path)


def _html(path: Path, charset: str) -> Content:
    from indexing.readers.html import read_html

    return read_html(path, charset)


def _pdf(path: Path, charset: str) -> Content:
    from indexing.readers.pdf import read_pdf

    return read_pdf(path)


def _docx(path: Path, charset: str) -> Content:
    from indexing.readers.docx import read_docx

    return read_docx(path)


READERS: dict[str, Callable[[Path, str], Content]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _text,
    ".html": _html,
    ".htm": _html,
    ".xhtml": _html,
    ".pdf": _pdf,
    ".docx": _docx,
}
"""By the end of a file's name, in lower case."""


def read_publication(
    path: Path, metadata: Mapping[str, Any], default_id: str = "", seen: str = ""
) -> tuple[Document, list[Passage]]:
    """Read one publication. What cannot be read of it is told in the document's notices.

    `metadata` holds what options say; then the sidecar file counts, then front matter and the document's properties.
    `seen` is the date on which the file was got: what counts for a text without a date (by default, the file's own).

    Raises:
        DocumentError: one line that names the file, the cause and the remedy.
    """
    reader = READERS.get(path.suffix.casefold())
    if reader is None:
        known = ", ".join(READERS)
        raise DocumentError(f"{path.name}: '{path.suffix}' files are not read; save it as one of {known}")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise DocumentError(
                f"{path.name}: {size / (1 << 20):.0f} MB; files up to {LARGEST_FILE >> 20} MB are read: "
                "split it, or save it without pictures"
            )
        if size == 0:
            raise DocumentError(f"{path.name}: the file is empty")
        sidecar = read_sidecar(path)
        content = reader(path, str(metadata.get("charset") or sidecar.get("charset") or ""))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    except OSError as error:
        raise DocumentError(f"{path.name}: cannot be opened ({error.strerror})") from error
    if not content.blocks:
        raise DocumentError(f"{path.name}: the file has no text")
    # What a document says of itself is often wrong in form; only what people wrote for us is checked strictly.
    written = path.suffix.casefold() in (".md", ".markdown")
    named = {field: value for field, value in content.properties.items() if field in FIELDS}
    stated = named if written else _usable(named)
    found = metadata_of(path.name, metadata, sidecar, stated)
    document = _document(found, content, digest, seen or modified, (default_id, path))
    return document, list(_passages(document, found, content))


def _usable(properties: Mapping[str, str]) -> dict[str, str]:
    usable = {}
    for field, value in properties.items():
        try:
            metadata_of("", {field: value})
        except DocumentError:
            continue
        usable[field] = value
    return usable


def _document(found: Metadata, content: Content, digest: str, seen: str, named: tuple[str, Path]) -> Document:
    default_id, path = named
    title = found.title or next((b.text for b in content.blocks if b.kind == "heading"), "") or path.stem
    programme = programmes().get(found.jurisdiction)
    return Document(
        id=found.id or default_id or slug(path.stem),
        title=title,
        publisher=found.publisher,
        programme=found.programme or (programme.name if programme else ""),
        jurisdiction=found.jurisdiction,
        kind="official",
        language=found.language or guess_language(" ".join(block.text for block in content.blocks[:400])),
        url=found.url or path.resolve().as_uri(),
        as_of=found.as_of or seen,
        access=found.access,
        content_hash=digest,
        valid_from=found.valid_from,
        valid_to=found.valid_to,
        notices=tuple(content.notices),
    )


def _passages(document: Document, found: Metadata, content: Content) -> Iterable[Passage]:
    from indexing.splitting import split

    seen: Counter[tuple[str, str]] = Counter()
    for part in split(content.blocks, document.language):
        pinpoint = part.reference or (f"p. {part.page}" if part.page else "")
        reference = f"{found.short} {pinpoint}".strip() or document.title
        # The page is no part of the id: it moves when pages are added before it.
        key = (f"{found.short} {part.reference}".strip(), part.text)
        yield Passage(
            id=passage_id(document.id, *key, seen[key]),
            document_id=document.id,
            text=part.text,
            heading_path=part.heading_path or (document.title,),
            reference=reference,
            topic="",
            programme=document.programme,
            jurisdiction=document.jurisdiction,
            kind="official",
            language=document.language,
            url=document.url,
            as_of=document.as_of,
            undated=found.as_of is None,
            source_type="official",
            status="verified",
            access=document.access,
            valid_from=document.valid_from,
            valid_to=document.valid_to,
            page=part.page,
        )
        seen[key] += 1


def slug(name: str) -> str:
    """An id from a name: letters and digits of ASCII, and a digest of the name where others were in it.

    >>> slug("Customs Act 2018"), slug("海关法")
    ('customs-act-2018', 'doc-86024a')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.casefold())
    lost = any(ord(sign) > 127 and sign.isalnum() for sign in unicodedata.normalize("NFKD", name))
    if lost or not words:
        words = [*(words or ["doc"]), hashlib.sha256(name.encode()).hexdigest()[:6]]
    return "-".join(words)[:80].strip("-")
