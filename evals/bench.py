"""Side by side in one run: ours, plain LangChain, plain LlamaIndex (`make bench`).

    python -m evals.bench --peers-python .venv-peers/bin/python --beir DIR --keep var/bench --docs docs/performance.md

Over the shipped guidance: builds, updates, cold and warm questions, memory. Over a BEIR collection, if one is given:
quality, build, query times, memory. Peers run in an environment of their own (requirements-peers.lock), each measurement
in a process of its own. With `--keep`, figures and indexes stay in a folder, and what was measured there
is not measured again: `--only ours/warm` makes one measurement, `--only langchain` those of one system.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path

from evals.questions import load_questions

ROOT = Path(__file__).parents[1]
RUNS = 5
QUESTION = "How long does EU customs have to decide on an AEO application?"
SYSTEMS = {"ours": "ours", "langchain": "LangChain", "llamaindex": "LlamaIndex"}
OURS_VERSIONS = ("chromadb", "onnxruntime", "sentence-transformers", "torch", "transformers")

Figures = dict[str, float]
Measured = dict[str, Figures]
"""By measurement: "ours/warm" and the like."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works."""

    folder: Path
    peers_python: Path | None
    beir: Path | None
    questions: int | None
    """How many questions of the BEIR collection are asked; None: all."""

    @property
    def asked(self) -> Path:
        """The BEIR folder whose questions are asked."""
        assert self.beir
        return self.folder / "beir-questions" if self.questions else self.beir

    def ours(self, *arguments: object) -> Figures:
        """Figures of a process of `evals.bench_ours`."""
        return _figures([sys.executable, "-m", "evals.bench_ours", *map(str, arguments)])

    def peer(self, *arguments: object) -> Figures:
        """Figures of a process of `evals/peers.py`, in the peers' environment."""
        return _figures([str(self.peers_python), str(ROOT / "evals" / "peers.py"), *map(str, arguments)])


