"""Whether the passages found answer the question at all: decline rather than guess.

A logistic model over features that any question has; `python -m evals.train_support` fits it to the dev questions
and prints the constants below with their ROC (docs/evaluate.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from assistant.context import Context
from assistant.messages import say, territories
from assistant.plain import subject
from assistant.programmes import fold, mentions
from assistant.references import referred
from assistant.retrieve import FACTS, rarity
from assistant.terms import readable
from assistant.understand import decline_out_of_scope, in_field
from corpus.programmes import programmes
from indexing.analysis import terms
from indexing.search import Hit, Index

WEIGHTS = (7.21, 2.88, 2.49, -3.22, -0.2, 5.09, 0.76, -0.1, 0.21, -4.36, -1.13)
INTERCEPT = -7.6
"""Of the features in their order."""
DECLINE_BELOW = 0.20
ELSEWHERE_BELOW = 0.33
DOUBT_BELOW = 0.40
"""Below the first, the question is declined; below the second, one that names nothing of the field and none of its concepts
is taken to be about something else; below the third, the answer says that it may not be exactly what was asked.
"""

_EVENT = re.compile(
    r"\b(?:abolish\w*|cancell?(?:ed|s|ing)?|scrap\w*|bann?(?:ed|s|ing)?|discontinu\w+|merg\w+|quit|dropp\w*|stopp?(?:ed|s|ing)?)\b"
)
_ASKED_EVENT = re.compile(rf"\b(?:when|why|(?:in )?(?:which|what) (?:year|month|day)|since when)\b.*?{_EVENT.pattern}")
"""Changes that a question may take for granted."""
_TIME_UNITS = frozenset(terms("hour day week month year"))
_HOW_MANY = re.compile(r"\bhow many\s+((?:[\w'-]+\s*){1,3})")
_KINDS = (
    (
        re.compile(
            r"\bhow (?:long|soon|often)\b|\bdeadline|\btime limit|\bhow many (?:\w+ )?(?:hours|days|weeks|months|years)\b"
        ),
        FACTS["duration"],
    ),
    (re.compile(r"\bhow much\b.{0,40}\b(?:cost|pay|fee|charge|price)|\b(?:fees?|costs?|price)\b"), FACTS["money"]),
    (re.compile(r"\b(?:when (?:did|was|were|is|will)|since when|(?:which|what) (?:year|day|date))\b"), FACTS["date"]),
    (
        re.compile(r"\b(?:e-?mail|(?:tele)?phone|address)\b"),
        re.compile(r"@|\+?\d[\d ()-]{5,}|\b\d+ [A-Z]\w+|\bwww\.|\.\w{2,3}\b"),
    ),
)
"""What a question asks for, and how a passage that states such a thing looks."""
# "Tier 4", "Article 99", "level 7", "form C999": a thing and its number, which must exist for the question to make sense.
_DESIGNATED = re.compile(r"\b(tier|level|pillar|grade|order|decree|aeo-t)\s?-?(\d+[a-z]?)\b")


def features(context: Context, code: str) -> tuple[float, ...]:
    """What tells whether a programme's passages answer, 11 numbers.

    The closest passage's cosine; the cosine with the closest question known to be answered; the rarity-weighted share of
    what the question is about in the best of the first four passages; the share that no guidance at all holds; the rarity of
    the rarest word that the programme's guidance does not hold, 0 to 1; how far the first passage leads the fifth; whether
    the first is of an asked topic; whether the question names a concept; whether it names anything of the field; whether it
    takes for granted an event that the first passages do not report; whether it asks for a kind of thing that they do not
    state.
    """
    hits = context.hits.get(code, [])
    if not hits:
        return (0.0,) * len(WEIGHTS)
    about = subject(_bare(context.text))
    weight = rarity(context.index, about)
    total = sum(weight.values()) or 1.0
    passages = [_terms(f"{hit.passage.text} {' '.join(hit.passage.heading_path)}") for hit in hits[:4]]
    covered = max(sum(weight[t] for t in about if _holds(held, t, about[t])) for held in passages) / total
    unknown = sum(weight[t] for t in about if not about[t] and context.index.term_ids([t])[0] is None) / total
    absent = [weight[t] for t in about if not _known(context.index, code, t, about[t])]
    closeness = max(hit.dense for hit in hits)
    fifth = hits[min(4, len(hits) - 1)].score
    return (
        closeness,
        context.asked.get(code, closeness),
        covered,
        unknown,
        max(absent, default=0.0) / max(rarity(context.index, [""]).values()),
        (hits[0].score - fifth) / max(hits[0].score, 1e-9),
        float(any(concept.topic == hits[0].passage.topic for concept in context.concepts)),
        float(bool(context.concepts)),
        float(in_field(context)),
        float(_unreported_event(context, hits[:3])),
        float(lacks_kind(context.text, hits[:3])),
    )


def _terms(text: str) -> frozenset[str]:
    return frozenset(terms(text))


def _holds(held: frozenset[str], term: str, others: tuple[str, ...]) -> bool:
    return term in held or any(not held.isdisjoint(terms(other)) for other in others)


def _known(index: Index, code: str, term: str, others: tuple[str, ...]) -> bool:
    """Whether a programme's guidance holds a word, or another for it."""
    numbers = index.term_ids([term, *(stem for other in others for stem in terms(other))])
    return any(number in _terms_of(index, code) for number in numbers)


def _unreported_event(context: Context, hits: Sequence[Hit]) -> bool:
    return bool(_ASKED_EVENT.search(fold(context.text))) and not any(
        _EVENT.search(fold(hit.passage.text)) for hit in hits
    )


def lacks_kind(text: str, hits: Sequence[Hit]) -> bool:
    """Whether the question asks for a time, an amount, a date, an address or a number of things that no passage states."""
    asked, stated = fold(text), [hit.passage for hit in hits if hit.passage.status != "gap"]
    for kind, form in _KINDS:
        if kind.search(asked) and not any(form.search(passage.text) for passage in stated):
            return True
    counted = _HOW_MANY.search(asked)
    if counted is None:
        return False
    things = [t for t in subject(counted.group(1)) if t not in _TIME_UNITS]
    return bool(things) and not any(_terms(passage.text).intersection(things) for passage in stated)


def _bare(text: str) -> str:
    for mention in reversed(mentions(text)):
        text = text[: mention.start] + text[mention.end :]
    return text


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
    if not readable(context.language):
        context.notices.append(say("closest_only", context.language))
        return
    sure = max(confidence(features(context, code)) for code in context.jurisdictions)
    compared = len(context.jurisdictions) > 1 and bool(context.concepts)  # "compare" itself stands in no provision
    if sure < (DECLINE_BELOW if context.concepts else ELSEWHERE_BELOW) and not in_field(context):
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
