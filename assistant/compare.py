"""Programmes side by side: a row for each criterion or figure, a column for each programme, every cell cited."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assistant.answer import Answer, Citation, Question
from assistant.cited import Citations, first_sentences, joined, passage_with, sentences_around
from assistant.context import Statement
from assistant.pipeline import answer_question
from assistant.programmes import fold
from assistant.settings import Settings
from corpus.errors import UserError
from corpus.facts import LABELS, Fact, FactName, facts_of
from corpus.programmes import programmes
from corpus.schema import TOPIC_HEADINGS, Topic
from indexing.passages import Passage
from indexing.search import Index, today
from indexing.store import day_number

MOST_PROGRAMMES = 8
CELL_WORDS = 60
"""A cell gives the sentences of a provision that fit in this many words, and the first one in any case."""
GAP_CHARS = 400
"""A longer text than this is no statement of a gap."""

_FACTS_OF_TOPIC: dict[Topic, tuple[FactName, ...]] = {
    Topic.OVERVIEW: ("launch_year",),
    Topic.ELIGIBILITY: ("business_age", "minimum_activity"),
    Topic.TIERS: ("tiers",),
    Topic.APPLICATION: ("fee", "acceptance_time", "decision_time", "decision_extension"),
    Topic.VALIDATION: ("validation_time",),
    Topic.VALIDITY: ("validity", "renewal_notice", "monitoring_interval"),
    Topic.SUSPENSION: ("appeal_time", "reapply_bar"),
}
# What in a free topic points to a figure.
_FACT_WORDS: tuple[tuple[str, tuple[FactName, ...]], ...] = (
    (r"\bfees?\b|\bcosts?\b|\bcharges?\b|free of charge", ("fee",)),
    (r"\bdecision|\bdecide|how long .*(take|process)|time ?limit|deadline", ("decision_time", "decision_extension")),
    (r"\bvalid\b|validity|expir|how long .*last", ("validity",)),
    (r"\brenew", ("renewal_notice",)),
    (r"re-?validat|re-?assess|monitor", ("monitoring_interval",)),
    (r"\bappeals?\b", ("appeal_time",)),
    (r"re-?appl|apply again|new application|waiting time", ("reapply_bar",)),
    (r"\btiers?\b|\blevels?\b|\btypes?\b|\bgrades?\b", ("tiers",)),
    (r"minimum|turnover|declarations|transactions|volume", ("minimum_activity",)),
    (r"years in business|established for|business history|trading history", ("business_age",)),
    (r"compliance record|clean record|years of (record|compliance)", ("record_period",)),
    (r"launch|since when|start of the programme|\bhistory of the programme", ("launch_year",)),
)  # fmt: skip


class CompareError(UserError):
    """Programmes cannot be compared as asked. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one programme says of one criterion."""

    code: str
    found: bool
    text: str
    """Markdown with markers; where nothing was found, so in words, with whom to ask."""
    values: tuple[str, ...] = ()
    """The figures, where the data has some: "120 days"."""


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion or figure, with a cell for each programme in the order asked."""

    criterion: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A table and what its markers stand for."""

    topic: str
    codes: tuple[str, ...]
    rows: tuple[Row, ...]
    citations: tuple[Citation, ...]
    notices: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain types only."""
        rows = [
            {"criterion": row.criterion, "cells": [asdict(c) | {"values": list(c.values)} for c in row.cells]}
            for row in self.rows
        ]
        return {
            "topic": self.topic,
            "programmes": [{"code": code, "name": programmes()[code].name} for code in self.codes],
            "rows": rows,
            "citations": [asdict(citation) for citation in self.citations],
            "notices": list(self.notices),
        }

    def to_markdown(self) -> str:
        """A table, then notices and sources."""
        head = ["", *(programmes()[code].name for code in self.codes)]
        lines = [_line(head), _line("---" for _ in head)]
        lines += [_line([row.criterion, *(cell.text for cell in row.cells)]) for row in self.rows]
        return joined(["\n".join(lines), *self.notices, "\n".join(self.sources())])

    def sources(self) -> list[str]:
        """What the markers stand for, a line each."""
        return [
            f"[{c.marker}] {programmes()[c.jurisdiction].name}: {c.reference}, as of {c.as_of}. {c.url}"
            for c in self.citations
        ]


