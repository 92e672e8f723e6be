"""The benchmark's report: what is shown of the figures, and what is asked of a collection."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from evals.bench import END, START, Place, draw, measure, plot, table, targets, write_docs
from evals.retrieval import retrieval
from indexing.build import build_index
from indexing.sources import beir_files

DONE = {
    "ours/cold": {"cold_s": 2.0, "cold_cpu_s": 1.5},
    "ours/warm": {"p50_ms": 30.0, "p95_ms": 120.0, "p50_cpu_ms": 29.0, "p95_cpu_ms": 60.0, "query_mb": 300.0},
    "ours/beir": {"recall": 0.8, "map": 0.7, "p50_ms": 20.0, "p95_ms": 40.0, "query_mb": 400.0},
    "langchain/cold": {"cold_s": 10.0, "cold_cpu_s": 9.0},
    "langchain/beir": {"recall": 0.6, "map": 0.5},
}


def test_table_has_a_column_for_each_system_and_no_empty_row() -> None:
    lines = table(DONE, ["ours", "langchain"]).splitlines()
    assert lines[0] == "| by the clock (of CPU) | ours | LangChain |"
    assert "| cold question, whole process | 2.00 (1.50) s | 10.00 (9.00) s |" in lines
    assert "| BEIR Recall@10 / MAP@10 | 0.800 / 0.700 | 0.600 / 0.500 |" in lines
    assert "| BEIR query p50 / p95 | 20 / 40 ms | – |" in lines
    assert not any(line.startswith("| BEIR build") for line in lines)


def test_a_missed_target_is_said_to_be_missed() -> None:
    text = targets(DONE)
    assert "| cold question, of LangChain's | 33.3% | 16.7% | met |" in text
    assert "| warm answer p95 | 100 ms | 120 ms | **missed** |" in text


def test_plot_draws_every_figure_that_is_known() -> None:
    drawing = ET.fromstring(plot(DONE, ["ours", "langchain"]))
    bars = drawing.findall("{http://www.w3.org/2000/svg}rect")[1:]
    assert len(bars) == 9
    assert max(float(bar.get("width", "0")) for bar in bars) == 180


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n\n{START}\nold\n{END}\n\nafter\n", encoding="utf-8")
    write_docs(page, "new", "<svg/>")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before") and text.endswith("after\n")
    assert "new" in text and "old" not in text
    with pytest.raises(SystemExit, match="no place for the report"):
        write_docs(tmp_path / "bench.svg", "new", "")


def test_drawn_questions_are_asked_of_the_whole_collection(tmp_path: Path) -> None:
    source = tmp_path / "beir"
    (source / "qrels").mkdir(parents=True)
    entries = [{"_id": f"p{n}", "title": "Rulebook", "text": f"Rule {n} is on subject number {n}."} for n in range(8)]
    asked = [{"_id": f"q{n}", "text": f"What is rule {n} on?"} for n in range(8)]
    (source / "corpus.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    (source / "queries.jsonl").write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    judged = "\n".join(f"q{n}\tp{n}\t1" for n in range(8) if n != 3)
    (source / "qrels" / "dev.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}\n", encoding="utf-8")
    draw(source, tmp_path / "drawn", 3)
    build_index(tmp_path / "index", beir_files(source))
    assert retrieval(tmp_path / "drawn", tmp_path / "index").questions == 3
    draw(source, tmp_path / "all", 100)
    assert retrieval(tmp_path / "all", tmp_path / "index").questions == 7


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"ours/help": {"help_s": 9.0, "help_cpu_s": 9.0}}), encoding="utf-8")
    assert measure(Place(tmp_path, None, None, None), ["ours/help"], results)["ours/help"]["help_s"] == 9
    results.unlink()
    assert measure(Place(tmp_path, None, None, None), ["ours/help"], results)["ours/help"]["help_s"] < 9
