"""Side by side in one run: ours, plain LangChain, plain LlamaIndex (`make bench`).

Over the shipped guidance: first build, cold question, warm question. Over a BEIR collection, if one is given: quality, build,
query times, memory. Peers run in an environment of their own (peers.in), each measurement in a process of its
own; figures and versions go to standard output as Markdown, for docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.questions import load_questions

ROOT = Path(__file__).parents[1]
COLD_RUNS = 5
QUESTION = "How long does EU customs have to decide on an AEO application?"


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of whole processes, the fastest, median and slowest of several runs."""

    seconds: tuple[float, ...]

    def __str__(self) -> str:
        """Median, and the range in brackets."""
        median = statistics.median(self.seconds)
        return f"{median:.2f} s ({min(self.seconds):.2f}–{max(self.seconds):.2f})"


def timed(command: Sequence[str], runs: int, env: dict[str, str] | None = None) -> Timed:
    """Run a command several times, one warm-up first."""
    seconds: list[float] = []
    for run in range(runs + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **(env or {})})
        if run:
            seconds.append(time.perf_counter() - started)
    return Timed(tuple(seconds))


def ours(folder: Path) -> list[tuple[str, str]]:
    """Our rows over the shipped guidance."""
    aeo = str(Path(sys.executable).parent / "aeo")
    index = folder / "ours"
    plain = {"AEO_INDEX": str(index), "AEO_DATABASE_URL": f"sqlite:///{folder / 'ours.sqlite3'}"}
    rows = [("help", str(timed([aeo, "--help"], COLD_RUNS)))]
    rows.append(("first build, vectors shipped", str(timed([aeo, "index", "build"], 2, plain))))
    rows.append(("update, nothing changed", str(timed([aeo, "index", "update"], COLD_RUNS, plain))))
    rows.append(("cold question", str(timed([aeo, "ask", QUESTION], COLD_RUNS, plain))))
    rows += _python([sys.executable, "-m", "evals.bench_ours", "warm", str(index)])
    rows += _python([sys.executable, "-m", "evals.bench_ours", "build", str(folder / "fresh")])
    return rows


def peer(name: str, python: str, folder: Path, beir: Path | None) -> list[tuple[str, str]]:
    """A peer's rows, from its own environment."""
    script = str(ROOT / "evals" / "peers.py")
    passages, questions = folder / "passages.jsonl", folder / "questions.json"
    rows = _python([python, script, name, "build", str(folder / name), str(passages)])
    rows.append(("cold question", str(timed([python, script, name, "ask", str(folder / name), QUESTION], COLD_RUNS))))
    rows += _python([python, script, name, "warm", str(folder / name), str(questions)])
    if beir:
        rows += _python([python, script, name, "beir", str(folder / f"{name}-beir"), str(beir)])
    return rows


def _python(command: Sequence[str]) -> list[tuple[str, str]]:
    """Rows that a measuring process prints as JSON on its last line."""
    quiet = {"HF_HUB_OFFLINE": "1", "LANGSMITH_TRACING": "false", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **quiet}, cwd=ROOT)
    return [(str(name), str(value)) for name, value in json.loads(done.stdout.strip().splitlines()[-1])]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers-python", type=Path, help="interpreter of the peers' environment; without it, only ours"
    )
    parser.add_argument("--beir", type=Path, help="BEIR folder for the quality figures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _inputs(folder)
        table = {"ours": ours(folder)}
        if given.beir:
            table["ours"] += _python([sys.executable, "-m", "evals.bench_ours", "beir", name, str(given.beir)])
        for other in ("langchain", "llamaindex") if given.peers_python else ():
            table[other] = peer(other, str(given.peers_python), folder, given.beir)
    _print(table)


def _inputs(folder: Path) -> None:
    """The same passages and questions for everyone."""
    from indexing.sources import collection

    with (folder / "passages.jsonl").open("w", encoding="utf-8") as lines:
        for file in collection(None, folder):
            for document, passages in file.read(file.path):
                text = "\n\n".join(passage.text for passage in passages)
                lines.write(json.dumps({"id": document.id, "text": text}, ensure_ascii=False) + "\n")
    asked = [q.question for q in load_questions("dev", ("core",)) if q.language == "en" and not q.history]
    (folder / "questions.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")


def _print(table: dict[str, list[tuple[str, str]]]) -> None:
    names = list(dict.fromkeys(name for rows in table.values() for name, _ in rows))
    print("| | " + " | ".join(table) + " |\n|---|" + "---|" * len(table))
    for name in names:
        print(f"| {name} | " + " | ".join(dict(rows).get(name, "–") for rows in table.values()) + " |")


if __name__ == "__main__":
    main()