def _environment(settings: dict[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AEO_")}
    quiet = {"HF_HUB_OFFLINE": "1", "LANGSMITH_TRACING": "false", "TOKENIZERS_PARALLELISM": "false"}
    return {**own, **quiet, **settings}


def _run(command: Sequence[str], settings: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=_environment(settings or {}), cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _figures(command: Sequence[str]) -> Figures:
    """What a measuring process prints as JSON on its last line."""
    return {str(k): float(v) for k, v in json.loads(_run(command).strip().splitlines()[-1]).items()}


def timed(
    name: str, command: Sequence[str], settings: dict[str, str], before: Callable[[], None] = lambda: None
) -> Figures:
    """Seconds of a whole process, median of several runs after one to warm up: by the clock, and of CPU."""
    seconds: list[float] = []
    cpu: list[float] = []
    for run in range(RUNS + 1):
        before()
        started, used = time.perf_counter(), _children_cpu()
        _run(command, settings)
        if run:
            seconds.append(time.perf_counter() - started)
            cpu.append(_children_cpu() - used)
    return {f"{name}_s": statistics.median(seconds), f"{name}_cpu_s": statistics.median(cpu)}


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measurements(place: Place) -> dict[str, Callable[[], Figures]]:
    """Every measurement by name, in an order in which each finds what it needs."""
    folder, beir = place.folder, place.beir
    aeo = str(Path(sys.executable).parent / "aeo")
    index, questions, passages = folder / "ours", folder / "questions.json", folder / "passages.jsonl"
    plain = {"AEO_INDEX": str(index), "AEO_DATABASE_URL": f"sqlite:///{folder / 'ours.sqlite3'}"}
    found: dict[str, Callable[[], Figures]] = {
        "ours/help": lambda: timed("help", [aeo, "--help"], {}),
        "ours/first": lambda: timed("first", [aeo, "index", "build"], plain),
        "ours/same": lambda: timed("same", [aeo, "index", "update"], plain),
        "ours/one": lambda: _one_note(aeo, folder),
        "ours/cold": lambda: timed("cold", [aeo, "ask", QUESTION], plain),
        "ours/warm": lambda: place.ours("warm", index, questions),
        "ours/serve": lambda: place.ours("serve", index, questions),
        "ours/build": lambda: place.ours("build", folder / "ours-embedded"),
    }
    if beir:
        found["ours/beir-build"] = lambda: place.ours("beir-build", folder / "ours-beir", beir)
        found["ours/beir"] = lambda: place.ours("beir", folder / "ours-beir", place.asked)
    for name in ("langchain", "llamaindex") if place.peers_python else ():
        found |= _peer(place, name, questions, passages)
    return found


def _peer(place: Place, name: str, questions: Path, passages: Path) -> dict[str, Callable[[], Figures]]:
    store, beir = place.folder / name, place.folder / f"{name}-beir"
    script = [str(place.peers_python), str(ROOT / "evals" / "peers.py"), name]
    found: dict[str, Callable[[], Figures]] = {
        f"{name}/build": lambda: place.peer(name, "build", store, passages),
        f"{name}/cold": lambda: timed("cold", [*script, "ask", str(store), QUESTION], {}),
        f"{name}/warm": lambda: place.peer(name, "warm", store, questions),
    }
    if place.beir:
        found[f"{name}/beir-build"] = lambda: place.peer(name, "beir-build", beir, place.beir)
        found[f"{name}/beir-times"] = lambda: place.peer(name, "beir-times", beir, place.asked)
        found[f"{name}/beir"] = lambda: place.peer(name, "beir-quality", beir, place.asked)
    return found


def _one_note(aeo: str, folder: Path) -> Figures:
    """An update after one provision of one note got other words, over a copy of the notes."""
    from corpus.loader import NOTES

    notes = folder / "notes"
    shutil.copytree(NOTES, notes, dirs_exist_ok=True)
    settings = {
        "AEO_CORPUS": str(notes),
        "AEO_INDEX": str(folder / "changing"),
        "AEO_DATABASE_URL": f"sqlite:///{folder / 'changing.sqlite3'}",
    }
    _run([aeo, "index", "build"], settings)
    note = min((notes / "hk").glob("*.md"))

    def change() -> None:
        note.write_text(note.read_text(encoding="utf-8").replace("\n- ", "\n- In short: ", 1), encoding="utf-8")

    return timed("one", [aeo, "index", "update"], settings, change)


def measure(place: Place, only: Sequence[str], results: Path) -> Measured:
    """Make the measurements that are asked for and not in `results` yet; each is stored as soon as it is made."""
    _inputs(place.folder)
    if place.beir and place.questions:
        draw(place.beir, place.asked, place.questions)
    for name, run in measurements(place).items():
        if name in _stored(results) or (only and not any(name == some or name.startswith(f"{some}/") for some in only)):
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        figures = run()
        results.write_text(json.dumps({**_stored(results), name: figures}, indent=1), encoding="utf-8")
    return _stored(results)


def _stored(results: Path) -> Measured:
    return dict(json.loads(results.read_text(encoding="utf-8"))) if results.exists() else {}


def _inputs(folder: Path) -> None:
    """The same passages and questions for everyone."""
    from indexing.library import collection

    with (folder / "passages.jsonl").open("w", encoding="utf-8") as lines:
        for file in collection(None, folder):
            for document, passages in file.read(file.path):
                text = "\n\n".join(passage.text for passage in passages)
                lines.write(json.dumps({"id": document.id, "text": text}, ensure_ascii=False) + "\n")
    asked = [q.question for q in load_questions("dev", ("core",)) if q.language == "en" and not q.history]
    (folder / "questions.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")


def draw(source: Path, target: Path, questions: int) -> None:
    """Write a BEIR folder, without passages, that holds so many of the judged questions, evenly drawn."""
    judged: dict[str, list[str]] = {}
    for path in sorted((source / "qrels").glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            judged.setdefault(line.partition("\t")[0], []).append(line)
    lines = (source / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    known = [line for line in lines if json.loads(line)["_id"] in judged]
    count = min(questions, len(known))
    drawn = [known[place * len(known) // count] for place in range(count)]
    (target / "qrels").mkdir(parents=True, exist_ok=True)
    (target / "queries.jsonl").write_text("\n".join(drawn) + "\n", encoding="utf-8")
    kept = [judgement for line in drawn for judgement in judged[json.loads(line)["_id"]]]
    head = "query-id\tcorpus-id\tscore"
    (target / "qrels" / "drawn.tsv").write_text("\n".join([head, *kept]) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: `text` is a format string over the figures of one measurement."""

    label: str
    measurement: str
    text: str


ROWS = (
    Row("`--help`", "help", "{help_s:.2f} ({help_cpu_s:.2f}) s"),
    Row("first build, vectors shipped", "first", "{first_s:.1f} ({first_cpu_s:.1f}) s"),
    Row("first build, embedding all", "build", "{build_s:.0f} ({build_cpu_s:.0f}) s"),
    Row("peak memory of that build", "build", "{build_mb:.0f} MB"),
    Row("update, nothing changed", "same", "{same_s:.2f} ({same_cpu_s:.2f}) s"),
    Row("update, one note changed", "one", "{one_s:.2f} ({one_cpu_s:.2f}) s"),
    Row("cold question, whole process", "cold", "{cold_s:.2f} ({cold_cpu_s:.2f}) s"),
    Row("warm question p50 / p95", "warm", "{p50_ms:.0f} / {p95_ms:.0f} ({p50_cpu_ms:.0f} / {p95_cpu_ms:.0f}) ms"),
    Row("peak memory while asking", "warm", "{query_mb:.0f} MB"),
    Row("`aeo serve` after 1,000 questions", "serve", "{serve_mb:.0f} MB"),
    Row("BEIR build", "beir-build", "{build_s:.0f} ({build_cpu_s:.0f}) s"),
    Row("BEIR peak memory of the build", "beir-build", "{build_mb:.0f} MB"),
    Row("BEIR Recall@10 / MAP@10", "beir", "{recall:.3f} / {map:.3f}"),
    Row("BEIR Recall@10 / MAP@10, nothing learned", "beir", "{fused_recall:.3f} / {fused_map:.3f}"),
    Row("BEIR query p50 / p95", "beir-times", "{p50_ms:.0f} / {p95_ms:.0f} ms"),
    Row("BEIR peak memory while asking", "beir-times", "{query_mb:.0f} MB"),
)


def _of(done: Measured, system: str, measurement: str) -> Figures:
    """Figures of a system's measurement; one run of ours gives quality and times."""
    found = done.get(f"{system}/{measurement}", {})
    return found or (done.get(f"{system}/beir", {}) if measurement == "beir-times" else {})


def table(done: Measured, systems: Sequence[str]) -> str:
    """Markdown: a row for each figure, a column for each system."""
    lines = [
        "| by the clock (of CPU) | " + " | ".join(SYSTEMS[system] for system in systems) + " |",
        "|---" * (len(systems) + 1) + "|",
    ]
    for row in ROWS:
        cells = [_cell(row, _of(done, system, row.measurement)) for system in systems]
        if any(cells):
            lines.append(f"| {row.label} | " + " | ".join(cell or "–" for cell in cells) + " |")
    return "\n".join(lines)


def _cell(row: Row, figures: Figures) -> str:
    try:
        return row.text.format(**figures)
    except KeyError:
        return ""


@dataclass(frozen=True, slots=True)
class Target:
    """A promise about our speed: what it is a share of, if anything, and its bound."""

    label: str
    figure: tuple[str, str]
    bound: float
    unit: str
    of: tuple[str, str] | None = None


TARGETS = (
    Target("warm answer p50", ("ours/warm", "p50_ms"), 40, "ms"),
    Target("warm answer p95", ("ours/warm", "p95_ms"), 100, "ms"),
    Target("`aeo --help`", ("ours/help", "help_s"), 0.3, "s"),
    Target("cold question, of LangChain's", ("ours/cold", "cold_cpu_s"), 1 / 3, "", ("langchain/cold", "cold_cpu_s")),
    Target("first build, of LangChain's", ("ours/first", "first_cpu_s"), 1, "", ("langchain/build", "build_cpu_s")),
    Target("the same, embedding all", ("ours/build", "build_cpu_s"), 1, "", ("langchain/build", "build_cpu_s")),
    Target("update, nothing changed, of a build", ("ours/same", "same_cpu_s"), 0.02, "", ("ours/build", "build_cpu_s")),
    Target("update, one note changed, of a build", ("ours/one", "one_cpu_s"), 0.05, "", ("ours/build", "build_cpu_s")),
    Target("BEIR query p95", ("ours/beir", "p95_ms"), 100, "ms"),
)


def targets(done: Measured) -> str:
    """Markdown: each target with what was measured, and whether it is met. Shares are of CPU: other work costs no time."""
    lines = ["| target | at most | measured | |", "|---|---|---|---|"]
    for target in TARGETS:
        value = done.get(target.figure[0], {}).get(target.figure[1])
        base = done.get(target.of[0], {}).get(target.of[1]) if target.of else 1.0
        if value is None or base is None:
            continue
        share = value / base
        bound, shown = (_shown(number, target.unit) for number in (target.bound, share))
        lines.append(f"| {target.label} | {bound} | {shown} | {'met' if share <= target.bound else '**missed**'} |")
    return "\n".join(lines)


def _shown(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if unit else f"{value:.1%}"


PANELS = (
    ("cold question, s of CPU", "cold", "cold_cpu_s"),
    ("warm question p95, ms of CPU", "warm", "p95_cpu_ms"),
    ("first build, embedding all, s of CPU", "build", "build_cpu_s"),
    ("peak memory while asking, MB", "warm", "query_mb"),
    ("BEIR Recall@10 (ours: learned here)", "beir", "recall"),
    ("BEIR MAP@10 (ours: learned here)", "beir", "map"),
    ("BEIR build, s of CPU", "beir-build", "build_cpu_s"),
    ("BEIR query p95, ms", "beir-times", "p95_ms"),
)
COLOURS = {"ours": "#1d4ed8", "langchain": "#6b7280", "llamaindex": "#b45309"}
WIDTH, BAR, GAP = 340, 18, 6


def plot(done: Measured, systems: Sequence[str]) -> str:
    """SVG: a panel of bars for each figure, two beside each other."""
    drawn: list[tuple[str, list[tuple[str, float]]]] = []
    for title, measurement, figure in PANELS:
        of_systems = ((system, _of(done, system, measurement)) for system in systems)
        known = [(system, figures[figure]) for system, figures in of_systems if figure in figures]
        if known:
            drawn.append((title, known))
    height = 34 + len(systems) * (BAR + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {height * ((len(drawn) + 1) // 2) + 8}"'
        ' role="img" font-family="sans-serif" font-size="11">',
        "<title>Ours, LangChain and LlamaIndex side by side</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for number, (title, bars) in enumerate(drawn):
        left, top = number % 2 * WIDTH + 12, number // 2 * height + 20
        parts.append(f'<text x="{left}" y="{top}" font-weight="bold">{escape(title)}</text>')
        most = max(value for _, value in bars)
        for place, (system, value) in enumerate(bars):
            y = top + 8 + place * (BAR + GAP)
            size = 180 * value / most if most else 0
            parts += [
                f'<text x="{left}" y="{y + 13}">{SYSTEMS[system]}</text>',
                f'<rect x="{left + 70}" y="{y}" width="{size:.1f}" height="{BAR}" fill="{COLOURS[system]}"/>',
                f'<text x="{left + 76 + size:.1f}" y="{y + 13}">{value:.3g}</text>',
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def versions(place: Place) -> str:
    """One line about the machine, and one for each environment."""
    own = ", ".join(f"{name} {version(name)}" for name in OURS_VERSIONS)
    lines = [f"Python {platform.python_version()}, {os.cpu_count()} cores, {_processor()}.", f"Ours: {own}."]
    if place.peers_python:
        theirs = json.loads(_run([str(place.peers_python), str(ROOT / "evals" / "peers.py"), "versions"]))
        lines.append("Peers: " + ", ".join(f"{name} {number}" for name, number in theirs.items()) + ".")
    return "\n".join(lines)


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    except OSError:
        names = []
    return names[0] if names else platform.machine()


START, END = "<!-- bench: what stands between these two lines is written by evals.bench -->", "<!-- /bench -->"


def write_docs(page: Path, text: str, drawing: str) -> None:
    """Put the report between the marks of a page, and the drawing beside it."""
    old = page.read_text(encoding="utf-8")
    if START not in old or END not in old:
        raise SystemExit(f"{page} has no place for the report: add the lines '{START}' and '{END}'")
    head, tail = old.partition(START)[0], old.partition(END)[2]
    page.write_text(f"{head}{START}\n\n{text}\n\n![Side by side](bench.svg)\n\n{END}{tail}", encoding="utf-8")
    (page.parent / "bench.svg").write_text(drawing, encoding="utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers-python", type=Path, help="interpreter of the peers' environment; without it, only ours"
    )
    parser.add_argument("--beir", type=Path, help="BEIR folder for the quality figures")
    parser.add_argument("--questions", type=int, help="ask so many of its questions, evenly drawn; default: all")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="system, or system/measurement")
    parser.add_argument("--keep", type=Path, help="folder for figures and indexes; measured once")
    parser.add_argument("--docs", type=Path, help="page to write the report into")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = (given.keep or Path(passing)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        # Not resolved: the interpreter of a virtual environment is a link.
        python = given.peers_python.absolute() if given.peers_python else None
        place = Place(folder, python, given.beir.resolve() if given.beir else None, given.questions)
        done = measure(place, given.only, folder / "results.json")
        systems = [system for system in SYSTEMS if any(name.startswith(f"{system}/") for name in done)]
        text = "\n\n".join([table(done, systems), targets(done), versions(place)])
    print(text)
    if given.docs:
        write_docs(given.docs, text, plot(done, systems))


if __name__ == "__main__":
    main()
