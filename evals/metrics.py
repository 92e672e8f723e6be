"""What is measured of one answer, stage by stage. Every score lies between 0 and 1, and more is better.

A score is None where it does not apply to the question; the score of a run is the mean over those to which it does.
docs/evaluate.md explains each to a maintainer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from corpus.programmes import EU_MEMBERS
from corpus.schema import Topic
from evals.matching import Sentence, answer_sentences, holds, holds_fact, numbers, plain
from evals.questions import EvalQuestion
from evals.relevance import Judgements, retrieval_scores
from evals.rules import cited_passages, territories, violations
from indexing.analysis import terms
from indexing.passages import Passage
from indexing.search import Index
from indexing.sentences import sentence_spans

Scores = dict[str, float | None]

MOST_TERMS = 0.6
"""Share of a sentence's content terms that its passages must hold to support it."""
_LIMITS = re.compile(
    r"\b(?:unless|except|exceptions?|only (?:if|where|when|for|to)|provided (?:that|it|they)|(?:does|do) not apply|"
    r"not apply|subject to|without prejudice|however|in that case|otherwise|(?:may|can) be extended|not counted|"
    r"at most|no more than)\b",
    re.IGNORECASE,
)
"""Words by which a sentence limits the rule before it."""


_CODES = re.compile(r"\b(?:EU|WCO|EAEU|GCC|EAC|US)\b")
"""Programmes that texts name by their code."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A score: where in the pipeline it stands and what it means."""

    name: str
    title: str
    stage: str
    meaning: str


METRICS: tuple[Metric, ...] = (
    Metric("solved", "Solved", "whole", "right programme, every fact stated, nothing forbidden, no rule broken"),
    Metric("status", "Right kind of reply", "understanding", "answered, clarified or declined, as expected"),
    Metric(
        "programme",
        "Programme recognised",
        "understanding",
        "answered for the expected programmes and no unrelated one",
    ),
    Metric("audience", "Audience recognised", "understanding", "applicant or officer, as whom the question is asked"),
    Metric("held", "Facts in the index", "corpus", "the index holds every fact that the answer needs"),
    Metric("recall@5", "Recall@5", "retrieval", "share of all relevant passages among the first 5"),
    Metric("recall@10", "Recall@10", "retrieval", "share of all relevant passages among the first 10"),
    Metric("map@10", "MAP@10", "retrieval", "mean average precision of the first 10"),
    Metric("ndcg@10", "nDCG@10", "retrieval", "graded by the number of facts that a passage holds"),
    Metric(
        "right@5",
        "Right passage in top 5",
        "retrieval",
        "one of the first 5 holds as many of the facts as any passage does",
    ),
    Metric("facts@5", "Facts in top 5", "retrieval", "share of the facts that the first 5 hold together"),
    Metric("fact_recall", "Facts stated", "answer", "share of the expected facts that the answer states"),
    Metric(
        "fact_precision",
        "Figures right",
        "answer",
        "share of the answer's figures that its passages hold, less forbidden strings",
    ),
    Metric(
        "conditions_kept",
        "Conditions kept",
        "answer",
        "limiting sentences of the leading provision that the answer keeps",
    ),
    Metric(
        "citation_recall",
        "Sentences supported",
        "citation",
        "sentences whose passages hold their figures and most of their terms",
    ),
    Metric(
        "citation_precision",
        "Citations needed",
        "citation",
        "citations that support alone, or without which support breaks",
    ),
    Metric("provision", "Provision cited", "citation", "an expected provision is cited, where the index holds it"),
    Metric("rules_kept", "Five rules kept", "citation", "answers without a breach of the five rules"),
    Metric(
        "decline_precision",
        "Declines only what it should",
        "refusal",
        "of the declined questions, those that should be",
    ),
    Metric("decline_recall", "Declines what it should", "refusal", "of the questions to decline, those declined"),
    Metric(
        "decline_reason",
        "Reason of declining right",
        "refusal",
        "of the rightly declined, those with the expected reason",
    ),
    Metric(
        "clarify_precision",
        "Asks back only when it should",
        "refusal",
        "of the clarified questions, those that should be",
    ),
    Metric("clarify_recall", "Asks back when it should", "refusal", "of the questions to clarify, those clarified"),
)
NAMES = tuple(metric.name for metric in METRICS)


