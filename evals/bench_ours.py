"""Our side of `evals.bench`, each measurement in a process of its own.

    python -m evals.bench_ours build FOLDER                 embed the whole shipped guidance
    python -m evals.bench_ours warm INDEX QUESTIONS.json    whole answers
    python -m evals.bench_ours serve INDEX QUESTIONS.json   memory of `aeo serve` after 1,000 questions
    python -m evals.bench_ours beir-build|beir FOLDER BEIR  a BEIR collection

Figures go to standard output as one JSON object.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np

if TYPE_CHECKING:
    from indexing.sources import SourceFile

Figures = dict[str, float]

SERVED = 1000
"""Questions after which the memory of `aeo serve` is read."""


def memory_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def build(folder: Path) -> Figures:
    """A build that embeds everything: what peers do, too."""
    from indexing.library import collection

    return _build(folder, collection(None, folder))


def _build(folder: Path, files: Sequence[SourceFile]) -> Figures:
    from indexing.build import build_index

    started, used = time.perf_counter(), time.process_time()
    build_index(folder, files)
    return {
        "build_s": time.perf_counter() - started,
        "build_cpu_s": time.process_time() - used,
        "build_mb": memory_mb(),
    }


def warm(index: Path, questions: Path) -> Figures:
    """Whole answers over the shipped guidance, one after the other, after twenty to warm up."""
    from assistant.answer import Question
    from assistant.service import Assistant
    from assistant.settings import Settings

    texts = json.loads(questions.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        assistant = Assistant(Settings(index=index, database_url=f"sqlite:///{folder}/bench.sqlite3"))
        for text in texts[:20]:
            assistant.ask(Question(text))
        times: list[tuple[float, float]] = []
        for text in texts:
            started, used = time.perf_counter(), time.process_time()
            assistant.ask(Question(text))
            times.append((1000 * (time.perf_counter() - started), 1000 * (time.process_time() - used)))
    (p50, cpu_p50), (p95, cpu_p95) = np.percentile(times, [50, 95], axis=0).tolist()
    figures = {"p50_ms": p50, "p95_ms": p95, "p50_cpu_ms": cpu_p50, "p95_cpu_ms": cpu_p95}
    return {**figures, "query_mb": memory_mb()}


def serve(index: Path, questions: Path) -> Figures:
    """Resident memory of a server process, and the time of a question over HTTP."""
    texts = json.loads(questions.read_text(encoding="utf-8"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"AEO_INDEX": str(index), "AEO_DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3"}
        command = [str(Path(sys.executable).parent / "aeo"), "serve", "--port", str(port)]
        server = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _await(f"http://127.0.0.1:{port}/readyz")
            started = time.perf_counter()
            for asked in range(SERVED):
                body = json.dumps({"question": texts[asked % len(texts)]}).encode()
                headers = {"Content-Type": "application/json"}
                urlopen(Request(f"http://127.0.0.1:{port}/v1/ask", body, headers), timeout=30).read()
            seconds = time.perf_counter() - started
            resident = subprocess.check_output(["ps", "-o", "rss=", "-p", str(server.pid)], text=True)
        finally:
            server.terminate()
            server.wait()
    return {"serve_mb": int(resident) / 1024, "serve_ms": 1000 * seconds / SERVED}


def _await(url: str) -> None:
    for _ in range(300):
        try:
            urlopen(url, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("aeo serve did not become ready within 30 seconds")


def beir_build(folder: Path, source: Path) -> Figures:
    """An index of a BEIR collection."""
    from indexing.sources import beir_files

    return _build(folder, beir_files(source))


def beir(folder: Path, source: Path) -> Figures:
    """Quality and query times over a BEIR collection; then the quality of the fused order, in which nothing is learned."""
    from evals.retrieval import retrieval
    from indexing.ranking import fuse
    from indexing.search import Filter, Hit, Index

    def fused(index: Index, text: str, k: int) -> list[Hit]:
        rows = index.rows(Filter())
        lexical, dense = index.lexical(text, rows), index.dense(index.embed([text])[0], rows)
        return index.hits(rows, fuse(lexical, dense), lexical, dense, k)

    scores = retrieval(source, folder)
    memory = memory_mb()
    unlearned = retrieval(source, folder, search=fused)
    return {
        "recall": scores.recall,
        "map": scores.map,
        "p50_ms": scores.p50_ms,
        "p95_ms": scores.p95_ms,
        "query_mb": memory,
        "fused_recall": unlearned.recall,
        "fused_map": unlearned.map,
    }


MEASURES: dict[str, Callable[..., Figures]] = {
    "build": build,
    "warm": warm,
    "serve": serve,
    "beir-build": beir_build,
    "beir": beir,
}

if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](*(Path(argument) for argument in sys.argv[2:]))))
