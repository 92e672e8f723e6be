"""The extractive composer: chooses provisions, cuts them into sentences, and orders them as a colleague would say them."""

from __future__ import annotations

import re

from assistant.context import Context, Section, Statement, Support
from corpus.programmes import programmes
from indexing.analysis import terms
from indexing.passages import Passage
from indexing.search import Hit
from indexing.sentences import sentence_spans

NEAR_BEST = 0.72
"""A further provision is given when its score is at least this share of the best one's."""
MOST_PROVISIONS = 4
MOST_IN_COMPARISON = 2
WHOLE_PROVISION_WORDS = 75
"""Provisions up to this length are given whole; of longer ones, the fitting sentences and all that limit them."""

_LIST_CONCEPTS = frozenset({"criteria", "benefits", "recognition", "documents", "tiers", "revocation", "suspension"})
_LIMITS = re.compile(
    r"\b(unless|except(ion|ions)?|however|but|only (if|where|when|for)|provided (that)?|does not apply|do not apply|not apply|"
    r"subject to|without prejudice|at least|at most|until|conditional|if|where|exempt|suspend|stops? the|in that case|otherwise|instead)\b",
    re.IGNORECASE,
)


def compose(context: Context) -> None:
    """Fill `sections`, one per programme, from the retrieved passages; say openly where nothing is held."""
    several = len(context.jurisdictions) > 1
    sections: list[Section] = []
    for code in context.jurisdictions:
        chosen = _chosen(context.hits.get(code, []), context, MOST_IN_COMPARISON if several else MOST_PROVISIONS)
        statements = _statements(chosen, context)
        if statements:
            sections.append(Section(programmes()[code].name, tuple(statements)))
    context.sections = tuple(sections)


def _chosen(hits: list[Hit], context: Context, most: int) -> list[Passage]:
    """The best provision and those that come near it; a gap only where it is the best that is held."""
    if not hits:
        return []
    best = hits[0]
    if best.passage.status == "gap":
        return [best.passage]
    wide = any(concept.id in _LIST_CONCEPTS for concept in context.concepts)
    near = [
        hit
        for hit in hits
        if hit.passage.status == "verified" and hit.score >= NEAR_BEST * best.score
    ]
    same_topic = [hit for hit in near if hit.passage.topic == best.passage.topic]
    pool = same_topic if len(same_topic) > 1 else near
    return [hit.passage for hit in pool[: most + (2 if wide and most > 2 else 0)]]


def _statements(passages: list[Passage], context: Context) -> list[Statement]:
    asked = frozenset(terms(context.text))
    statements: list[Statement] = []
    for place, passage in enumerate(passages):
        spans = _kept(passage.text, asked)
        for number, (start, end) in enumerate(spans):
            text = passage.text[start:end]
            item = re.match(r"([-*+]|\d+[.)])\s+", text)
            if item:  # a sub-item keeps its bullet, the quote only its words
                start += item.end()
                text = passage.text[start:end]
            statements.append(
                Statement(
                    text,
                    (Support(passage, start, end),),
                    leads=number == 0,
                    bullet=item is not None or (number == 0 and place > 0 and len(passages) > 2),
                )
            )
    return statements


def _kept(text: str, asked: frozenset[str]) -> list[tuple[int, int]]:
    spans = sentence_spans(text)
    if len(text.split()) <= WHOLE_PROVISION_WORDS or len(spans) <= 2:
        return spans
    fit = [len(asked & frozenset(terms(text[a:b]))) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: (fit[i], -i))
    kept = {0, best} | {i for i, (a, b) in enumerate(spans) if _LIMITS.search(text[a:b])}
    return [span for i, span in enumerate(spans) if i in kept]
