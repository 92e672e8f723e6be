"""Two runs side by side: which scores moved by more than chance, and which questions flipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.metrics import METRICS
from evals.questions import EvalError
from evals.runner import Result, read_results

RESAMPLES = 5000
CONFIDENCE = 0.95
SEED = 20260401


@dataclass(frozen=True, slots=True)
class Difference:
    """How a score moved over the questions to which it applies in both runs."""

    metric: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    """Bounds of the 95 % interval of `after - before`."""

    @property
    def change(self) -> float:
        """Positive: better."""
        return self.after - self.before

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that only one of the runs solves."""

    id: str
    question: str
    before: str
    after: str
    """What each run made of it, in a few words."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run against the first."""

    differences: tuple[Difference, ...]
    better: tuple[Flip, ...]
    worse: tuple[Flip, ...]
    only_before: int
    only_after: int
    """Questions that only one of the runs holds: they are not compared."""

    def text(self) -> str:
        """Changed scores with their intervals, and the questions that flipped in both directions."""
        titles = {metric.name: metric.title for metric in METRICS}
        lines = [f"{'score':<30}{'n':>5}{'before':>9}{'after':>8}{'change':>9}   95 % interval"]
        for d in self.differences:
            note = "" if d.significant or not d.change else "  (may be chance)"
            span = f"{d.low:+.3f} … {d.high:+.3f}"
            lines.append(
                f"{titles[d.metric]:<30}{d.questions:>5}{d.before:>9.3f}{d.after:>8.3f}{d.change:>+9.3f}   {span}{note}"
            )
        for title, flips in (("no longer solved", self.worse), ("newly solved", self.better)):
            lines += ["", f"{title} ({len(flips)})"]
            lines += [f"  {flip.id}: {flip.question} ({flip.before} → {flip.after})" for flip in flips]
        if self.only_before or self.only_after:
            lines += [
                "",
                f"not compared: {self.only_before} only in the first run, {self.only_after} only in the second",
            ]
        return "\n".join(lines)


def compare(run_a: Path, run_b: Path) -> Comparison:
    """What changed from run `run_a` to run `run_b`.

    Raises:
        EvalError: a folder holds no run, or the runs share no question.
    """
    return compare_results(read_results(run_a), read_results(run_b))


def compare_results(before: Sequence[Result], after: Sequence[Result]) -> Comparison:
    """The same over results in memory."""
    old, new = ({result.question.id: result for result in results} for results in (before, after))
    shared = sorted(old.keys() & new.keys())
    if not shared:
        raise EvalError("the two runs share no question; compare runs of the same split and sets")
    pairs = [(old[identifier], new[identifier]) for identifier in shared]
    differences = [difference for metric in METRICS if (difference := _difference(metric.name, pairs))]
    flipped = [(a, b) for a, b in pairs if a.scores["solved"] != b.scores["solved"]]
    return Comparison(
        differences=tuple(differences),
        better=tuple(_flip(a, b) for a, b in flipped if b.scores["solved"]),
        worse=tuple(_flip(a, b) for a, b in flipped if a.scores["solved"]),
        only_before=len(old) - len(shared),
        only_after=len(new) - len(shared),
    )


def _difference(metric: str, pairs: Sequence[tuple[Result, Result]]) -> Difference | None:
    both = [(a.scores.get(metric), b.scores.get(metric)) for a, b in pairs]
    values = np.array([(x, y) for x, y in both if x is not None and y is not None], np.float64)
    if not len(values):
        return None
    low, high = paired_interval(values[:, 1] - values[:, 0])
    before, after = values.mean(axis=0)
    return Difference(metric, len(values), float(before), float(after), low, high)


def paired_interval(changes: NDArray[np.float64], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of per-question changes, shape (questions,); the seed is fixed."""
    if not changes.any():
        return 0.0, 0.0
    random = np.random.default_rng(SEED)
    drawn = changes[random.integers(0, len(changes), (RESAMPLES, len(changes)))].mean(axis=1)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return float(low), float(high)


def _flip(before: Result, after: Result) -> Flip:
    return Flip(before.question.id, before.question.question, outcome(before), outcome(after))


def outcome(result: Result) -> str:
    """What came of a question, in a few words."""
    answer, question = result.answer, result.question
    given = f"{answer['status']}/{answer['reason']}" if answer["reason"] else str(answer["status"])
    if answer["status"] != question.expect:
        return f"{given} instead of {question.expect}"
    if result.scores["solved"]:
        return given
    if result.violations:
        return f"breaks {result.violations[0].partition(':')[0]}"
    if result.scores["programme"] == 0:
        return f"answers for {', '.join(answer['jurisdictions'])} instead of {', '.join(question.jurisdictions)}"
    if result.missing:
        return "does not state " + "; ".join(fact[0] for fact in result.missing)
    return f"{given} instead of {question.reason}" if question.reason else "states what it must not"
