"""Where a question was lost: the first stage at which its answer went wrong, and where in the code to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.metrics import forbidden_found
from evals.runner import Result


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of failure."""

    id: str
    title: str
    look: str
    """What to look at first."""


KINDS: tuple[Kind, ...] = (
    Kind("rule", "Breaks one of the five rules", "assistant/verify.py: a rule has a gap. There must be none."),
    Kind("wrong", "States what it must not", "The cited passages: another tier's figure, or a replaced rule."),
    Kind(
        "unrefused",
        "Should have declined or asked back",
        "assistant/guard.py; scope in understand.py; assistant/support.py.",
    ),
    Kind("refused", "Declined or asked back, should answer", "scope in assistant/understand.py; assistant/support.py."),
    Kind("reason", "Declined for another reason", "Order of the checks in assistant/understand.py and guard.py."),
    Kind(
        "programme", "Answered for another programme", "corpus/data/programmes.toml: aliases; assistant/programmes.py."
    ),
    Kind("corpus", "Guidance lacks the fact", "corpus/notes: add the provision; or the question is wrong."),
    Kind("retrieval", "Provision not in the first five", "assistant/retrieve.py: what was wanted, what was found?"),
    Kind("composition", "Retrieved, but not stated", "assistant/compose.py: the provision or sentence was left out."),
)


def kind_of(result: Result) -> Kind | None:
    """The first thing that went wrong; None for a solved question."""
    if result.scores["solved"]:
        return None
    kinds = {kind.id: kind for kind in KINDS}
    return kinds[_id(result)]


def _id(result: Result) -> str:
    question, answer, scores = result.question, result.answer, result.scores
    if result.violations:
        return "rule"
    if question.expect != "answered":
        return "reason" if answer["status"] == question.expect else "unrefused"
    if answer["status"] != "answered":
        return "refused"
    if forbidden_found(question, answer):
        return "wrong"
    if not scores["programme"]:
        return "programme"
    if not scores["held"]:
        return "corpus"
    return "composition" if scores["facts@5"] == 1 else "retrieval"


def by_kind(results: Sequence[Result]) -> list[tuple[Kind, list[Result]]]:
    """Unsolved questions by kind, in the order of `KINDS`, those with the most missing first."""
    found: list[tuple[Kind, list[Result]]] = []
    for kind in KINDS:
        some = [result for result in results if kind_of(result) is kind]
        if some:
            found.append((kind, sorted(some, key=lambda r: (r.scores["fact_recall"] or 0.0, r.question.id))))
    return found
