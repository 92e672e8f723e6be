"""The shipped guidance as documents and passages: one provision, one passage."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from corpus.loader import load_note, note_paths
from corpus.schema import CorpusError, Note
from indexing.passages import Document, Passage, passage_id


def read_notes(root: Path) -> tuple[list[tuple[Document, list[Passage]]], list[str]]:
    """Documents of all notes under `root`, and one line for each note that is broken (the rest is served)."""
    documents: list[tuple[Document, list[Passage]]] = []
    problems: list[str] = []
    for path in note_paths(root):
        try:
            documents.append(note_document(load_note(path)))
        except CorpusError as error:
            problems.append(str(error))
    return documents, problems


def note_document(note: Note) -> tuple[Document, list[Passage]]:
    """One note as a document and its passages, in reading order."""
    front = note.front
    document = Document(
        id=front.id,
        title=front.title,
        publisher=front.publisher,
        programme=front.programme,
        jurisdiction=front.jurisdiction,
        kind=front.kind,
        language=front.language,
        url=str(front.url),
        as_of=front.as_of,
        access=front.access,
        content_hash=hashlib.sha256(note.path.read_bytes()).hexdigest(),
        valid_from=front.valid_from,
        valid_to=front.valid_to,
        superseded_by=front.superseded_by,
    )
    return document, list(_passages(note))


def _passages(note: Note) -> Iterable[Passage]:
    front = note.front
    seen: Counter[tuple[str, str]] = Counter()
    for provision in note.provisions:
        reference = note.reference(provision) or front.instrument
        source = front.sources[provision.cited[0].key] if provision.cited else None
        occurrence = seen[(reference, provision.text)]
        seen[(reference, provision.text)] += 1
        yield Passage(
            id=passage_id(front.id, reference, provision.text, occurrence),
            document_id=front.id,
            text=provision.text,
            heading_path=provision.headings,
            reference=reference,
            topic=provision.topic.value,
            programme=front.programme,
            jurisdiction=front.jurisdiction,
            kind=front.kind,
            language=front.language,
            url=str(source.url if source else front.url),
            as_of=source.as_of if source else front.as_of,
            undated=source.undated if source else False,
            source_type=source.type if source else front.source_type,
            status=provision.status,
            access=front.access,
            valid_from=provision.valid_from,
            valid_to=provision.valid_to,
        )
