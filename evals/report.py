"""One HTML file about a run, for maintainers: where answers are right, where they are lost, what to look at first."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np

from corpus.programmes import english_names
from evals.compare import Comparison, compare_results, outcome, paired_interval
from evals.diagnosis import by_kind
from evals.judge import JUDGED
from evals.metrics import METRICS, means
from evals.questions import EvalError, EvalQuestion
from evals.runner import RUN, Result, RunInfo, read_info, read_results

TEMPLATES = Path(__file__).with_name("templates")
HEADLINES = ("solved", "right@5", "fact_recall", "rules_kept", "decline_recall", "clarify_recall")
GROUPED = ("solved", "right@5", "fact_recall")
"""Scores that are shown for each programme, topic, language and style."""
SHOWN_MISSES = 8
"""Misses of a kind that are shown; results.jsonl holds all."""
FEW = 5
"""Groups with fewer questions are marked: their scores say little."""


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that share something, and their scores."""

    name: str
    questions: int
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class TwinScore:
    """A language against the English questions that ask the same."""

    language: str
    questions: int
    own: float
    english: float


@dataclass(frozen=True, slots=True)
class Latency:
    """A step's time in milliseconds."""

    step: str
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Line:
    """A score over stored runs, oldest first; `low` and `high` are the ends of its axis."""

    metric: str
    low: float
    high: float
    points: tuple[tuple[str, float, bool], ...]
    """When it was, which index (for people), the score, and whether it is this run."""


@dataclass(frozen=True, slots=True)
class Composers:
    """Two ways to compose answers, over the same questions and index; the extractive one first."""

    first: str
    second: str
    comparison: Comparison
    first_took: dict[str, float]
    second_took: dict[str, float]
    """Sentences by what became of them, calls, tokens, cost; milliseconds of an answer."""


def report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the report of a run (default: report.html in its folder); the path.

    Raises:
        EvalError: the folder holds no run, or an empty one.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    results = read_results(run_dir)
    if not results:
        raise EvalError(f"{run_dir} holds no results; resume the run")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.jinja").render(**view(run_dir, read_info(run_dir), results))
    target = out or run_dir / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def view(run_dir: Path, info: RunInfo, results: Sequence[Result]) -> dict[str, Any]:
    """What the template shows."""
    scores = means([result.scores for result in results])
    before = _run_before(run_dir, info)
    comparison = compare_results(before[1], results) if before else None
    kinds = by_kind(results)
    return {
        "info": info,
        "asked": len(results),
        "metrics": [metric for metric in METRICS if metric.name in scores],
        "scores": scores,
        "intervals": {name: _interval(results, name) for name in scores},
        "counts": {name: sum(r.scores.get(name) is not None for r in results) for name in scores},
        "headlines": [name for name in HEADLINES if name in scores],
        "grouped": [metric for metric in METRICS if metric.name in GROUPED],
        "kinds": kinds,
        "solved": sum(bool(result.scores["solved"]) for result in results),
        "misses": [(kind, some[:SHOWN_MISSES], len(some)) for kind, some in kinds],
        "advice": sorted(kinds, key=lambda entry: -len(entry[1]))[:3],
        "groups": _groups(results),
        "programmes": _programmes(results),
        "twins": _twins(results),
        "few": FEW,
        "latency": _latency(results),
        "histogram": _histogram([result.total_ms for result in results]),
        "readability": _readability(results),
        "before": before[0] if before else None,
        "changes": {d.metric: d for d in comparison.differences} if comparison else {},
        "comparison": comparison,
        "trend": _trend(run_dir, info),
        "judged": _judged(run_dir),
        "composers": _composers(run_dir, info, results),
        "outcome": outcome,
    }


def _interval(results: Sequence[Result], name: str) -> tuple[float, float]:
    """95 % bootstrap interval of a mean."""
    values = np.array([v for result in results if (v := result.scores.get(name)) is not None], np.float64)
    low, high = paired_interval(values)
    return max(0.0, low), min(1.0, high)


def _groups(results: Sequence[Result]) -> list[tuple[str, list[Group]]]:
    return [
        ("Topic", _grouped(results, lambda question: question.topic.value)),
        ("Style", _grouped(results, lambda question: question.style)),
        ("Language", _grouped(results, lambda question: question.language)),
    ]


def _programmes(results: Sequence[Result]) -> list[Group]:
    names = english_names()

    def programme(question: EvalQuestion) -> str:
        codes = question.jurisdictions
        if len(codes) == 1:
            return f"{codes[0]} · {names.get(codes[0], codes[0]).removeprefix('the ')}"
        return "several programmes" if codes else "none named"

    return _grouped(results, programme)


