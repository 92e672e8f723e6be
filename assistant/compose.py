"""The extractive composer: chooses provisions, cuts them into sentences, and orders them as a colleague would say them."""

from __future__ import annotations

import re

from assistant.context import Context, Section, Statement, Support
from assistant.plain import subject
from assistant.programmes import mentions
from assistant.retrieve import asked_topics, rarity
from corpus.programmes import EU_MEMBERS, programmes
from corpus.schema import Topic
from indexing.analysis import terms
from indexing.passages import Passage
from indexing.search import Hit
from indexing.sentences import sentence_spans
from indexing.structured import is_data_row, pair_heading

NEAR_BEST = 0.78
"""A further provision is given when its score is at least this share of the best one's."""
ON_SUBJECT = 0.4
"""Share of what the best provision holds of the question's subject that a further one must hold …"""
AS_GOOD = 0.88
"""… unless its score is at least this share of the best one's."""
MOST_PROVISIONS = 4
MOST_IN_COMPARISON = 3
WHOLE_PROVISION_WORDS = 75
"""Provisions up to this length are given whole; of longer ones, the fitting sentences and all that limit them."""

_LIST_CONCEPTS = frozenset({"criteria", "benefits", "recognition", "documents", "tiers", "revocation", "suspension"})
_LIMITS = re.compile(
    r"\b(unless|except(ion|ions)?|however|but|only (if|where|when|for)|provided (that)?|does not apply|do not apply|not apply|"
    r"subject to|without prejudice|at least|at most|until|conditional|if|where|exempt|suspend|stops? the|in that case|otherwise|instead)\b",
    re.IGNORECASE,
)

_PARTNER = re.compile(r"\([A-Z]{2}\)$")
"""How the heading of a pair ends; regional arrangements and the list of all partners have others."""


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
    """The best provision and those that come near it, its own topic first; a gap only where it is the best that is held."""
    if not hits:
        return []
    best = hits[0]
    if best.passage.status == "gap":
        return [best.passage]
    wide = any(concept.id in _LIST_CONCEPTS for concept in context.concepts)
    near = [
        hit
        for hit in hits
        if hit.passage.status == "verified"
        and hit.score >= NEAR_BEST * best.score
        and not _of_another_pair(hit.passage, context)
    ]
    near = _on_subject(near, context) or hits[:1]
    near = near[: most + (1 if wide and most > 2 else 0)]
    return [hit.passage for hit in sorted(near, key=lambda hit: hit.passage.topic != best.passage.topic)]


def _on_subject(hits: list[Hit], context: Context) -> list[Hit]:
    """Leave out, after the first, what is of no asked topic, or holds little of the subject, unless it scores as high."""
    weights = rarity(context.index, about := subject(context.text))
    held = [_share(hit.passage, about, weights) for hit in hits]
    topics = asked_topics(context.concepts)
    enough = ON_SUBJECT * max(held, default=0.0)
    return [
        hit
        for place, (hit, share) in enumerate(zip(hits, held, strict=True))
        if place == 0
        or hit.score >= AS_GOOD * hits[0].score
        or (share >= enough and (hit.passage.topic in topics or hits[0].passage.topic not in topics))
    ]


def _share(passage: Passage, about: dict[str, tuple[str, ...]], weights: dict[str, float]) -> float:
    held = frozenset(terms(f"{passage.text} {' '.join(passage.heading_path)}"))
    found = [
        term for term, others in about.items() if term in held or any(not held.isdisjoint(terms(o)) for o in others)
    ]
    return sum(weights[term] for term in found)


def _of_another_pair(passage: Passage, context: Context) -> bool:
    """Whether a question about two programmes would be told of a third's recognition."""
    meant = {*context.jurisdictions, *("EU" for code in context.jurisdictions if code in EU_MEMBERS)}
    if len(context.jurisdictions) < 2 or passage.topic != Topic.RECOGNITION:
        return False
    if not is_data_row(passage):
        named = {mention.code for mention in mentions(passage.text)} - {passage.jurisdiction}
        used = any(
            concept.id == "mra_use" for concept in context.concepts
        )  # how to use it is the same for all partners
        return not named & meant and (bool(named) or not used)
    heading = passage.heading_path[-1]
    return bool(_PARTNER.search(heading)) and heading not in {pair_heading(code) for code in meant}


def _statements(passages: list[Passage], context: Context) -> list[Statement]:
    asked = frozenset(terms(context.text))
    statements: list[Statement] = []
    for place, passage in enumerate(passages):
        spans = _kept(passage.text, asked)
        listed = place > 0 and len(passages) > 2
        for number, (start, end) in enumerate(spans):
            first, last = _run(spans, number, passage.text)
            text = passage.text[start:end]
            item = re.match(r"([-*+]|\d+[.)])\s+", text)
            statements.append(
                Statement(
                    text[item.end() :] if item else text,
                    (Support(passage, first, last),),
                    leads=number == 0,
                    bullet=item is not None or (number == 0 and listed),
                )
            )
    return statements


def _run(spans: list[tuple[int, int]], number: int, text: str) -> tuple[int, int]:
    """The unbroken run of kept sentences around one: they are quoted together, under one marker."""
    first = last = number
    while first > 0 and not text[spans[first - 1][1] : spans[first][0]].strip():
        first -= 1
    while last + 1 < len(spans) and not text[spans[last][1] : spans[last + 1][0]].strip():
        last += 1
    return spans[first][0], spans[last][1]


def _kept(text: str, asked: frozenset[str]) -> list[tuple[int, int]]:
    spans = sentence_spans(text)
    if len(text.split()) <= WHOLE_PROVISION_WORDS or len(spans) <= 2:
        return spans
    fit = [len(asked & frozenset(terms(text[a:b]))) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: (fit[i], -i))
    kept = {0, best} | {i for i, (a, b) in enumerate(spans) if _LIMITS.search(text[a:b])}
    return [span for i, span in enumerate(spans) if i in kept]