def compare(topic: str, codes: Sequence[str], index: Index, settings: Settings) -> Comparison:
    """Lay what programmes say on a topic side by side.

    `topic` is a standard topic ("Criteria", "application") or free text ("how long is the status valid?").

    Raises:
        CompareError: no topic, fewer than two programmes, too many, or one that is not held.
        QuestionError: the topic is too long.
    """
    topic = " ".join(topic.split())
    if not topic:
        raise CompareError('say what to compare, for example: aeo compare "validity" EU GB CN')
    wanted = _held(codes, index)
    citations = Citations(index)
    standard = _standard(topic)
    names = _FACTS_OF_TOPIC.get(standard, ()) if standard else _facts_in(topic)
    rows = [_fact_row(name, wanted, index, citations) for name in names]
    rows = [row for row in rows if any(cell.found for cell in row.cells)]
    if standard is Topic.CRITERIA:
        rows += _criteria_rows(wanted, index, citations)
    elif standard:
        held = {code: _provisions(code, standard, index) for code in wanted}
        rows.append(Row(_label(standard), tuple(_provision_cell(code, held[code], citations) for code in wanted)))
    else:
        asked = _Asked(topic, frozenset(t for t, listed in _FACTS_OF_TOPIC.items() if set(listed) & set(names)))
        cells = tuple(_answered(asked, code, index, settings, citations) for code in wanted)
        rows.append(Row("In the guidance's words" if rows else topic[:1].upper() + topic[1:], cells))
    return Comparison(topic, wanted, tuple(rows), citations.all, _notices(rows, wanted))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A free topic, and the standard topics under which its answer stands; none: any."""

    text: str
    topics: frozenset[Topic]


def _held(codes: Sequence[str], index: Index) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(code.strip().upper() for code in codes))
    for code in wanted:
        if code not in programmes() or code not in index.jurisdictions:
            raise CompareError(f"no programme '{code}' is held; 'aeo corpus list' shows those that are")
    if len(wanted) < 2:
        raise CompareError("name two or more programmes to compare, for example: EU GB")
    if len(wanted) > MOST_PROGRAMMES:
        raise CompareError(f"{len(wanted)} programmes are too many for one table; name {MOST_PROGRAMMES} at most")
    return wanted


def _standard(topic: str) -> Topic | None:
    folded = topic.casefold().strip(" ?.")
    for heading, value in TOPIC_HEADINGS.items():
        if folded in (heading.casefold(), value.value):
            return value
    return None


def _label(standard: Topic) -> str:
    return next(heading for heading, value in TOPIC_HEADINGS.items() if value is standard)


def _facts_in(topic: str) -> tuple[FactName, ...]:
    folded = fold(topic)
    return tuple(dict.fromkeys(name for pattern, names in _FACT_WORDS if re.search(pattern, folded) for name in names))


def _fact_row(name: FactName, codes: Sequence[str], index: Index, citations: Citations) -> Row:
    return Row(LABELS[name], tuple(_fact_cell(name, code, index, citations) for code in codes))


def _fact_cell(name: FactName, code: str, index: Index, citations: Citations) -> Cell:
    parts: list[str] = []
    values: list[str] = []
    for row in facts_of(code, name):
        passage = passage_with(index, row.note_id, row.quote)
        if passage is not None:  # an index of other guidance has no such provision: then the figure is not shown
            support = sentences_around(passage, row.quote)
            parts.append(citations.cite(Statement(_said(row), (support,)), code))
            values.append(row.said)
    return Cell(code, True, "; ".join(parts), tuple(values)) if parts else Cell(code, False, "No figure found.")


def _said(row: Fact) -> str:
    tier = f"{row.tier}: " if row.tier else ""
    condition = f" ({row.condition})" if row.condition else ""
    return f"{tier}{row.said}{condition}"


def _criteria_rows(codes: Sequence[str], index: Index, citations: Citations) -> list[Row]:
    """A row for each heading below the criteria, in the order in which the programmes bring them."""
    found: dict[str, dict[str, list[Passage]]] = {}
    for code in codes:
        for passage in _provisions(code, Topic.CRITERIA, index):
            heading = passage.heading_path[2] if len(passage.heading_path) > 2 else "In general"
            found.setdefault(heading, {}).setdefault(code, []).append(passage)
    return [
        Row(heading, tuple(_provision_cell(code, held.get(code, []), citations) for code in codes))
        for heading, held in found.items()
    ]


def _provisions(code: str, topic: Topic, index: Index) -> list[Passage]:
    """The passages of a topic that are public and in force, in reading order; gaps after what is verified."""
    documents = [document.id for document in index.documents() if document.jurisdiction == code]
    found = [
        passage
        for document in documents
        for passage in index.store.passages_of(document)
        if passage.topic == topic
        and passage.status != "unverified"
        and passage.access == "public"
        and _in_force(passage)
    ]
    return sorted(found, key=lambda passage: passage.status == "gap")


def _in_force(passage: Passage) -> bool:
    return day_number(passage.valid_from) <= today() <= day_number(passage.valid_to, end=True)


def _provision_cell(code: str, passages: Sequence[Passage], citations: Citations) -> Cell:
    verified = [passage for passage in passages if passage.status == "verified"]
    if not verified:
        return _missing(code, passages[0].text if passages else "No provision found.")
    support = first_sentences(verified[0], CELL_WORDS)
    text = citations.cite(Statement(support.quote, (support,)), code)
    further = len(verified) - 1
    more = f" ({further} further provision{'s' if further > 1 else ''})" if further else ""
    return Cell(code, True, text + more)


def _answered(asked: _Asked, code: str, index: Index, settings: Settings, citations: Citations) -> Cell:
    """What the assistant answers for one programme: its first paragraph that stands under the asked topics."""
    question = Question(asked.text, jurisdictions=(code,), audience="applicant")
    *_, last = answer_question(question, index, settings.model_copy(update={"llm": None}))
    answer = last.answer
    assert answer is not None  # the last event holds the answer
    if answer.status != "answered":
        gap = answer.reason == "unsupported" and len(answer.answer) < GAP_CHARS
        return _missing(code, answer.answer if gap else "No provision found.")
    for paragraph in re.split(r"\n\n|\n(?=- )", answer.answer):
        if _about(paragraph, answer, asked.topics, index):
            return Cell(code, True, _taken(paragraph.removeprefix("- "), answer, citations))
    return _missing(code, "No provision found.")


def _about(paragraph: str, answer: Answer, topics: frozenset[Topic], index: Index) -> bool:
    markers = {int(number) for number in re.findall(r"\[(\d+)\]", paragraph)}
    cited = [index.store.get(citation.passage_id) for citation in answer.citations if citation.marker in markers]
    return bool(cited) and (not topics or all(passage and passage.topic in topics for passage in cited))


def _taken(text: str, answer: Answer, citations: Citations) -> str:
    """The text with its markers numbered anew."""
    by_marker = {citation.marker: citation for citation in answer.citations}
    return re.sub(r"\[(\d+)\]", lambda match: f"[{citations.take(by_marker[int(match.group(1))])}]", text)


def _missing(code: str, text: str) -> Cell:
    authority = programmes()[code].authority
    return Cell(code, False, text if authority in text else f"{text} Ask: {authority}.")


def _notices(rows: Sequence[Row], codes: Sequence[str]) -> tuple[str, ...]:
    without = [code for i, code in enumerate(codes) if not any(row.cells[i].found for row in rows)]
    if not without:
        return ()
    names = ", ".join(programmes()[code].name for code in without)
    return (f"The guidance held has nothing on this for: {names}.",)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(_flat(cell) for cell in cells)} |"


def _flat(text: str) -> str:
    """Table cells are one line: line breaks become <br>, and a bar is escaped."""
    return re.sub(r"\s*\n\s*", "<br>", text.strip()).replace("|", "\\|")
