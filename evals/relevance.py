"""Which passages are relevant to a question: derived from its facts.

The questions are written without sight of the notes, so nobody has marked passages by hand. A passage is relevant when
it is of one of the question's jurisdictions, verified, in force today, open to the public, and holds at least one of
the facts; its grade is the number of facts that it holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import AP, R, nDCG

from evals.matching import holds_fact, plain
from evals.questions import EvalQuestion
from indexing.passages import Passage
from indexing.search import Index, today
from indexing.store import day_number

MEASURES = {"recall@5": R @ 5, "recall@10": R @ 10, "map@10": AP @ 10, "ndcg@10": nDCG @ 10}
"""As trec_eval defines them; AP@10 divides by all relevant passages."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """Grade by passage id, and for each fact the ids of the passages that hold it."""

    grades: dict[str, int]
    holders: tuple[frozenset[str], ...]
    provisions: frozenset[str] = frozenset()
    """Ids of the passages whose pinpoint is one of the question's references, or a part of one."""

    @property
    def held(self) -> bool:
        """Whether the index holds every fact of the question."""
        return all(self.holders)


class Relevance:
    """Derives the judgements of questions over one index."""

    def __init__(self, index: Index) -> None:
        self._by_jurisdiction: dict[str, list[tuple[str, str, frozenset[str]]]] = defaultdict(list)
        on = today()
        for passage in index.store.all():
            if _eligible(passage, on):
                self._by_jurisdiction[passage.jurisdiction].append(
                    (passage.id, plain(passage.text), _pinpoint(passage.reference))
                )

    def judgements(self, question: EvalQuestion) -> Judgements:
        """Judgements for one question."""
        pool = [entry for code in question.jurisdictions for entry in self._by_jurisdiction.get(code, ())]
        holders = tuple(
            frozenset(identifier for identifier, text, _ in pool if holds_fact(text, fact)) for fact in question.facts
        )
        grades: dict[str, int] = defaultdict(int)
        for ids in holders:
            for identifier in ids:
                grades[identifier] += 1
        wanted = [tokens for reference in question.references if (tokens := _pinpoint(reference))]
        provisions = frozenset(
            identifier for identifier, _, pinpoint in pool if any(tokens <= pinpoint for tokens in wanted)
        )
        return Judgements(dict(grades), holders, provisions)


_GENERIC = frozenset(
    (
        "art",
        "arts",
        "article",
        "articles",
        "s",
        "ss",
        "section",
        "sections",
        "para",
        "paras",
        "item",
        "rule",
        "rules",
        "reg",
    )
) | {"no", "of", "the", "and", "to"}


def _pinpoint(reference: str) -> frozenset[str]:
    """What identifies a provision in a reference: its instrument's words, its numbers and letters."""
    return frozenset(re.findall(r"[^\W_]+", reference.casefold())) - _GENERIC


def _eligible(passage: Passage, on: int) -> bool:
    in_force = day_number(passage.valid_from) <= on <= day_number(passage.valid_to, end=True)
    return passage.status == "verified" and passage.access == "public" and in_force


def retrieval_scores(ranked: Sequence[str], judgements: Judgements) -> dict[str, float | None]:
    """Scores of a ranked list of passage ids; None where the index holds nothing relevant.

    `right@5`: a passage among the first five holds as many of the facts as any passage does.
    `facts@5`: share of the facts that the first five hold together, of those that the index holds at all.
    """
    names = [*MEASURES, "right@5", "facts@5"]
    if not judgements.grades:
        return dict.fromkeys(names)
    scores: dict[str, float | None] = dict(_measured(tuple(ranked), tuple(sorted(judgements.grades.items()))))
    best = max(judgements.grades.values())
    first = set(ranked[:5])
    scores["right@5"] = float(any(judgements.grades.get(identifier) == best for identifier in first))
    held = [ids for ids in judgements.holders if ids]
    scores["facts@5"] = sum(bool(ids & first) for ids in held) / len(held)
    return scores


def _measured(ranked: tuple[str, ...], grades: tuple[tuple[str, int], ...]) -> dict[str, float]:
    qrels = {"q": dict(grades)}
    # Ties would be broken by id: scores that fall with the rank keep our order.
    run = {"q": {identifier: float(len(ranked) - rank) for rank, identifier in enumerate(ranked)}}
    values = ir_measures.calc_aggregate(list(MEASURES.values()), qrels, run) if ranked else {}
    return {name: float(values.get(measure, 0.0)) for name, measure in MEASURES.items()}