def score(
    question: EvalQuestion, answer: dict[str, Any], ranked: Sequence[str], judgements: Judgements, index: Index
) -> tuple[Scores, list[str]]:
    """Scores of one answer by metric, and its breaches of the five rules; `ranked` are the retrieved passages' ids."""
    scores: Scores = dict.fromkeys(NAMES)
    scores |= _understanding(question, answer) | _refusal(question, answer)
    broken = violations(answer, index.store)
    if question.expect == "answered":
        scores["held"] = float(judgements.held)
        scores |= retrieval_scores(ranked, judgements)
        scores["fact_recall"] = 1 - len(missing_facts(question, answer)) / len(question.facts)
    if answer["status"] == "answered":
        scores["rules_kept"] = float(not broken)
        scores |= _grounding(question, answer, cited_passages(answer, index.store))
        cited = {citation["passage_id"] for citation in answer["citations"]}
        scores["provision"] = float(bool(cited & judgements.provisions)) if judgements.provisions else None
    scores["solved"] = float(_solved(question, answer, scores, broken))
    return scores, broken


def _solved(question: EvalQuestion, answer: dict[str, Any], scores: Scores, broken: Sequence[str]) -> bool:
    if answer["status"] != question.expect or broken:
        return False
    if question.expect == "answered":
        right = scores["programme"] == scores["fact_recall"] == 1
        return right and not forbidden_found(question, answer)
    return bool(answer["reason"] == question.reason)


def missing_facts(question: EvalQuestion, answer: dict[str, Any]) -> list[tuple[str, ...]]:
    """Expected facts that the answer does not state; all of them where it is no answer."""
    text = plain(answer["answer"]) if answer["status"] == "answered" else ""
    return [fact for fact in question.facts if not holds_fact(text, fact)]


def forbidden_found(question: EvalQuestion, answer: dict[str, Any]) -> list[str]:
    """Strings that a right answer cannot hold, and this one does.

    A sentence that states an expected fact as well tells the two apart ("T2 for 3 years, T3 for 5") and is no fault.
    """
    if answer["status"] != "answered" or not question.forbidden:
        return []
    texts = [plain(sentence.text) for sentence in answer_sentences(answer["answer"])]
    faults = [text for text in texts if not any(holds_fact(text, fact) for fact in question.facts)]
    return [string for string in question.forbidden if any(holds(text, string) for text in faults)]


def _understanding(question: EvalQuestion, answer: dict[str, Any]) -> Scores:
    answerable = question.expect == "answered"
    return {
        "status": float(answer["status"] == question.expect),
        "programme": float(_right_programmes(question, answer)) if answerable else None,
        "audience": float(answer["audience"] == question.audience) if answerable else None,
    }


def _right_programmes(question: EvalQuestion, answer: dict[str, Any]) -> bool:
    """All that were expected and nothing else, but for what belongs to them.

    The guidance of a member state stands beside the EU's, on mutual recognition both sides' may speak, and a programme
    that the question names ("as in the EU") may be held against the one that is asked about.
    """
    expected, given = set(question.jurisdictions), set(answer["jurisdictions"])
    related = {"EU"} if expected & EU_MEMBERS else set(EU_MEMBERS) if "EU" in expected else set()
    related |= territories(question.question) | set(_CODES.findall(question.question))
    return expected <= given and (question.topic is Topic.RECOGNITION or given <= expected | related)