def _grouped(results: Sequence[Result], key: Callable[[EvalQuestion], str]) -> list[Group]:
    """Groups with the most questions first."""
    members: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        members[key(result.question)].append(result)
    groups = [Group(name, len(some), means([r.scores for r in some])) for name, some in members.items()]
    return sorted(groups, key=lambda group: (-group.questions, group.name))


def _twins(results: Sequence[Result]) -> list[TwinScore]:
    """Right passage in the top 5, of each language and of the same questions in English."""
    by_id = {result.question.id: result for result in results}
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for result in results:
        twin = by_id.get(result.question.twin or "")
        own, english = (r.scores["right@5"] if r else None for r in (result, twin))
        if own is not None and english is not None:
            pairs[result.question.language].append((own, english))
    return [
        TwinScore(language, len(values), *map(float, np.mean(values, axis=0)))
        for language, values in sorted(pairs.items())
    ]


def _latency(results: Sequence[Result]) -> list[Latency]:
    steps: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for step, milliseconds in result.answer["timings_ms"].items():
            steps[step].append(milliseconds)
        steps["all steps"].append(result.total_ms)
    everything = steps.pop("all steps")
    rows = [*steps.items(), ("all steps", everything)]
    return [Latency(step, *map(float, np.percentile(values, [50, 95]))) for step, values in rows]


def _histogram(values: Sequence[float], bins: int = 32) -> list[tuple[float, float, int]]:
    """Lower bound, upper bound and count of each bin; the widths grow, so that slow questions stay visible."""
    low, high = max(min(values), 0.1), max(1.0, *values)
    edges = np.geomspace(low, high * 1.001, bins + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return [(float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)]


def _readability(results: Sequence[Result]) -> dict[str, float]:
    """Means over the answers."""
    answers = [result.readability for result in results if result.readability]
    return {key: float(np.mean([entry[key] for entry in answers])) for key in answers[0]} if answers else {}


def _runs_beside(run_dir: Path, info: RunInfo) -> list[tuple[Path, RunInfo]]:
    """Whole runs of the same questions in the same folder of runs, oldest first."""
    found: list[tuple[Path, RunInfo]] = []
    for path in run_dir.resolve().parent.glob(f"*/{RUN}"):
        try:
            other = read_info(path.parent)
        except EvalError:
            continue  # a folder of another release
        if (other.split, other.sets, other.sample) == (info.split, info.sets, info.sample):
            found.append((path.parent, other))
    return sorted(found, key=lambda entry: entry[1].started)


def _run_before(run_dir: Path, info: RunInfo) -> tuple[RunInfo, list[Result]] | None:
    for path, other in reversed(_runs_beside(run_dir, info)):
        if other.started < info.started and path != run_dir.resolve() and (results := _results_or_none(path)):
            return other, results
    return None


def _trend(run_dir: Path, info: RunInfo) -> list[Line]:
    runs: list[tuple[RunInfo, dict[str, float], bool]] = []
    for path, other in _runs_beside(run_dir, info):
        results = _results_or_none(path)
        if results:
            runs.append((other, means([result.scores for result in results]), path == run_dir.resolve()))
    lines: list[Line] = []
    for name in HEADLINES:
        points = [(_when(other), scores[name], this) for other, scores, this in runs if name in scores]
        if len(points) > 1:
            values = [value for _, value, _ in points]
            low, high = floor(10 * min(values) - 0.2) / 10, ceil(10 * max(values) + 0.2) / 10
            lines.append(Line(name, max(0.0, low), min(1.0, high), tuple(points)))
    return lines


def _when(info: RunInfo) -> str:
    return f"{info.started[:16].replace('T', ' ')}, index {info.index_version}"


def _results_or_none(run_dir: Path) -> list[Result] | None:
    """The results of another run; None where it is of another release: it cannot be compared."""
    try:
        return read_results(run_dir)
    except EvalError:
        return None


def _composers(run_dir: Path, info: RunInfo, results: Sequence[Result]) -> Composers | None:
    """The run against the latest one beside it whose answers were composed otherwise from the same index."""
    for path, other in reversed(_runs_beside(run_dir, info)):
        if other.composer == info.composer or other.index_version != info.index_version:
            continue
        if others := _results_or_none(path):
            pairs = sorted([(info.composer, results), (other.composer, others)], key=lambda p: p[0] != "extractive")
            (first, before), (second, after) = pairs
            return Composers(first, second, compare_results(before, after), _summed(before), _summed(after))
    return None


def _summed(results: Sequence[Result]) -> dict[str, float]:
    """What all answers of a run took, with the time of half and of 95 % of them."""
    totals: dict[str, float] = defaultdict(float)
    for result in results:
        for name, value in result.written.items():
            totals[name] += value
    p50, p95 = np.percentile([result.total_ms for result in results], [50, 95])
    return dict(totals) | {"p50": float(p50), "p95": float(p95)}


def _judged(run_dir: Path) -> dict[str, Any] | None:
    path = run_dir / JUDGED
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
