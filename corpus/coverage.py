"""What the guidance holds: programme by topic, with dates and quality of sources, and the gaps.

`python -m corpus.coverage` writes `docs/coverage.md` again; a test fails while it is out of date.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.eligibility import pre_checks
from corpus.facts import facts
from corpus.mra import partners_of
from corpus.programmes import EU_MEMBERS, english_names, programmes
from corpus.schema import TOPIC_HEADINGS, Note, Source, Topic
from corpus.validate import first_day, load_notes

PATH = Path(__file__).parents[1] / "docs" / "coverage.md"

_SHORT = {
    Topic.OVERVIEW: "Overview",
    Topic.ELIGIBILITY: "Who",
    Topic.CRITERIA: "Crit.",
    Topic.TIERS: "Tiers",
    Topic.APPLICATION: "Appl.",
    Topic.VALIDATION: "Validation",
    Topic.VALIDITY: "Validity",
    Topic.BENEFITS: "Benefits",
    Topic.SUSPENSION: "Susp.",
    Topic.RECOGNITION: "MRA",
    Topic.CONTACT: "Cont.",
}

_HEAD = """# What the guidance covers

This page is written by `python -m corpus.coverage` from the notes in `corpus/notes`; do not edit it by hand.

## Programme by topic

Each cell counts the provisions in force that were verified against a source. **gap** means that nothing reliable was
found and that the note says so, with whom to ask; **+gap** that part of the topic is missing; **–** that the topic is
not treated at all. National notes of EU member states stand beside those of the EU and treat only what is national.

- *Newest*: the latest date that a cited source carries. Sources without a date do not count here.
- *Sources*: cited sources that are official / official text on another host / secondary (law firm, press, consultant).
- *Undated*: cited sources that show no date; their `as_of` is the month in which the copy was read.
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is held of one programme."""

    code: str
    counts: dict[Topic, int]
    """Verified provisions in force."""
    gaps: dict[Topic, int]
    newest: str
    """The latest date of a dated source; empty if none shows a date."""
    official: int
    mirror: int
    secondary: int
    undated: int
    superseded: int
    """Provisions that are no longer in force, kept for the record."""


def coverage(notes: Iterable[Note]) -> list[Coverage]:
    """One entry for each jurisdiction that has notes, by code."""
    by_code: dict[str, list[Note]] = {}
    for note in notes:
        by_code.setdefault(note.front.jurisdiction, []).append(note)
    return [_coverage(code, held) for code, held in sorted(by_code.items())]


def _coverage(code: str, notes: Sequence[Note]) -> Coverage:
    counts: Counter[Topic] = Counter()
    gaps: Counter[Topic] = Counter()
    superseded = 0
    sources: dict[str, Source] = {}
    for note in notes:
        for provision in note.provisions:
            if note.front.valid_to or provision.valid_to:
                superseded += 1
            elif provision.status == "gap":
                gaps[provision.topic] += 1
            elif provision.status == "verified":
                counts[provision.topic] += 1
                sources |= {str(note.front.sources[c.key].url): note.front.sources[c.key] for c in provision.cited}
    kinds = Counter(source.type for source in sources.values())
    dated = [source.as_of for source in sources.values() if not source.undated]
    return Coverage(
        code=code,
        counts=dict(counts),
        gaps=dict(gaps),
        newest=max(dated, key=first_day, default=""),
        official=kinds["official"],
        mirror=kinds["mirror"],
        secondary=kinds["secondary"],
        undated=sum(source.undated for source in sources.values()),
        superseded=superseded,
    )


def page(notes: Sequence[Note]) -> str:
    """The whole page as Markdown."""
    held = coverage(notes)
    return "\n".join([_HEAD, _summary(held), "", _matrix(held), "", _gaps(held), "", _data(held), ""])


def _summary(held: Sequence[Coverage]) -> str:
    verified = sum(sum(entry.counts.values()) for entry in held)
    gaps = sum(sum(entry.gaps.values()) for entry in held)
    superseded = sum(entry.superseded for entry in held)
    return (
        f"In all: {len(held)} jurisdictions and schemes, {verified:,} verified provisions in force, {gaps} stated "
        f"gaps, {superseded} provisions of superseded law."
    )


def _matrix(held: Sequence[Coverage]) -> str:
    head = ["", "Programme", *(_SHORT[topic] for topic in Topic), "Newest", "Sources", "Undated"]
    lines = [_line(head), _line(["---"] * len(head))]
    for entry in held:
        name = programmes()[entry.code].name if entry.code in programmes() else english_names()[entry.code]
        cells = [_cell(entry, topic) for topic in Topic]
        sources = f"{entry.official} / {entry.mirror} / {entry.secondary}"
        lines.append(_line([entry.code, name, *cells, entry.newest or "–", sources, str(entry.undated)]))
    return "\n".join(lines)


def _cell(entry: Coverage, topic: Topic) -> str:
    count, gap = entry.counts.get(topic, 0), entry.gaps.get(topic, 0)
    if count:
        return f"{count} +gap" if gap else str(count)
    return "**gap**" if gap else "–"


def _gaps(held: Sequence[Coverage]) -> str:
    """Programmes by the topics on which they hold nothing but a gap."""
    lines = ["## Topics without a verified provision", ""]
    for heading, topic in TOPIC_HEADINGS.items():
        codes = [e.code for e in held if not e.counts.get(topic) and (e.code not in EU_MEMBERS or e.gaps.get(topic))]
        lines.append(f"- {heading}: {', '.join(codes) if codes else 'none'}")
    weak = [entry.code for entry in held if not entry.official and not entry.mirror]
    lines += ["", f"Programmes that rest on secondary sources alone: {', '.join(weak) if weak else 'none'}."]
    return "\n".join(lines)


def _data(held: Sequence[Coverage]) -> str:
    """What the structured data holds beside the notes."""
    lines = [
        "## Structured data",
        "",
        "Figures (`corpus/data/facts.csv`), partners in mutual recognition (`corpus/data/mra.csv`, at any stage,",
        "regional arrangements included) and questions of the guided pre-check (`corpus/data/eligibility/`).",
        "",
        _line(["", "Figures", "Partners", "Questions"]),
        _line(["---"] * 4),
    ]
    figures = Counter(row.jurisdiction for row in facts())
    for entry in held:
        check = pre_checks().get(entry.code)
        questions = str(len(check.questions)) if check else "–"
        partners = len(partners_of(entry.code))
        lines.append(_line([entry.code, str(figures[entry.code] or "–"), str(partners or "–"), questions]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the page."""
    notes, problems = load_notes()
    for problem in problems:
        print(problem)
    PATH.write_text(page(notes), encoding="utf-8")
    print(f"{PATH}: {len(coverage(notes))} programmes")


if __name__ == "__main__":
    main()
