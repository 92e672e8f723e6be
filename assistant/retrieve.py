"""The passages that may answer: hybrid search within each programme, nudged towards what the question is about.

The weights were tuned on the dev questions of `evals/` (docs/evaluate.md), where every share of the sum was shown to pay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from assistant.concepts import Concept
from assistant.context import Context
from assistant.messages import say, territories
from assistant.plain import meant, says_little, subject
from assistant.programmes import fold, mentions
from assistant.references import referred
from assistant.terms import readable
from corpus.mra import between
from corpus.programmes import EU_MEMBERS, programmes
from indexing.analysis import terms
from indexing.embedding import Vectors
from indexing.multilingual import closeness, question_vector
from indexing.search import Filter, Hit, Index
from indexing.structured import LIST_HEADING, document_id, is_data_row, pair_heading

DEPTH = 24
"""Passages looked at per programme."""

LEXICAL = 0.22
DENSE = 0.78
ASKED = 0.68
CONCEPT = 0.16
COVERED = 0.37
"""Shares of BM25, of the question's cosine with the passage, with the questions that the passage answers, of its
concepts' cosine with the passage, each scaled to the best passage's, and of the words of the question that the passage
holds, weighted by their rarity. They were fitted to the dev questions (`evals/`), in eight folds by question."""
MULTILINGUAL = 0.37
UNREAD = 2.0
"""Share of the closeness of the question as it was asked, where that was not in English; and where the question's language
has no dictionary, so that its words say nothing."""
MEANT = 0.5
"""Share of the guidance's words for what was asked beside the question's own, in BM25."""
SYNONYM = 0.7
"""How far a passage that holds only the guidance's word for one of the question's is taken to hold that word."""
SUBJECT = 0.2
TOPIC = 0.15
TOPIC_ALONE = 0.28
EXPECTED = 0.19
GAP = 0.36
DATA_ROW = 1.0
PAIR = 0.5
PAIR_ALONE = 1.5
REFERENCE = 1.4
"""Added to a passage that speaks of all particular concepts that are asked (of a part of them: in proportion); to one under
the asked topic, more where the question asks for nothing else; to one that holds the kind of
fact asked for; to one that is referred to by its pinpoint. Taken from one that only says that nothing was found, and from
rows of the recognition data where the question is about something else. Added to the row about two programmes that the
question names, more where it asks for nothing else of them."""

SAME_CONTENT = 0.80
"""Share of terms from which two passages say the same."""

_GENERAL = frozenset(
    {"definition", "criteria", "validation", "how_to_apply", "who_may_apply", "recognition", "mra_use", "history"}
)
"""Concepts that passages on everything speak of."""
_OF_A_PAIR = frozenset({"recognition", "history", "legal_basis"})
"""Concepts of questions that the row about two programmes answers: whether, since when, under what."""
_AS_WHOM = re.compile(
    r"^\W*(?:as|i'?m|i am|we are|we're) (?:an? |the )?(?:customs |visiting )?(?:officers?|validators?|auditors?)\b"
    r"[^,.:;]{0,40}[,.:;]\s*",
    re.IGNORECASE,
)
"""Who asks says nothing about which provision is meant: "As an officer, …"."""

FACTS = {
    "duration": re.compile(
        r"\d+[- ]?(working |calendar |business )?(day|week|month|year|hour)s?\b|indefinite|no (fixed |expiry|time limit)"
        r"|does not expire|unlimited|without limit|\b(one|two|three|four|five|six|seven|ten|twelve) (working |calendar )?"
        r"(day|week|month|year)s?\b",
        re.IGNORECASE,
    ),
    "money": re.compile(
        r"\bfees?\b|free of charge|no charge|\b(USD|EUR|GBP|INR|AUD|JPY|CNY|RMB|RM|R\$)\s?\d|[€£$¥₹]\s?\d",
        re.IGNORECASE,
    ),
    "date": re.compile(r"\b(19|20)\d\d\b"),
    "count": re.compile(r"\b\d[\d,. ]*\b"),
}


def retrieve(context: Context) -> None:
    """Fill `hits` for every programme, best first."""
    text = _AS_WHOM.sub("", context.text)
    bare = _without_programme_names(text)
    said = _without_programme_names(text, own=True)
    about = subject(said)
    vector = context.index.embed([text, bare]).mean(axis=0)
    if _strangers(context):
        names = territories(context.jurisdictions, context.language)
        context.notices.append(say("no_arrangement", context.language, names=names))
    for code in context.jurisdictions:
        among = Filter(frozenset({code}), officer=context.question.officer_access and context.audience == "officer")
        rows = context.index.rows(among)
        if not len(rows):
            context.hits[code] = []
            continue
        lexical = context.index.lexical(said, rows) + MEANT * context.index.lexical(meant(about), rows)
        dense = context.index.dense(vector, rows)
        scores = LEXICAL * _scaled(lexical) + DENSE * _scaled(dense) + COVERED * _covered(context.index, about, rows)
        asked = context.index.asked(vector, rows, dense)
        context.asked[code] = float(asked.max())
        scores = scores + ASKED * _scaled(asked)
        scores = scores + CONCEPT * _scaled(_concept_scores(context.index, context.concepts, rows))
        if context.language != "en" and not context.follows_up:
            share = MULTILINGUAL if readable(context.language) else UNREAD
            scores = scores + share * closeness(context.index, question_vector(context.question.text), rows)
        hits = context.index.hits(rows, scores, lexical, dense, DEPTH)
        hits += _referred(context, code, hits) + _of_the_pair(context, code, hits)
        topic = TOPIC_ALONE if says_little(about) else TOPIC
        context.hits[code] = _distinct(
            sorted((_nudged(hit, context, topic) for hit in hits), key=lambda hit: -hit.score)
        )


def _scaled(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    positive = np.maximum(scores, 0)
    return np.asarray(positive / max(float(positive.max()), 1e-9), np.float32)


def _covered(index: Index, about: dict[str, tuple[str, ...]], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rarity-weighted share of what the question is about that each passage holds, shape (rows,)."""
    weights = rarity(index, about)
    held = np.zeros(len(rows), np.float32)
    for term, others in about.items():
        has = index.lexical(term, rows) > 0
        like = SYNONYM * (index.lexical(" ".join(others), rows) > 0) if others else 0.0
        held += weights[term] * np.maximum(has, like)
    return np.asarray(held / (sum(weights.values()) or 1.0), np.float32)


