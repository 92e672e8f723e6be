"""How size costs: builds and searches generated collections (`python -m evals.scale 10000 100000`).

The passages are synthetic: sentences put together from the words of the shipped guidance, spread over the programmes as
unevenly as real collections are. Vectors of a sample are real embeddings; all others are random unit vectors, because
embedding a million passages would measure the model and not the index. Random vectors have no neighbours: times and
sizes are those of real ones, the quality of an approximate search is not, and is not reported.

Each size is built, updated and searched in processes of its own; Markdown tables go to standard output.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from corpus.loader import load_note, note_paths
from indexing.build import VectorCache, build_index
from indexing.embedding import DEFAULT_MODEL, OnnxEmbedder, Vectors, content_key
from indexing.passages import Document, Passage
from indexing.search import Filter, Index
from indexing.sources import Documents, SourceFile
from indexing.versions import current_version

SAMPLE = 500
"""Passages that are embedded by the model."""

PER_FILE = 1000
PER_DOCUMENT = 100
WORDS = 60
"""Per passage."""

QUERIES = 200
_SEED = 20261122


@dataclass(frozen=True, slots=True)
class Built:
    """What building and updating took."""

    passages: int
    embedded: int
    build_s: float
    update_s: float
    """After one document of a hundred passages changed."""
    peak_mb: float
    disk_mb: dict[str, float]


@dataclass(frozen=True, slots=True)
class Searched:
    """Milliseconds of a search, with its query embedded; `resident_mb` of the process that searched."""

    open_s: float
    embed_p50: float
    all_p50: float
    all_p95: float
    one_p50: float
    one_p95: float
    three_p50: float
    three_p95: float
    share_one: float
    """Share of the passages that are in the filter of one programme."""
    resident_mb: float


@lru_cache(maxsize=1)
def words_of_guidance() -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """Words of the shipped guidance and how often they occur, as shares."""
    counts: dict[str, int] = {}
    for path in note_paths():
        for provision in load_note(path).provisions:
            for word in provision.text.split():
                counts[word] = counts.get(word, 0) + 1
    words = sorted(counts)
    shares = np.array([counts[word] for word in words], np.float64)
    return words, shares / shares.sum()


def passages_of(file: int, size: int, changed: bool) -> Documents:
    """Documents of one generated file: always the same, but for one document where `changed`."""
    words, shares = words_of_guidance()
    programmes = _programmes()
    generator = np.random.default_rng([_SEED, file])
    documents: Documents = []
    weights = 1 / np.arange(1, len(programmes) + 1)
    for start in range(0, size, PER_DOCUMENT):
        number = file * PER_FILE + start
        place = programmes[int(generator.choice(len(programmes), p=weights / weights.sum()))]
        document = _document(f"doc-{number}", place)
        chosen = generator.choice(len(words), (min(PER_DOCUMENT, size - start), WORDS), p=shares)
        texts = [" ".join(words[i] for i in row) for row in chosen]
        if changed and start == 0:
            texts = [f"{text} amended" for text in texts]
        documents.append((document, [_passage(document, n, text) for n, text in enumerate(texts)]))
    return documents


@lru_cache(maxsize=1)
def _programmes() -> list[str]:
    return sorted({load_note(path).front.jurisdiction for path in note_paths()})


def _document(name: str, jurisdiction: str) -> Document:
    return Document(
        id=name,
        title=name,
        publisher="generated",
        programme=jurisdiction,
        jurisdiction=jurisdiction,
        kind="official",
        language="en",
        url="https://generated.example/",
        as_of="2026",
        access="public",
        content_hash="",
    )


def _passage(document: Document, number: int, text: str) -> Passage:
    return Passage(
        id=f"{document.id}-{number}",
        document_id=document.id,
        text=text,
        heading_path=(document.title,),
        reference=f"§ {number}",
        topic="",
        programme=document.programme,
        jurisdiction=document.jurisdiction,
        kind="official",
        language="en",
        url=document.url,
        as_of="2026",
        undated=False,
        source_type="official",
        status="verified",
        access="public",
        valid_from=None,
        valid_to=None,
    )


def files_for(size: int, changed: bool = False) -> list[SourceFile]:
    """Files of a generated collection of `size` passages; `changed` replaces the first document of the first file."""
    return [
        _file(number, min(PER_FILE, size - start), changed and number == 0)
        for number, start in enumerate(range(0, size, PER_FILE))
    ]


def _file(number: int, size: int, changed: bool) -> SourceFile:
    digest = hashlib.sha256(f"{number} {size} {changed}".encode()).hexdigest()
    read: Callable[[Path], Documents] = partial(_read, number, size, changed)
    return SourceFile(f"generated/{number}", Path(), digest, read)


def _read(number: int, size: int, changed: bool, _: Path) -> Documents:
    return passages_of(number, size, changed)


def write_vectors(path: Path, files: Iterable[SourceFile]) -> int:
    """A cache with a vector for every passage: real for the first `SAMPLE`, random for the rest; how many are real."""
    texts = [p.text for file in files for _, passages in file.read(file.path) for p in passages]
    real = OnnxEmbedder().embed(texts[:SAMPLE])
    generator = np.random.default_rng(_SEED)
    rest: Vectors = generator.standard_normal((max(len(texts) - SAMPLE, 0), real.shape[1]), dtype=np.float32)
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    VectorCache.write(path, [content_key(DEFAULT_MODEL, text) for text in texts], np.concatenate([real, rest]))
    return len(real)


def measure_build(folder: Path, size: int) -> Built:
    """Build an index of generated passages in `folder`, and update it."""
    files = files_for(size)
    embedded = write_vectors(folder / "vectors.npz", files)
    index = folder / "index"
    started = time.perf_counter()
    report = build_index(index, files, shipped=[folder / "vectors.npz"])
    built = time.perf_counter() - started
    version = current_version(index)
    parts = {
        path.name: sum(f.stat().st_size for f in [path, *path.rglob("*")] if f.is_file()) / 1e6
        for path in version.iterdir()
    }
    started = time.perf_counter()
    build_index(index, files_for(size, changed=True), update=True)
    updated = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return Built(report.passages, embedded, built, updated, peak, parts)


def measure_search(folder: Path) -> Searched:
    """Search the index in `folder` with the words of its own passages, unfiltered and filtered."""
    started = time.perf_counter()
    index = Index.open(folder / "index")
    opened = time.perf_counter() - started
    words, shares = words_of_guidance()
    generator = np.random.default_rng(_SEED)
    queries = [" ".join(generator.choice(words, 9, p=shares)) for _ in range(QUERIES)]
    most = _by_size(index)
    filters = [Filter(), Filter(frozenset(most[:1])), Filter(frozenset(most[:3]))]
    for query in queries[:20]:
        for among in filters:
            index.search(query, 10, among)
    embed = [_timed(partial(index.embed, [query])) for query in queries]
    # In turns, so that what else the machine does falls on all alike.
    times = [[_timed(partial(index.search, query, 10, among)) for among in filters] for query in queries]
    columns = list(zip(*times, strict=True))
    (a50, a95), (o50, o95), (t50, t95) = (_percentiles(column) for column in columns)
    inside = sum(1 for p in index.store.all() if p.jurisdiction == most[0])
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1e3
    share = inside / index.manifest.passages
    return Searched(opened, statistics.median(embed), a50, a95, o50, o95, t50, t95, share, resident)


def _by_size(index: Index) -> list[str]:
    counts: dict[str, int] = {}
    for passage in index.store.all():
        counts[passage.jurisdiction] = counts.get(passage.jurisdiction, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


def _percentiles(times: Iterable[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(list(times), [50, 95])
    return float(p50), float(p95)


def _in_process(step: str, folder: Path, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "evals.scale", str(size), "--step", step, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(results: Iterable[tuple[Built, Searched]]) -> str:
    """Both measurements of every size as Markdown tables."""
    results = list(results)
    lines = [
        "| passages | really embedded | build | update of 100 | peak memory | on disk | of it Chroma |",
        "|---|---|---|---|---|---|---|",
    ]
    for built, _ in results:
        disk = sum(built.disk_mb.values())
        lines.append(
            f"| {built.passages:,} | {built.embedded:,} | {built.build_s:.0f} s | {built.update_s:.0f} s | "
            f"{built.peak_mb:,.0f} MB | {disk:,.0f} MB | {built.disk_mb.get('chroma', 0):,.0f} MB |"
        )
    lines += [
        "",
        "| passages | open | memory | all, p50 / p95 | one programme (share), p50 / p95 | three, p50 / p95 | query embedding |",
        "|---|---|---|---|---|---|---|",
    ]
    for built, s in results:
        lines.append(
            f"| {built.passages:,} | {s.open_s:.2f} s | {s.resident_mb:,.0f} MB | {s.all_p50:.0f} / {s.all_p95:.0f} ms | "
            f"{s.one_p50:.0f} / {s.one_p95:.0f} ms ({s.share_one:.0%}) | {s.three_p50:.0f} / {s.three_p95:.0f} ms | "
            f"{s.embed_p50:.0f} ms |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure the sizes that are named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="+", type=int)
    parser.add_argument("--step", choices=["build", "search"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        folder, size = arguments.folder, arguments.sizes[0]
        measured = measure_build(folder, size) if arguments.step == "build" else measure_search(folder)
        print(json.dumps(asdict(measured)))
        return
    results = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            built = Built(**_in_process("build", Path(name), size))
            results.append((built, Searched(**_in_process("search", Path(name), size))))
        print(table(results[-1:]), file=sys.stderr)
    print(table(results))


if __name__ == "__main__":
    main()
