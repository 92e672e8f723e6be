"""Whether the passages found answer the question at all: decline rather than guess.

A logistic model over five features that any question has; `python -m evals.train_support` fits it to the dev questions
and prints the constants below with their ROC (docs/evaluate.md).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from assistant.context import Context
from assistant.messages import say, territories
from assistant.programmes import fold, mentions
from assistant.references import referred
from assistant.understand import decline_out_of_scope, in_field
from corpus.programmes import programmes
from indexing.analysis import terms
from indexing.search import Index

WEIGHTS = (6.65, 6.35, 6.03, 2.02, 1.13)
INTERCEPT = -10.67
"""Of closeness to a passage and to a known question, coverage by the best passage, coverage by the programme, and naming a concept."""
DECLINE_BELOW = 0.20
DOUBT_BELOW = 0.40
"""Below the first, the question is declined; below the second, the answer says that it may not be exactly what was asked
and a question that names nothing of the field is taken to be about something else.
"""

# "Tier 4", "Article 99", "level 7", "form C999": a thing and its number, which must exist for the question to make sense.
_DESIGNATED = re.compile(r"\b(tier|level|pillar|grade|order|decree|aeo-t)\s?-?(\d+[a-z]?)\b")


def features(context: Context, code: str) -> tuple[float, ...]:
    """Closest passage's cosine; cosine with the closest question known to be answered; rarity-weighted share of the question's terms in the best of the first four passages, and in
    all passages of the programme; whether the question names a concept.
    """
    hits = context.hits.get(code, [])
    if not hits:
        return (0.0,) * len(WEIGHTS)
    idf, everywhere = _rarity(context.index), _terms_of(context.index, code)
    asked = list(dict.fromkeys(terms(_bare(context.text))))
    weight = {term: idf.get(term, max(idf.values(), default=1.0)) for term in asked}
    total = sum(weight.values()) or 1.0
    best = max(
        sum(weight[term] for term in asked if term in held)
        for held in (frozenset(terms(f"{hit.passage.text} {' '.join(hit.passage.heading_path)}")) for hit in hits[:4])
    )
    numbers = context.index.term_ids(asked)
    anywhere = sum(weight[term] for term, number in zip(asked, numbers, strict=True) if number in everywhere)
    closeness = max(hit.dense for hit in hits)
    return closeness, context.asked.get(code, closeness), best / total, anywhere / total, float(bool(context.concepts))


def _bare(text: str) -> str:
    for mention in reversed(mentions(text)):
        text = text[: mention.start] + text[mention.end :]
    return text


@lru_cache(maxsize=2)
def _rarity(index: Index) -> dict[str, float]:
    return index.rarity()


@lru_cache(maxsize=256)
def _terms_of(index: Index, code: str) -> frozenset[int]:
    return index.term_ids_of(code)


def confidence(values: tuple[float, ...]) -> float:
    """Probability that the question is answered by what was found, 0 to 1."""
    score = INTERCEPT + sum(weight * value for weight, value in zip(WEIGHTS, values, strict=True))
    return 1 / (1 + math.exp(-score))


def unknown_designation(context: Context) -> str | None:
    """A "Tier 4" or "Article 99" in the question that no passage found knows."""
    found = " ".join(fold(f"{h.passage.text} {h.passage.reference}") for hits in context.hits.values() for h in hits)
    for match in _DESIGNATED.finditer(fold(context.text)):
        thing, number = re.escape(match.group(1).rstrip(".")), re.escape(match.group(2))
        if not re.search(rf"\b{thing}\w*\.?[\s-]?(?:[\dA-Za-z]+(?:, | and | or | to ))*{number}\b", found):
            return match.group()
    return None


def answerable(context: Context) -> None:
    """Decline when what was found does not answer; say so openly when it may not."""
    designation = unknown_designation(context)
    if designation:
        context.notices.append(say("not_mentioned", context.language, designation=designation))
    if context.follows_up or referred(context.index, context.text):
        return
    sure = max(confidence(features(context, code)) for code in context.jurisdictions)
    compared = len(context.jurisdictions) > 1 and bool(context.concepts)  # "compare" itself stands in no provision
    if sure < DOUBT_BELOW and not in_field(context):
        decline_out_of_scope(context)
    elif designation or (sure < DECLINE_BELOW and not compared):
        _decline_unsupported(context)
    elif sure < DOUBT_BELOW:
        context.notices.append(say("closest_only", context.language))


def supported(context: Context) -> None:
    """Decline when verification left nothing, or only the statement that nothing reliable was found."""
    supports = [s for section in context.sections for statement in section.statements for s in statement.support]
    if not supports:
        _decline_unsupported(context)
    elif all(support.passage.status == "gap" for support in supports):
        context.decline("unsupported", " ".join(s.text for section in context.sections for s in section.statements))


def _decline_unsupported(context: Context) -> None:
    names = territories(context.jurisdictions, context.language)
    authorities = "; ".join(programmes()[code].authority for code in context.jurisdictions if code in programmes())
    said = say("unsupported", context.language, names=names, authorities=authorities)
    context.decline("unsupported", said)
