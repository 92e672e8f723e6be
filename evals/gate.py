"""The gate: a fixed part of the `test` questions must score no worse than the stored baseline, but for noise.

`baselines/gate.json` names the questions, the scores and how far each may fall. Raising it is a reviewed change of that
file (`update_baseline`). The gate always runs the extractive composer, so it is deterministic and needs no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from assistant.settings import Settings
from evals.compare import RESAMPLES, SEED, outcome
from evals.metrics import METRICS, means
from evals.questions import EvalError, EvalQuestion, load_questions
from evals.runner import Result, evaluated
from indexing.search import Index

BASELINE = Path(__file__).with_name("baselines") / "gate.json"
GATED = (
    "solved", "status", "programme", "map@10", "ndcg@10", "right@5", "facts@5", "fact_recall", "fact_precision",
    "conditions_kept", "citation_recall", "citation_precision", "rules_kept", "decline_precision", "decline_recall",
    "clarify_recall",
)  # fmt: skip
ANSWERED, TRANSLATED, REFUSED = 70, 24, 26
"""Questions of the gate: English to answer, other languages to answer, to decline or clarify."""
NEUTRAL_SHARE = 0.04
"""A change that makes nothing better or worse is taken to alter the scores of this share of the questions."""


@dataclass(frozen=True, slots=True)
class Row:
    """A gated score."""

    metric: str
    questions: int
    baseline: float
    tolerance: float
    now: float | None

    @property
    def failed(self) -> bool:
        """Fallen by more than noise, or no longer measured at all."""
        return self.now is None or self.now < self.baseline - self.tolerance - 1e-9


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What the gate found."""

    rows: tuple[Row, ...]
    lost: tuple[str, ...]
    """Questions that the baseline solves and this run does not, one line each."""
    gained: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every score holds."""
        return not any(row.failed for row in self.rows)

    def text(self) -> str:
        """A table, and the questions to look at; at least one row says FELL when the gate fails."""
        titles = {metric.name: metric.title for metric in METRICS}
        lines = [f"{'score':<30}{'baseline':>9}{'allowed':>9}{'now':>8}"]
        for row in self.rows:
            now = "none" if row.now is None else f"{row.now:.3f}"
            lowest = max(0.0, row.baseline - row.tolerance)
            verdict = "  FELL" if row.failed else ""
            lines.append(f"{titles[row.metric]:<30}{row.baseline:>9.3f}{lowest:>9.3f}{now:>8}{verdict}")
        lines += ["", f"no longer solved ({len(self.lost)}):", *self.lost] if self.lost else []
        lines += ["", f"newly solved ({len(self.gained)}): {', '.join(self.gained)}"] if self.gained else []
        fell = [titles[row.metric] for row in self.rows if row.failed]
        lines += ["", f"gate failed: {', '.join(fell)}" if fell else "gate passed"]
        return "\n".join(lines)


def gate(settings: Settings, index: Index | None = None, baseline: Path = BASELINE, workers: int = 1) -> GateOutcome:
    """Run the gate's questions and hold them against the baseline; `index`: another than the settings' one.

    Raises:
        EvalError: the baseline is missing or names questions that the sets do not hold.
        IndexMissing, IndexUnusable: see `indexing.versions`.
    """
    stored = _read(baseline)
    results = _run(_named(stored.questions, baseline), settings, index, workers)
    now = means([result.scores for result in results])
    rows = tuple(
        Row(name, entry.questions, entry.baseline, entry.tolerance, now.get(name))
        for name, entry in stored.scores.items()
    )
    solved = set(stored.solved)
    lost = [result for result in results if result.question.id in solved and not result.scores["solved"]]
    gained = [result for result in results if result.question.id not in solved and result.scores["solved"]]
    return GateOutcome(
        rows,
        tuple(f"  {r.question.id}: {r.question.question} ({outcome(r)})" for r in lost),
        tuple(r.question.id for r in gained),
    )


def update_baseline(
    settings: Settings, index: Index | None = None, baseline: Path = BASELINE, workers: int = 1
) -> None:
    """Write the scores of now as the baseline; its questions stay, and are chosen where there is no baseline yet."""
    known = baseline.exists()
    questions = _named(_read(baseline).questions, baseline) if known else choose(load_questions("test"))
    results = _run(questions, settings, index, workers)
    scores = {}
    for name in GATED:
        values = np.array([value for r in results if (value := r.scores.get(name)) is not None], np.float64)
        if len(values):
            # The score is rounded down and the tolerance up, so that the run that was stored passes.
            score, noise = floor(values.mean() * 1000) / 1000, ceil(neutral_noise(values) * 1000) / 1000
            scores[name] = _Tolerated(questions=len(values), baseline=score, tolerance=noise)
    stored = _Baseline(
        scores=scores,
        solved=sorted(result.question.id for result in results if result.scores["solved"]),
        questions=sorted(question.id for question in questions),
    )
    baseline.parent.mkdir(parents=True, exist_ok=True)
    baseline.write_text(stored.model_dump_json(indent=1) + "\n", encoding="utf-8")


def neutral_noise(values: NDArray[np.float64]) -> float:
    """How far the mean may fall under a change that is neither better nor worse: 95 % of such changes stay above.

    A paired bootstrap: of resampled questions, `NEUTRAL_SHARE` take the score of another question drawn at random, and
    the mean of the paired changes is looked at.
    """
    random = np.random.default_rng(SEED)
    shape = (RESAMPLES, len(values))
    drawn = values[random.integers(0, len(values), shape)]
    other = values[random.integers(0, len(values), shape)]
    changes = np.where(random.random(shape) < NEUTRAL_SHARE, other - drawn, 0.0).mean(axis=1)
    return max(0.0, -float(np.percentile(changes, 5)))


def choose(questions: Sequence[EvalQuestion]) -> list[EvalQuestion]:
    """The gate's part of the questions: spread evenly over styles, topics and programmes, the same every time."""
    answered = [q for q in questions if q.expect == "answered"]
    return [
        *_spread([q for q in answered if q.language == "en"], ANSWERED),
        *_spread([q for q in answered if q.language != "en"], TRANSLATED),
        *_spread([q for q in questions if q.expect != "answered"], REFUSED),
    ]