def rarity(index: Index, words: Iterable[str]) -> dict[str, float]:
    """Inverse document frequency of stems; of those that no passage holds, the highest of all."""
    known, highest = _rarity(index)
    return {word: known.get(word, highest) for word in words}


@lru_cache(maxsize=2)
def _rarity(index: Index) -> tuple[dict[str, float], float]:
    known = index.rarity()
    return known, max(known.values(), default=1.0)


def _concept_scores(index: Index, concepts: tuple[Concept, ...], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    if not concepts:
        return np.zeros(len(rows), np.float32)
    vectors = [_concept_vector(index, concept.expand) for concept in concepts[:4]]
    return index.dense(np.asarray(np.mean(vectors, axis=0), np.float32), rows)


@lru_cache(maxsize=512)
def _concept_vector(index: Index, words: str) -> Vectors:
    vector: Vectors = index.embed([words])[0]
    return vector


def _without_programme_names(text: str, own: bool = False) -> str:
    """Names of programmes say nothing about which of their provisions is meant; tiers and grades do.

    With `own`, what only means the programme itself is kept, as its tiers are among it.
    """
    kept = text
    for mention in reversed(mentions(text)):
        if own and mention.code in programmes() and fold(mention.words) in programmes()[mention.code].own_names:
            continue
        if not any(character.isdigit() for character in mention.words) and "-" not in mention.words:
            kept = kept[: mention.start] + kept[mention.end :]
    return kept if len(terms(kept)) >= 2 else text


def _referred(context: Context, code: str, hits: list[Hit]) -> list[Hit]:
    """Passages of the programme whose pinpoint the question names, where the search did not find them."""
    found = {hit.passage.id for hit in hits}
    passages = [p for p in referred(context.index, context.text) if p.jurisdiction == code and p.id not in found]
    return [Hit(passage, hits[-1].score if hits else 0.0, 0.0, 0.0) for passage in passages]


def _of_the_pair(context: Context, code: str, hits: list[Hit]) -> list[Hit]:
    """Rows of the recognition data about the programmes that the question names, where the search did not find them."""
    if len(context.jurisdictions) < 2 or not any(concept.topic == "recognition" for concept in context.concepts):
        return []
    found = {hit.passage.id for hit in hits}
    wanted = _headings_of_the_pair(context)
    rows = context.index.store.passages_of(document_id(code))
    rows = [row for row in rows if row.heading_path[-1] in wanted and row.id not in found]
    return [Hit(row, hits[-1].score if hits else 0.0, 0.0, 0.0) for row in rows]


def _headings_of_the_pair(context: Context) -> frozenset[str]:
    """Of the rows about each other; where there is none, of the lists of all partners."""
    if _strangers(context):
        return frozenset({LIST_HEADING})
    return frozenset(pair_heading(code) for code in context.jurisdictions)


def _strangers(context: Context) -> bool:
    """Whether the question is about the recognition between two programmes of which no source held tells any."""
    sides = {"EU" if code in EU_MEMBERS else code for code in context.jurisdictions} - {"WCO"}
    asked = any(concept.topic == "recognition" for concept in context.concepts)
    if not asked or len(sides) != 2:
        return False
    one, other = sides
    return not between(one, other)


def _nudged(hit: Hit, context: Context, topic: float) -> Hit:
    bonus = 0.0
    if hit.passage.topic in asked_topics(context.concepts):
        bonus += topic
    if any(c.expects and FACTS[c.expects].search(hit.passage.text) for c in context.concepts):
        bonus += EXPECTED
    particular = [concept for concept in context.concepts if concept.id not in _GENERAL]
    if particular:
        said = fold(f"{hit.passage.heading_path[-1]} {hit.passage.text}")
        bonus += SUBJECT * sum(any(p.search(said) for p in c.patterns) for c in particular) / len(particular)
    if hit.passage.status == "gap":
        bonus -= GAP
    if is_data_row(hit.passage):
        asked = {concept.id for concept in context.concepts}
        recognition = any(concept.topic == "recognition" for concept in context.concepts)
        wanted = _headings_of_the_pair(context)
        pair = PAIR if asked - _OF_A_PAIR else PAIR_ALONE
        bonus += pair * (hit.passage.heading_path[-1] in wanted) if recognition else -DATA_ROW
    if any(passage.id == hit.passage.id for passage in referred(context.index, context.text)):
        bonus += REFERENCE
    return Hit(hit.passage, hit.score + bonus, hit.lexical, hit.dense)


def asked_topics(concepts: tuple[Concept, ...]) -> frozenset[str]:
    """Topics that are asked; what the programme is counts only where nothing else is asked."""
    asked = frozenset(concept.topic for concept in concepts if concept.id != "definition")
    return asked or frozenset(concept.topic for concept in concepts)


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
