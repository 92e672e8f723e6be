"""How size costs: builds and searches generated collections (`python -m evals.scale 1000 10000 --record scale.jsonl`).

The texts are synthetic: words of the shipped guidance, as often as there, spread over the programmes as unevenly as real
collections are. The first `SAMPLE` are really embedded; all other vectors are mixtures of two vectors of the shipped
guidance with noise, because embedding a million passages would measure the model and not the index. Such mixtures lie as
close to one another as passages about one subject do, so that an approximate search is not spared.

Each size is built, updated and searched in processes of its own. What was measured is added to the file that `--record`
names, one JSON object a line; `--draw` makes Markdown tables and a curve of all that it holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.loader import load_note, note_paths
from indexing.build import BuildReport, build_index
from indexing.embedding import DEFAULT_MODEL, OnnxEmbedder, content_key
from indexing.passages import Document, Passage
from indexing.search import Filter, Index
from indexing.sources import SHIPPED_VECTORS, Documents, SourceFile
from indexing.versions import current_version

SAMPLE = 200
"""Passages that are embedded by the model, and then those that an update changes."""

NOISE = 0.3
"""Length of what is added to a mixed vector; with it, neighbours are about as close as those of real passages."""

PER_FILE = 1000
PER_DOCUMENT = 100
WORDS = 60
"""Per passage."""

QUERIES = 100
_SEED = 20261122


@dataclass(frozen=True, slots=True)
class Built:
    """What building and updating took."""

    passages: int
    embedded: int
    build_s: float
    idle_s: float
    """An update when nothing has changed."""
    update_s: float
    """After one document of a hundred passages changed; these are really embedded."""
    peak_mb: float
    disk_mb: float
    chroma_mb: float


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
    small_p50: float
    """Of a programme with few passages."""
    share_one: float
    """Share of the passages that are in the filter of one programme."""
    kept: float
    """Share of the ten nearest passages by exact cosine that have a cosine in an unfiltered search."""
    kept_one: float
    """Likewise among the passages of one programme."""
    resident_mb: float


Result = tuple[Built, Searched]


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
    """A cache with a vector for every passage: real for the first `SAMPLE`, mixed for the rest; how many are real."""
    keys: list[str] = []
    sample: list[str] = []
    for file in files:
        texts = [passage.text for _, passages in file.read(file.path) for passage in passages]
        keys += [content_key(DEFAULT_MODEL, text) for text in texts]
        sample += texts[: SAMPLE - len(sample)]
    real = OnnxEmbedder().embed(sample)
    np.savez(
        path, keys=np.array(keys, "S32"), vectors=np.concatenate([real, mixed(len(keys) - len(real))], dtype=np.float16)
    )
    return len(real)


def mixed(count: int) -> NDArray[np.float16]:
    """Unit vectors, each a mixture of two vectors of the shipped guidance with noise, shape (count, dimensions)."""
    with np.load(SHIPPED_VECTORS[0]) as arrays:
        guidance = arrays["vectors"].astype(np.float32)
    generator = np.random.default_rng(_SEED)
    vectors = np.empty((count, guidance.shape[1]), np.float16)
    for start in range(0, count, 10_000):
        size = min(10_000, count - start)
        one, other = guidance[generator.integers(0, len(guidance), (2, size))]
        share = generator.uniform(0.5, 0.9, (size, 1)).astype(np.float32)
        noise = generator.standard_normal(one.shape, dtype=np.float32) * (NOISE / one.shape[1] ** 0.5)
        some = share * one + (1 - share) * other + noise
        vectors[start : start + size] = some / np.linalg.norm(some, axis=1, keepdims=True)
    return vectors


def measure_build(folder: Path, size: int) -> Built:
    """Build an index of generated passages in `folder`, and update it."""
    files = files_for(size)
    index = folder / "index"
    words_of_guidance(), _programmes()  # read once, before the clock runs
    report, built = _seconds(lambda: build_index(index, files, shipped=[folder / "vectors.npz"]))
    version = current_version(index)
    disk, chroma = _megabytes(version), _megabytes(version / "chroma")
    _, idle = _seconds(lambda: build_index(index, files, update=True))
    _, updated = _seconds(lambda: build_index(index, files_for(size, changed=True), update=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return Built(report.passages, min(SAMPLE, size), built, idle, updated, peak, disk, chroma)


def _seconds(call: Callable[[], BuildReport]) -> tuple[BuildReport, float]:
    started = time.perf_counter()
    report = call()
    return report, time.perf_counter() - started


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def measure_search(folder: Path) -> Searched:
    """Search the index in `folder` with questions of the shipped guidance's words, unfiltered and filtered."""
    started = time.perf_counter()
    index = Index.open(folder / "index")
    opened = time.perf_counter() - started
    words, shares = words_of_guidance()
    generator = np.random.default_rng(_SEED)
    queries = [" ".join(generator.choice(words, 9, p=shares)) for _ in range(QUERIES)]
    most = _by_size(index)
    filters = [Filter(), *(Filter(frozenset(some)) for some in (most[:1], most[:3], most[-1:]))]
    for query in queries[:10]:
        for among in filters:
            index.search(query, 10, among)
    embed = [_timed(partial(index.embed, [query])) for query in queries]
    # In turns, so that what else the machine does falls on all alike.
    times = [[_timed(partial(index.search, query, 10, among)) for among in filters] for query in queries]
    columns = list(zip(*times, strict=True))
    (a50, a95), (o50, o95), (t50, t95), (s50, _) = (_percentiles(column) for column in columns)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1e3
    share = len(index.rows(filters[1])) / index.manifest.passages
    kept, kept_one = (_kept(index, index.rows(among)) for among in filters[:2])
    return Searched(
        opened, statistics.median(embed), a50, a95, o50, o95, t50, t95, s50, share, kept, kept_one, resident
    )


