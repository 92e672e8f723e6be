"""Passages on disk: one SQLite file for the texts, a few arrays for what searches filter by. Written once, then only read."""

from __future__ import annotations

import json
import sqlite3
from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexing.passages import Document, Passage

_STATUSES = {"verified": 0, "gap": 1, "unverified": 2}
_ALWAYS = (0, 99991231)

_SCHEMA = """
CREATE TABLE documents (id TEXT PRIMARY KEY, file TEXT NOT NULL, payload TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE passages (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document_id TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX passages_of_document ON passages (document_id);
CREATE INDEX documents_of_file ON documents (file);
"""


def day_number(date: str | None, *, end: bool = False) -> int:
    """An ISO date, possibly reduced, as YYYYMMDD: its first day, or with `end` its last. None is always.

    >>> day_number("2026"), day_number("2026-02", end=True), day_number(None)
    (20260101, 20260228, 0)
    """
    if date is None:
        return _ALWAYS[end]
    year, month, day = [*(int(part) for part in date.split("-")), 0, 0][:3]
    month = month or (12 if end else 1)
    day = day or (monthrange(year, month)[1] if end else 1)
    return year * 10000 + month * 100 + day


@dataclass(frozen=True, slots=True)
class Columns:
    """What searches filter by, one entry per passage row."""

    jurisdiction: NDArray[np.int16]
    """Index into `jurisdictions`."""
    jurisdictions: tuple[str, ...]
    document: NDArray[np.int32]
    """Number of the document, in collection order."""
    valid_from: NDArray[np.int32]
    valid_to: NDArray[np.int32]
    status: NDArray[np.int8]
    officer_only: NDArray[np.bool_]

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Columns:
        """Columns of passages in row order."""
        names = tuple(sorted({p.jurisdiction for p in passages}))
        number = {name: i for i, name in enumerate(names)}
        documents: dict[str, int] = {}
        return cls(
            jurisdiction=np.array([number[p.jurisdiction] for p in passages], np.int16),
            jurisdictions=names,
            document=np.array([documents.setdefault(p.document_id, len(documents)) for p in passages], np.int32),
            valid_from=np.array([day_number(p.valid_from) for p in passages], np.int32),
            valid_to=np.array([day_number(p.valid_to, end=True) for p in passages], np.int32),
            status=np.array([_STATUSES[p.status] for p in passages], np.int8),
            officer_only=np.array([p.access == "officer" for p in passages], np.bool_),
        )

    def save(self, path: Path) -> None:
        """Write as .npz."""
        np.savez(path, allow_pickle=False, **{name: np.asarray(value) for name, value in asdict(self).items()})

    @classmethod
    def open(cls, path: Path) -> Columns:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            names = tuple(str(name) for name in arrays["jurisdictions"])
            return cls(jurisdictions=names, **{k: arrays[k] for k in arrays.files if k != "jurisdictions"})

    def rows(
        self,
        *,
        jurisdictions: frozenset[str] | None,
        on: int | None,
        officer: bool,
        max_status: int = 1,
    ) -> NDArray[np.int64]:
        """Rows that may be used: of these jurisdictions (None: all), in force `on` YYYYMMDD (None: ever), and open to
        the reader. `max_status` 1 leaves out unverified text, 0 also statements of gaps.
        """
        allowed = self.status <= max_status
        if not officer:
            allowed &= ~self.officer_only
        if on is not None:
            allowed &= (self.valid_from <= on) & (on <= self.valid_to)
        if jurisdictions is not None:
            wanted = [i for i, name in enumerate(self.jurisdictions) if name in jurisdictions]
            allowed &= np.isin(self.jurisdiction, wanted)
        return np.flatnonzero(allowed)


class PassageStore:
    """Read access to the passages of one version. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False)
        self.at = lru_cache(maxsize=20_000)(self._at)

    @staticmethod
    def write(path: Path, collection: Iterable[tuple[str, Document, Sequence[Passage]]]) -> None:
        """Write (source file, document, passages) in row order."""
        with sqlite3.connect(path) as db:
            db.executescript(_SCHEMA)
            row = 0
            for file, document, passages in collection:
                db.execute("INSERT INTO documents VALUES (?, ?, ?)", (document.id, file, json.dumps(asdict(document))))
                db.executemany(
                    "INSERT INTO passages VALUES (?, ?, ?, ?)",
                    [
                        (row + i, p.id, p.document_id, json.dumps(p.fields(), ensure_ascii=False))
                        for i, p in enumerate(passages)
                    ],
                )
                row += len(passages)
        db.close()

    def _at(self, row: int) -> Passage:
        payload = self._db.execute("SELECT payload FROM passages WHERE row = ?", (row,)).fetchone()
        return _passage(payload[0])

    def get(self, passage_id: str) -> Passage | None:
        """The passage with this id."""
        row = self._db.execute("SELECT row FROM passages WHERE id = ?", (passage_id,)).fetchone()
        return self.at(row[0]) if row else None

    def document(self, document_id: str) -> Document | None:
        """The document with this id."""
        found = self._db.execute("SELECT payload FROM documents WHERE id = ?", (document_id,)).fetchone()
        return Document(**json.loads(found[0])) if found else None

    def documents(self) -> list[Document]:
        """All documents, by id."""
        rows = self._db.execute("SELECT payload FROM documents ORDER BY id").fetchall()
        return [Document(**json.loads(payload)) for (payload,) in rows]

    def passages_of(self, document_id: str) -> list[Passage]:
        """The document's passages in reading order."""
        query = "SELECT payload FROM passages WHERE document_id = ? ORDER BY row"
        return [_passage(payload) for (payload,) in self._db.execute(query, (document_id,))]

    def of_file(self, file: str) -> list[tuple[Document, list[Passage]]]:
        """The documents that came from a source file, with their passages, in the order in which they were written."""
        query = """SELECT d.id, d.payload FROM documents d JOIN passages p ON p.document_id = d.id
                   WHERE d.file = ? GROUP BY d.id ORDER BY MIN(p.row)"""
        return [
            (Document(**json.loads(payload)), self.passages_of(document_id))
            for document_id, payload in self._db.execute(query, (file,)).fetchall()
        ]

    def references(self) -> list[tuple[int, str]]:
        """Row and reference of every passage."""
        query = "SELECT row, json_extract(payload, '$.reference') FROM passages ORDER BY row"
        return [(int(row), str(reference)) for row, reference in self._db.execute(query)]

    def ids(self) -> Iterable[tuple[str, str]]:
        """Id and jurisdiction of every passage in row order."""
        query = "SELECT id, json_extract(payload, '$.jurisdiction') FROM passages ORDER BY row"
        return self._db.execute(query)

    def all(self) -> Iterable[Passage]:
        """Every passage in row order."""
        for (payload,) in self._db.execute("SELECT payload FROM passages ORDER BY row"):
            yield _passage(payload)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _passage(payload: str) -> Passage:
    fields = json.loads(payload)
    fields["heading_path"] = tuple(fields["heading_path"])
    return Passage(**fields)
