"""Turns what the steps found into the answer: markers, citations, notices, suggestions."""

from __future__ import annotations

from datetime import date

from assistant.answer import Answer, Citation
from assistant.cited import citation_of
from assistant.concepts import Concept, concepts
from assistant.context import Context, Section, Statement, Support
from assistant.messages import say, source_notice, suggestion
from corpus.programmes import programmes
from indexing.search import Filter
from indexing.store import day_number

MOST_SUGGESTIONS = 3


def conclude(context: Context, timings: dict[str, float]) -> Answer:
    """The answer as every adapter shows it."""
    text, citations = _written(context) if context.status is None else (context.message, ())
    return Answer(
        question=context.question.text,
        status=context.status or "answered",
        answer=text,
        jurisdictions=context.jurisdictions,
        audience=context.audience,
        index_version=context.index.version,
        composer=context.composer,
        conversation_id=context.question.conversation_id,
        reason=context.reason,
        citations=citations,
        notices=(*context.notices, *_source_notices(citations, context)),
        suggestions=tuple(context.suggestions or _suggestions(context)),
        timings_ms=timings,
    )


def _written(context: Context) -> tuple[str, tuple[Citation, ...]]:
    text, supports = written(context.sections)
    return text, tuple(citation_of(support, number, context.index) for number, support in enumerate(supports, start=1))


def written(sections: tuple[Section, ...]) -> tuple[str, list[Support]]:
    """Markdown with a marker after each sentence, and what each marker stands for, in order."""
    numbers: dict[tuple[str, int, int], int] = {}
    supports: list[Support] = []
    blocks: list[str] = []
    for section in sections:
        if len(sections) > 1:
            blocks.append(f"**{section.title}**")
        for statement in section.statements:
            text = marked(statement, numbers, supports)
            if statement.bullet:
                separator = "\n" if blocks and blocks[-1].split("\n")[-1].startswith("- ") else ""
                if separator:
                    blocks[-1] += f"\n- {text}"
                else:
                    blocks.append(f"- {text}")
            elif statement.leads or not blocks:
                blocks.append(text)
            else:
                blocks[-1] += f" {text}"
    return "\n\n".join(blocks), supports


def marked(statement: Statement, numbers: dict[tuple[str, int, int], int], supports: list[Support]) -> str:
    """A statement with its markers; `numbers` and `supports` are filled as new ones are given out."""
    markers = ""
    for support in statement.support:
        key = (support.passage.id, support.start, support.end)
        if key not in numbers:
            supports.append(support)
            numbers[key] = len(supports)
        markers += f"[{numbers[key]}]"
    return f"{statement.text} {markers}"


def _source_notices(citations: tuple[Citation, ...], context: Context) -> list[str]:
    """Say of the sources what a reader must know: their language if not the question's, their age, their standing."""
    language = context.language
    foreign = source_notice((c.language for c in citations), language)
    notices = [foreign] if foreign else []
    today = date.today()
    old = [c for c in citations if c.as_of and (today - _as_date(c.as_of)).days > context.settings.stale_after_days]
    if old:
        oldest = min(c.as_of for c in old)
        markers = ", ".join(f"[{c.marker}]" for c in old)
        notices.append(say("older_source", language, markers=markers, date=oldest))
    if citations and all(c.source_type == "secondary" for c in citations):
        notices.append(say("secondary_only", language))
    return notices


def _as_date(as_of: str) -> date:
    number = day_number(as_of, end=True)
    return date(number // 10000, number // 100 % 100, number % 100)


def _suggestions(context: Context) -> list[str]:
    """Questions on related concepts that the programme's passages can answer."""
    if len(context.jurisdictions) != 1 or context.reason in ("injection", "personal_data", "out_of_scope"):
        return []
    code = context.jurisdictions[0]
    asked = {concept.id for concept in context.concepts}
    found: list[str] = []
    for concept in _related(asked):
        if len(found) == MOST_SUGGESTIONS:
            break
        hits = context.index.search_terms(concept.expand, Filter(frozenset({code})))
        if any(p.topic == concept.topic and p.status == "verified" for p in hits):
            found.append(suggestion(concept.id, context.language, concept.ask, programmes()[code].name))
    return found


_NEXT = (
    "decision_time",
    "criteria",
    "validation",
    "validity",
    "benefits",
    "recognition",
    "revocation",
    "appeal",
    "tiers",
)


def _related(asked: set[str]) -> list[Concept]:
    """What people ask next, beginning after what they asked."""
    by_id = {concept.id: concept for concept in concepts()}
    start = max((_NEXT.index(identifier) + 1 for identifier in asked if identifier in _NEXT), default=0)
    order = [*_NEXT[start:], *_NEXT[:start]]
    return [by_id[identifier] for identifier in order if identifier not in asked and by_id[identifier].ask]