def _kept(index: Index, rows: NDArray[np.int64], k: int = 10) -> float:
    """Share of the `k` nearest of `rows` that `Index.dense` has a cosine for, over questions of the shipped guidance."""
    with np.load(SHIPPED_VECTORS[1]) as arrays:
        asked = arrays["vectors"][:: max(1, len(arrays["vectors"]) // 50)].astype(np.float32)
    matrix = np.load(index.folder / "vectors.npy", mmap_mode="r")[rows]
    found = [np.mean(index.dense(vector, rows)[np.argpartition(-(matrix @ vector), k)[:k]] != 0) for vector in asked]
    return float(np.mean(found))


def _by_size(index: Index) -> list[str]:
    """Programmes with any passages, those with most first."""
    return sorted(index.jurisdictions, key=lambda name: -len(index.rows(Filter(frozenset({name})))))


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


def table(results: Sequence[Result]) -> str:
    """Both measurements of every size as Markdown tables."""
    lines = [
        "| passages | of these really embedded | build | update: nothing new | update: 100 new | peak memory | on disk | "
        "of it Chroma |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for built, _ in results:
        lines.append(
            f"| {built.passages:,} | {built.embedded:,} | {built.build_s:.0f} s | {built.idle_s:.2f} s | "
            f"{built.update_s:.1f} s | {built.peak_mb:,.0f} MB | {built.disk_mb:,.0f} MB | {built.chroma_mb:,.0f} MB |"
        )
    lines += [
        "",
        "| passages | open | memory | all: p50 / p95 | one programme (share): p50 / p95 | three: p50 / p95 | smallest: p50 | "
        "query embedding | nearest ten kept: all, one |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for built, s in results:
        lines.append(
            f"| {built.passages:,} | {s.open_s:.2f} s | {s.resident_mb:,.0f} MB | {s.all_p50:.0f} / {s.all_p95:.0f} ms | "
            f"{s.one_p50:.0f} / {s.one_p95:.0f} ms ({s.share_one:.0%}) | {s.three_p50:.0f} / {s.three_p95:.0f} ms | "
            f"{s.small_p50:.0f} ms | {s.embed_p50:.0f} ms | {s.kept:.1%}, {s.kept_one:.1%} |"
        )
    return "\n".join(lines)


def curve(results: Sequence[Result]) -> str:
    """Search and update times over the number of passages as an SVG drawing, both axes logarithmic."""
    sizes = [built.passages for built, _ in results]
    lines = {
        "search, all programmes (p50)": ("#1f5fa8", [s.all_p50 for _, s in results]),
        "search, one programme (p50)": ("#2e8b57", [s.one_p50 for _, s in results]),
        "update, 100 passages new": ("#b5541c", [built.update_s * 1e3 for built, _ in results]),
        "build, vectors at hand": ("#7a4fa3", [built.build_s * 1e3 for built, _ in results]),
    }
    width, height, left, bottom = 720, 400, 70, 50
    low, high = 1.0, 6.0  # powers of ten in milliseconds

    def x(size: float) -> float:
        first, last = math.log10(min(sizes)), math.log10(max(sizes))
        return left + (math.log10(size) - first) / max(last - first, 1e-9) * (width - left - 230)

    def y(milliseconds: float) -> float:
        return height - bottom - (math.log10(max(milliseconds, 10**low)) - low) / (high - low) * (height - bottom - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for power in range(int(low), int(high) + 1):
        label = f"{10**power} ms" if power < 3 else f"{10 ** (power - 3)} s"
        parts.append(f'<path d="M{left} {y(10**power):.0f}H{width - 230}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(10**power) + 4:.0f}" text-anchor="end">{label}</text>')
    for size in sizes:
        parts.append(f'<text x="{x(size):.0f}" y="{height - bottom + 20}" text-anchor="middle">{size:,}</text>')
    parts.append(f'<text x="{(left + width - 230) / 2:.0f}" y="{height - 8}" text-anchor="middle">passages</text>')
    for colour, values in lines.values():
        points = [(x(size), y(value)) for size, value in zip(sizes, values, strict=True)]
        drawn = " ".join(f"{a:.0f},{b:.0f}" for a, b in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.0f}" cy="{b:.0f}" r="3" fill="{colour}"/>' for a, b in points]
    for place, (name, (colour, _)) in enumerate(lines.items()):
        parts.append(f'<text x="{width - 215}" y="{60 + 24 * place}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def recorded(path: Path) -> list[Result]:
    """The last measurement of each size in a file of `--record`, by size."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = {line["built"]["passages"]: (Built(**line["built"]), Searched(**line["searched"])) for line in lines}
    return [found[size] for size in sorted(found)]


def measure(folder: Path, size: int) -> dict[str, Any]:
    """Both measurements of one size, each in a process of its own."""
    _in_process("vectors", folder, size)
    return {"built": _in_process("build", folder, size), "searched": _in_process("search", folder, size)}


def main() -> None:
    """Measure the sizes that are named on the command line, or draw what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--record", type=Path, default=Path("scale.jsonl"), help="file of measurements")
    parser.add_argument("--draw", type=Path, help="write the curve of the recorded measurements here, print the tables")
    parser.add_argument("--step", choices=["vectors", "build", "search"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        folder, size = arguments.folder, arguments.sizes[0]
        if arguments.step == "vectors":
            print(json.dumps({"embedded": write_vectors(folder / "vectors.npz", files_for(size))}))
        else:
            measured = measure_build(folder, size) if arguments.step == "build" else measure_search(folder)
            print(json.dumps(asdict(measured)))
        return
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as name:
            line = json.dumps(measure(Path(name), size))
        with arguments.record.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    results = recorded(arguments.record)
    print(table(results))
    if arguments.draw:
        arguments.draw.write_text(curve(results), encoding="utf-8")


if __name__ == "__main__":
    main()
