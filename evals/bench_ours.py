"""Our side of `evals.bench`, each measurement in a process of its own: warm answers, a build that embeds, a BEIR collection."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Rows = list[tuple[str, str]]


def memory_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm(index: Path) -> Rows:
    """Whole answers over the shipped guidance, one after the other, after twenty to warm up; then memory after 1,000."""
    from assistant.answer import Question
    from assistant.service import Assistant
    from assistant.settings import Settings
    from evals.questions import load_questions

    with tempfile.TemporaryDirectory() as folder:
        assistant = Assistant(Settings(index=index, database_url=f"sqlite:///{folder}/bench.sqlite3"))
        texts = [q.question for q in load_questions("dev", ("core",)) if q.language == "en" and not q.history]
        for text in texts[:20]:
            assistant.ask(Question(text))
        times: list[float] = []
        for text in texts:
            started = time.perf_counter()
            assistant.ask(Question(text))
            times.append(1000 * (time.perf_counter() - started))
        while len(times) < 1000:
            assistant.ask(Question(texts[len(times) % len(texts)]))
            times.append(times[-1])
    p50, p95 = np.percentile(times[: len(texts)], [50, 95])
    return [
        ("warm question p50 / p95", f"{p50:.0f} / {p95:.0f} ms"),
        ("memory after 1,000 questions", f"{memory_mb():.0f} MB"),
    ]


def build(folder: Path) -> Rows:
    """A build that embeds everything, and an update after one note changed."""
    import shutil

    from corpus.loader import NOTES
    from indexing.build import build_index
    from indexing.sources import note_files

    notes = folder / "notes"
    shutil.copytree(NOTES, notes)
    started = time.perf_counter()
    build_index(folder / "index", note_files(notes))
    built = time.perf_counter() - started
    note = next((notes / "hk").glob("*.md"))
    note.write_text(note.read_text(encoding="utf-8").replace("- ", "- In short: ", 1), encoding="utf-8")
    started = time.perf_counter()
    build_index(folder / "index", note_files(notes), update=True)
    changed = time.perf_counter() - started
    return [
        ("first build, embedding all", f"{built:.1f} s"),
        ("update, one note changed", f"{changed:.2f} s ({changed / built:.1%} of a build)"),
    ]


def beir(folder: Path, source: Path) -> Rows:
    """Build time, quality and query times over a BEIR collection."""
    from evals.retrieval import retrieval
    from indexing.build import build_index
    from indexing.sources import beir_files

    started = time.perf_counter()
    build_index(folder / "beir", beir_files(source))
    built = time.perf_counter() - started
    scores = retrieval(source, folder / "beir")
    return [
        ("BEIR build", f"{built:.0f} s"),
        ("BEIR Recall@10 / MAP@10", f"{scores.recall:.3f} / {scores.map:.3f}"),
        ("BEIR query p50 / p95", f"{scores.p50_ms:.0f} / {scores.p95_ms:.0f} ms"),
        ("BEIR peak memory", f"{memory_mb():.0f} MB"),
    ]


MEASURES: dict[str, Callable[..., Rows]] = {"warm": warm, "build": build, "beir": beir}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](*(Path(argument) for argument in sys.argv[2:]))))