def _spread(questions: list[EvalQuestion], count: int) -> list[EvalQuestion]:
    def stratum(question: EvalQuestion) -> tuple[str, ...]:
        chance = hashlib.sha256(question.id.encode()).hexdigest()
        return (question.language, str(question.reason), question.style, question.topic, chance)

    ordered = sorted(questions, key=stratum)
    if len(ordered) <= count:
        return ordered
    return [ordered[i * len(ordered) // count] for i in range(count)]


class _Tolerated(BaseModel):
    questions: int
    baseline: float
    tolerance: float


class _Baseline(BaseModel):
    scores: dict[str, _Tolerated]
    solved: list[str]
    questions: list[str]


def _read(path: Path) -> _Baseline:
    try:
        return _Baseline.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise EvalError(f"{path} holds no baseline; write one with 'aeo eval gate --update'") from error


def _named(ids: Sequence[str], baseline: Path) -> list[EvalQuestion]:
    held = {question.id: question for question in load_questions("test")}
    missing = [identifier for identifier in ids if identifier not in held]
    if missing:
        raise EvalError(f"{baseline} names question '{missing[0]}', which 'test' does not hold; restore or remove it")
    return [held[identifier] for identifier in ids]


def _run(questions: Sequence[EvalQuestion], settings: Settings, index: Index | None, workers: int) -> list[Result]:
    extractive = settings.model_copy(update={"llm": None})
    if index is not None:
        return list(evaluated(questions, index, extractive, 1))
    opened = Index.open(settings.index, settings.embedding_model)
    try:
        return list(evaluated(questions, opened, extractive, workers))
    finally:
        opened.close()
