"""What the current version of an index holds, and what in it has grown old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from indexing.build import Manifest
from indexing.store import Columns, PassageStore, day_number
from indexing.versions import current_version


@dataclass(frozen=True, slots=True)
class Stale:
    """A provision whose source was last seen long ago."""

    passage_id: str
    jurisdiction: str
    reference: str
    as_of: str


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Version, counts, model, and what is stale."""

    version: str
    created: str
    model: str
    chroma: str
    documents: int
    passages: int
    jurisdictions: tuple[str, ...]
    problems: tuple[str, ...]
    stale: tuple[Stale, ...]


def index_status(index: Path, stale_after_days: int) -> IndexStatus:
    """Read the current version.

    Raises:
        IndexMissing, IndexUnusable: see `indexing.versions`.
    """
    folder = current_version(index)
    manifest = Manifest.open(folder)
    limit = date.today() - timedelta(days=stale_after_days)
    oldest = limit.year * 10000 + limit.month * 100 + limit.day
    store = PassageStore(folder / "passages.sqlite")
    stale = tuple(
        Stale(p.id, p.jurisdiction, p.reference, p.as_of)
        for p in store.all()
        if p.as_of and p.status == "verified" and p.valid_to is None and day_number(p.as_of, end=True) < oldest
    )
    store.close()
    return IndexStatus(
        version=manifest.version,
        created=manifest.created,
        model=manifest.model,
        chroma=manifest.chroma,
        documents=manifest.documents,
        passages=manifest.passages,
        jurisdictions=tuple(filter(None, Columns.open(folder / "columns.npz").jurisdictions)),
        problems=manifest.problems,
        stale=stale,
    )
