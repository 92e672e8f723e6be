"""Mutual recognition of a programme, or between two: states and dates from the data, each cited to its passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assistant.answer import Citation
from assistant.cited import Citations, joined
from assistant.context import Statement, Support
from corpus.errors import UserError
from corpus.mra import Arrangement, about, name_of, partners_of, standing_status
from corpus.programmes import EU_MEMBERS, english_names, programmes
from indexing.passages import Passage
from indexing.search import Index
from indexing.structured import document_id, pair_heading


class RecognitionError(UserError):
    """Recognition cannot be looked up as asked. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An arrangement with one partner, or a regional one with several."""

    partners: tuple[str, ...]
    """Codes, in the order of the alphabet."""
    arrangement: str
    """Name of the regional arrangement; empty for one between two."""
    status: str
    """in_force, signed, pilot, action_plan or negotiation: the furthest that the sources show; or disputed."""
    signed: str | None
    in_force: str | None
    """ISO dates, possibly reduced; None where not found, where partners differ, or where sources disagree."""
    scope: str
    disputed: bool
    """Sources disagree; the text says on what."""
    text: str
    """In full sentences, with its marker."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What is held on a programme's recognition abroad."""

    code: str
    partner: str | None
    entries: tuple[Entry, ...]
    citations: tuple[Citation, ...]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain types only."""
        plain = asdict(self)
        plain["entries"] = [entry | {"partners": list(entry["partners"])} for entry in plain["entries"]]
        return plain | {name: list(plain[name]) for name in ("citations", "notices")}

    def to_text(self) -> str:
        """Markdown: a list item for each arrangement, then notices and sources."""
        items = "\n".join(f"- {entry.text}" for entry in self.entries)
        listed = "\n".join(f"[{c.marker}] {c.reference}, as of {c.as_of}. {c.url}" for c in self.citations)
        return joined([items, *self.notices, listed])


def mra(code: str, partner: str | None, index: Index) -> Recognition:
    """The arrangements of a programme, or those between two.

    Raises:
        RecognitionError: a code is unknown, both are the same, or the index lacks the recognition data.
    """
    notices: list[str] = []
    code = _programme(code, notices)
    partner = _programme(partner, notices) if partner else None
    if code == partner:
        raise RecognitionError(f"'{code}' has no arrangement with itself; name another partner")
    if code not in programmes():  # a partner without a programme of its own here: look from the other side
        if partner is None or partner not in programmes():
            raise RecognitionError(f"no programme '{code}' is held; 'aeo corpus list' shows those that are")
        code, partner = partner, code
    citations = Citations(index)
    entries = tuple(_entries(code, partner, index, citations))
    notices += _notices(code, partner, entries)
    return Recognition(code, partner, entries, citations.all, tuple(notices))


def _programme(code: str, notices: list[str]) -> str:
    folded = code.strip().upper()
    if folded in EU_MEMBERS:
        notices.append(f"{english_names()[folded]} takes part in the arrangements of the European Union.")
        return "EU"
    if folded not in programmes() and folded not in english_names():
        raise RecognitionError(f"'{code}' is no code of a programme or territory; write for example EU, JP or US")
    return folded


def _entries(code: str, partner: str | None, index: Index, citations: Citations) -> list[Entry]:
    held = partners_of(code)
    wanted = held if partner is None else {partner: held.get(partner, [])}
    passages = {passage.heading_path[-1]: passage for passage in index.store.passages_of(document_id(code))}
    if held and not passages:
        raise RecognitionError("the index holds no recognition data; run 'aeo index update'")
    entries: list[Entry] = []
    regional: dict[str, list[Arrangement]] = {}
    for other, rows in wanted.items():
        bilateral = [row for row in rows if not row.arrangement]
        if bilateral:
            entries.append(_entry(code, "", bilateral, _found(passages, pair_heading(other)), citations))
        for row in rows:
            if row.arrangement:
                regional.setdefault(row.arrangement, []).append(row)
    for name, rows in sorted(regional.items()):
        entries.append(_entry(code, name, rows, _found(passages, name), citations))
    return entries


def _found(passages: dict[str, Passage], heading: str) -> Passage:
    if heading not in passages:
        raise RecognitionError(f"the index lacks the entry on {heading}; run 'aeo index update'")
    return passages[heading]


def _entry(code: str, name: str, rows: Sequence[Arrangement], passage: Passage, citations: Citations) -> Entry:
    every = [*rows, *about(name)] if name else list(rows)
    disputed = any(row.standing in ("disputed", "set_aside") for row in every)
    open_status = len({row.status for row in rows if row.standing == "disputed"}) > 1
    support = Support(passage, 0, len(passage.text))
    return Entry(
        partners=tuple(sorted({row.partner_of(code) for row in rows})),
        arrangement=name,
        status="disputed" if open_status else standing_status(rows) or "",
        signed=_date(
            [row.signed for row in every if row.standing == "current" and row.status in ("signed", "in_force")]
        ),
        in_force=_date([row.in_force for row in rows if row.standing == "current"]),
        scope="; ".join(dict.fromkeys(row.scope for row in rows if row.scope)),
        disputed=disputed,
        text=citations.cite(Statement(passage.text, (support,)), code),
    )


def _date(dates: Sequence[str | None]) -> str | None:
    """The most precise date; None where there is none, or where the partners' dates differ."""
    known = [value for value in dates if value]
    longest = max(known, key=len, default=None)
    return longest if longest and all(longest.startswith(value) for value in known) else None


def _notices(code: str, partner: str | None, entries: Sequence[Entry]) -> list[str]:
    authority = programmes()[code].authority
    if not entries:
        whom = f"between {name_of(code)} and {name_of(partner)}" if partner else f"of {name_of(code)}"
        return [f"No arrangement {whom} was found in the sources held. This proves nothing: ask {authority}."]
    notices = []
    if not any(entry.status == "in_force" for entry in entries):
        notices.append("None of these is shown as in force by the sources held.")
    notices.append(f"The list holds what public sources showed; {authority} can confirm what applies today.")
    return notices
