"""The gate and the report, over the shipped guidance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from assistant.settings import Settings
from evals.gate import BASELINE, GATED, choose, gate, update_baseline
from evals.questions import EvalError, load_questions
from evals.report import report
from evals.runner import run
from indexing.search import Hit, Index

SAMPLE = 6
"""One in so many of the gate's questions: enough to see a broken search, and quick."""


class Shuffled(Index):
    """An index whose search is broken: it returns passages at random."""

    def hits(
        self,
        rows: NDArray[np.int64],
        scores: NDArray[np.float32],
        lexical: NDArray[np.float32],
        dense: NDArray[np.float32],
        k: int,
    ) -> list[Hit]:
        shuffled = np.random.default_rng(len(rows)).permutation(len(rows))
        return super().hits(rows, scores[shuffled], lexical[shuffled], dense[shuffled], k)


@pytest.fixture
def broken(shipped_index: Path) -> Iterator[Index]:
    opened = Shuffled.open(shipped_index)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def baseline(shipped_index: Path, index: Index, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of now over a sample of the gate's questions."""
    path = tmp_path_factory.mktemp("gate") / "gate.json"
    sample = [question.id for question in choose(load_questions("test"))][::SAMPLE]
    path.write_text(json.dumps({"scores": {}, "solved": [], "questions": sample}), encoding="utf-8")
    update_baseline(Settings(index=shipped_index), index, path)
    return path


def test_the_gate_lets_through_what_is_as_good(settings: Settings, index: Index, baseline: Path) -> None:
    outcome = gate(settings, index, baseline)
    assert outcome.passed, outcome.text()
    assert (outcome.lost, outcome.gained) == ((), ())
    assert outcome.text().endswith("gate passed")


def test_the_gate_stops_a_broken_search(settings: Settings, broken: Index, baseline: Path) -> None:
    outcome = gate(settings, broken, baseline)
    fallen = {row.metric for row in outcome.rows if row.failed}
    assert not outcome.passed
    assert {"solved", "ndcg@10", "right@5", "facts@5", "fact_recall"} <= fallen
    assert outcome.lost
    assert re.search(r"Right passage in top 5 .* FELL", outcome.text())
    assert "gate failed: " in outcome.text().splitlines()[-1]


def test_the_gate_needs_a_baseline_of_questions_that_exist(settings: Settings, index: Index, tmp_path: Path) -> None:
    with pytest.raises(EvalError, match="holds no baseline"):
        gate(settings, index, tmp_path / "none.json")
    gone = {"scores": {}, "solved": [], "questions": ["no-such-question"]}
    (tmp_path / "gate.json").write_text(json.dumps(gone), encoding="utf-8")
    with pytest.raises(EvalError, match="names question 'no-such-question'"):
        gate(settings, index, tmp_path / "gate.json")


def test_the_shipped_baseline_covers_the_test_split() -> None:
    stored = json.loads(BASELINE.read_text(encoding="utf-8"))
    held = {question.id: question for question in load_questions("test")}
    chosen = [held[identifier] for identifier in stored["questions"]]
    assert 100 <= len(chosen) <= 140
    assert len({question.language for question in chosen}) >= 8
    assert len({question.topic for question in chosen}) == len({question.topic for question in held.values()})
    assert {question.style for question in chosen} >= {
        "plain",
        "terse",
        "multi-turn",
        "comparison",
        "mra",
        "unanswerable",
    }
    assert {question.expect for question in chosen} == {"answered", "clarify", "declined"}
    assert set(stored["scores"]) <= set(GATED)
    assert stored["scores"]["rules_kept"]["tolerance"] == 0


@pytest.fixture(scope="module")
def run_folder(shipped_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same few dev questions; the folder of the later."""
    folder = tmp_path_factory.mktemp("runs")
    some = [question for question in load_questions("dev") if question.style in ("acronym", "multi-turn")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evals.runner.load_questions", lambda split, sets: some)
        for name in ("first", "second"):
            run("dev", [], folder / name, settings=Settings(index=shipped_index), show_progress=False)
            fields: dict[str, Any] = json.loads((folder / name / "run.json").read_text(encoding="utf-8"))
            fields["started"] = f"2026-0{len(name) - 4}-01T10:00:00+00:00"
            (folder / name / "run.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder / "second"


def test_the_report_is_one_file_that_needs_no_other(run_folder: Path) -> None:
    page = report(run_folder).read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img|iframe)\b|@import|url\(", page)
    assert not re.findall(r"\b(?:src|href)=[\"'](?!#)", page)
    for heading in ("Where questions are lost", "Scores, stage by stage", "Since the run before", "Latency", "Misses"):
        assert f">{heading}</h2>" in page
    assert "<polyline" in page


def test_every_link_of_the_report_leads_somewhere(run_folder: Path) -> None:
    page = report(run_folder).read_text(encoding="utf-8")
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_the_report_escapes_what_questions_say(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((run_folder / "run.json").read_bytes())
    line = json.loads((run_folder / "results.jsonl").read_text(encoding="utf-8").splitlines()[0])
    line["question"]["question"] = "<script>alert(1)</script>"
    line["scores"]["solved"] = 0.0
    line["answer"]["answer"] = "<img src=x onerror=alert(1)>"
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    page = report(tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_a_run_without_results_has_no_report(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((run_folder / "run.json").read_bytes())
    with pytest.raises(EvalError, match="holds no results"):
        report(tmp_path)