def _refusal(question: EvalQuestion, answer: dict[str, Any]) -> Scores:
    scores: Scores = {}
    for status, name in (("declined", "decline"), ("clarify", "clarify")):
        expected, given = question.expect == status, answer["status"] == status
        scores[f"{name}_precision"] = float(expected) if given else None
        scores[f"{name}_recall"] = float(given) if expected else None
    both = question.expect == answer["status"] == "declined"
    scores["decline_reason"] = float(answer["reason"] == question.reason) if both else None
    return scores


def _grounding(question: EvalQuestion, answer: dict[str, Any], passages: dict[int, Passage]) -> Scores:
    sentences = answer_sentences(answer["answer"])
    cited = [(s, [passages[m] for m in dict.fromkeys(s.markers) if m in passages]) for s in sentences]
    supported = [bool(some) and supports(s, some) for s, some in cited]
    needed = [
        whole and (supports(s, [one]) or not supports(s, [p for p in some if p is not one]))
        for (s, some), whole in zip(cited, supported, strict=True)
        for one in some
    ]
    return {
        "fact_precision": _fact_precision(question, answer, cited),
        "conditions_kept": _conditions_kept(answer, passages),
        "citation_recall": _share(supported),
        "citation_precision": _share(needed),
    }


def supports(sentence: Sentence, passages: Sequence[Passage]) -> bool:
    """Whether passages hold all figures of a sentence and most of its content terms."""
    texts = " ".join(passage.text for passage in passages)
    wanted = frozenset(terms(sentence.text))
    held = wanted & frozenset(terms(texts))
    return numbers(sentence.text) <= numbers(texts) and len(held) >= MOST_TERMS * len(wanted)


def _fact_precision(
    question: EvalQuestion, answer: dict[str, Any], cited: Sequence[tuple[Sentence, list[Passage]]]
) -> float:
    """Figures are counted once a sentence; each forbidden string counts as one more wrong figure."""
    right = wrong = 0
    for sentence, passages in cited:
        stated = numbers(sentence.text)
        held = frozenset[str]().union(*(numbers(passage.text) for passage in passages))
        right += len(stated & held)
        wrong += len(stated - held)
    wrong += len(forbidden_found(question, answer))
    return right / (right + wrong) if right + wrong else 1.0


def _conditions_kept(answer: dict[str, Any], passages: dict[int, Passage]) -> float | None:
    """Share of the limiting sentences of the first cited passage that the answer quotes or says."""
    if not answer["citations"] or (lead := passages.get(answer["citations"][0]["marker"])) is None:
        return None
    limiting = [lead.text[a:b] for a, b in sentence_spans(lead.text) if _LIMITS.search(lead.text[a:b])]
    said = frozenset(terms(plain(answer["answer"])))
    kept = [len(said & (wanted := frozenset(terms(plain(text))))) >= 0.8 * len(wanted) for text in limiting]
    return _share(kept)


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def readability(answer: str) -> dict[str, float]:
    """Words in a sentence, and Flesch reading ease (English: 100 is plain, 30 hard; legal text is about 30)."""
    sentences = [re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", s.text) for s in answer_sentences(answer)]
    sentences = [words for words in sentences if words]
    if not sentences:
        return {"words_per_sentence": 0.0, "flesch": 0.0}
    words = [word for sentence in sentences for word in sentence]
    length = len(words) / len(sentences)
    syllables = sum(_syllables(word) for word in words) / len(words)
    return {"words_per_sentence": round(length, 2), "flesch": round(206.835 - 1.015 * length - 84.6 * syllables, 1)}


def _syllables(word: str) -> int:
    word = word.casefold()
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = word.endswith("e") and not word.endswith(("le", "ee")) and groups > 1
    return max(1, groups - silent)


def means(rows: Sequence[Scores]) -> dict[str, float]:
    """Mean of each score over the questions to which it applies; without those that apply to none."""
    found: dict[str, float] = {}
    for name in NAMES:
        values = [value for row in rows if (value := row.get(name)) is not None]
        if values:
            found[name] = sum(values) / len(values)
    return found
