"""The passages that may answer: hybrid search within each programme, nudged towards what the question is about."""

from __future__ import annotations

import re

import numpy as np

from assistant.context import Context
from assistant.programmes import mentions
from indexing.analysis import terms
from indexing.search import Filter, Hit

DEPTH = 24
"""Passages looked at per programme."""
TOPIC_BONUS = 0.12
EXPECTED_BONUS = 0.10
"""Added to the fused score (0 to 1) of passages under the asked topic, and of those that hold the kind of fact asked for."""
SAME_CONTENT = 0.80
"""Share of terms from which two passages say the same."""

_EXPECTED = {
    "duration": re.compile(
        r"\d+[- ]?(working |calendar |business )?(day|week|month|year|hour)s?\b|indefinite|no (fixed |expiry|time limit)|does not expire|unlimited"
        r"|\b(one|two|three|four|five|six|seven|ten|twelve) (working |calendar )?(day|week|month|year)s?\b",
        re.IGNORECASE,
    ),
    "money": re.compile(r"\bfees?\b|free of charge|no charge|\b(USD|EUR|GBP|INR|AUD|JPY|CNY|RMB|RM|R\$)\s?\d|[€£$¥₹]\s?\d", re.IGNORECASE),
    "date": re.compile(r"\b(19|20)\d\d\b"),
    "count": re.compile(r"\b\d[\d,. ]*\b"),
}


def retrieve(context: Context) -> None:
    """Fill `hits` for every programme; decline when nothing is held for any."""
    query = _without_programme_names(context.text) or context.text
    expand = " ".join(concept.expand for concept in context.concepts[:4])
    for code in context.jurisdictions:
        among = Filter(frozenset({code}), officer=context.question.officer_access and context.audience == "officer")
        hits = context.index.search(query, DEPTH, among, expand)
        context.hits[code] = _distinct(sorted((_nudged(hit, context) for hit in hits), key=lambda hit: -hit.score))


def _without_programme_names(text: str) -> str:
    """Names of programmes say nothing about which of their provisions is meant; tiers and grades do."""
    kept = text
    for mention in reversed(mentions(text)):
        if not any(character.isdigit() for character in mention.words) and "-" not in mention.words:
            kept = kept[: mention.start] + kept[mention.end :]
    return kept if len(terms(kept)) >= 2 else text


def _nudged(hit: Hit, context: Context) -> Hit:
    bonus = 0.0
    if any(hit.passage.topic == concept.topic for concept in context.concepts):
        bonus += TOPIC_BONUS
    for kind in {concept.expects for concept in context.concepts} - {""}:
        if _EXPECTED[kind].search(hit.passage.text):
            bonus += EXPECTED_BONUS
    return Hit(hit.passage, hit.score + bonus, hit.lexical, hit.dense)


def _distinct(hits: list[Hit]) -> list[Hit]:
    """Leave out a passage that says what a better one says."""
    kept: list[Hit] = []
    seen: list[frozenset[str]] = []
    for hit in hits:
        content = frozenset(terms(hit.passage.text))
        if all(len(content & other) < SAME_CONTENT * max(1, min(len(content), len(other))) for other in seen):
            kept.append(hit)
            seen.append(content)
    return kept


def coverage(question: list[str], passage: frozenset[str], idf: dict[str, float]) -> float:
    """Share of the question's terms, weighted by rarity, that the passage holds."""
    weights = np.array([idf.get(term, 1.0) for term in question])
    held = np.array([term in passage for term in question])
    return float((weights * held).sum() / weights.sum()) if len(question) else 0.0
