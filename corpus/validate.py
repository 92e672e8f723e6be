"""Checks over the whole collection that one note's schema cannot see."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from corpus import eligibility, facts, glossary, mra
from corpus.crosscheck import contradictions, unsupported
from corpus.loader import NOTES, load_note, note_paths
from corpus.programmes import EU_MEMBERS, programmes
from corpus.schema import CorpusError, FrontMatter, Note, Provision, Topic

MAX_WORDS = 130
"""A provision longer than this is two provisions, or does not fit the embedding model's 256 tokens."""
NEAR_DUPLICATE = 0.85
"""Share of words in common from which two provisions of one programme say the same."""
FEWEST_WORDS = 12
"""Shorter provisions are alike by their form."""
_SAYS_WHOM = re.compile(
    r"\b(asks?|asked|see|contact|confirm|check(ed)?|consult|turn to|use the|is a matter for|lists? the|holds? the)\b",
    re.IGNORECASE,
)


def load_notes(root: Path = NOTES) -> tuple[list[Note], list[str]]:
    """All notes that parse, and one line for each that does not."""
    notes: list[Note] = []
    problems: list[str] = []
    for path in note_paths(root):
        try:
            notes.append(load_note(path))
        except CorpusError as error:
            problems.append(str(error))
    return notes, problems


def check(root: Path | None = None) -> tuple[list[Note], list[str]]:
    """The notes of a folder and one line per problem; by default the shipped guidance with its structured data."""
    notes, problems = load_notes(root or NOTES)
    problems += problems_of(notes)
    if root is None:
        problems += [*incomplete(notes), *data_problems(notes)]
    return notes, problems


def problems_of(notes: Iterable[Note]) -> list[str]:
    """One line per problem of the notes, each with file and line."""
    notes = list(notes)
    checks: list[Callable[[Sequence[Note]], Iterator[str]]] = [
        _identifiers,
        _registered,
        _dates,
        _links,
        _successors,
        _sources,
        _form,
        _duplicates,
    ]
    return [problem for found in checks for problem in found(notes)] + contradictions(notes)


def incomplete(notes: Iterable[Note]) -> list[str]:
    """One line for each standard topic that a programme's current notes leave out, not even as a gap.

    National notes of EU member states stand beside those of the EU and need not repeat its topics.
    """
    held: dict[str, set[Topic]] = {}
    where: dict[str, Path] = {}
    for note in notes:
        code = note.front.jurisdiction
        where.setdefault(code, note.path.parent)
        topics = held.setdefault(code, set())
        if not note.front.valid_to:
            topics |= {p.topic for p in note.provisions if p.status != "unverified" and not p.valid_to}
    return [
        f"{where[code]}: no provision under '{topic.value}'; state what is known, or mark the gap with {{gap}}"
        for code, topics in sorted(held.items())
        if code not in EU_MEMBERS
        for topic in Topic
        if topic not in topics
    ]


def data_problems(notes: Sequence[Note]) -> list[str]:
    """One line for each fault of the structured data, and each place where it and the notes say different things."""
    problems: list[str] = []
    loads: list[tuple[str, Callable[[], object]]] = [
        ("mra", lambda: mra.load(mra.PATH)),
        ("glossary", lambda: glossary.load(glossary.PATH)),
        ("facts", lambda: problems.extend(unsupported(facts.load(facts.PATH), notes, facts.PATH))),
        ("eligibility", lambda: problems.extend(eligibility.unsupported(eligibility.load_all(), notes))),
    ]
    for _, load in loads:
        try:
            load()
        except CorpusError as error:
            problems.append(str(error))
    return problems


def _identifiers(notes: Sequence[Note]) -> Iterator[str]:
    seen: dict[str, Path] = {}
    for note in notes:
        first = seen.setdefault(note.front.id, note.path)
        if first != note.path:
            yield f"{note.path}:2: id '{note.front.id}' is also that of {first}; choose another"


def _registered(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        code = note.front.jurisdiction
        if code not in programmes():
            yield f"{note.path}:3: jurisdiction '{code}' is not in data/programmes.toml; add it there"


def _dates(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        front = note.front
        yield from _order(front.valid_from, front.valid_to, f"{note.path}:2")
        dated = [("as_of", front.as_of)] + [(f"as_of of source '{key}'", s.as_of) for key, s in front.sources.items()]
        for name, value in dated:
            if first_day(value) > date.today():
                yield f"{note.path}:2: {name} {value} lies in the future"
        for provision in note.provisions:
            if (provision.valid_from, provision.valid_to) != (front.valid_from, front.valid_to):
                yield from _order(provision.valid_from, provision.valid_to, f"{note.path}:{provision.line}")


def _order(start: str | None, end: str | None, where: str) -> Iterator[str]:
    if start and end and first_day(start) > last_day(end):
        yield f"{where}: valid_from {start} is after valid_to {end}"


def first_day(value: str) -> date:
    """The first day of a date that may be reduced to a month or a year."""
    year, month, day = [*(int(part) for part in value.split("-")), 1, 1][:3]
    return date(year, month, day)


def last_day(value: str) -> date:
    """The last day of a date that may be reduced to a month or a year."""
    year, month, day = [*(int(part) for part in value.split("-")), 0, 0][:3]
    month = month or 12
    return date(year, month, day or monthrange(year, month)[1])


def _links(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        for name, url in [("url", note.front.url), *((k, s.url) for k, s in note.front.sources.items())]:
            fault = link_fault(str(url))
            if fault:
                yield f"{note.path}:2: link of '{name}' {fault}: {url}"


def link_fault(url: str) -> str:
    """What is wrong with a link's form; empty where nothing is. Whether it can be reached is not tried."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https"):
        return "is neither http nor https"
    if "." not in host.strip(".") or re.fullmatch(r"[\d.]+", host) or host.endswith((".local", ".localhost")):
        return "has no public host name"
    if parts.username or parts.password:
        return "carries a user name or password"
    if re.search(r"\s|%20$|[,;)\]>\"']$", url) and not ("(" in url and url.endswith(")")):
        return "has white space or ends with punctuation that belongs to the text"
    return ""


def _successors(notes: Sequence[Note]) -> Iterator[str]:
    fronts = {note.front.id: note.front for note in notes}
    for note in notes:
        front = note.front
        if front.valid_to and not front.superseded_by:
            yield f"{note.path}:2: superseded (valid_to {front.valid_to}) without superseded_by"
        if front.superseded_by and not front.valid_to:
            yield f"{note.path}:2: superseded_by without valid_to; say when it ended"
        if front.superseded_by:
            fault = _successor_fault(front, fronts)
            if fault:
                yield f"{note.path}:2: superseded_by '{front.superseded_by}' {fault}"
        ended = [p for p in note.provisions if p.valid_to and not front.valid_to]
        current = {p.topic for p in note.provisions if not p.valid_to}
        for provision in ended:
            if provision.topic not in current:
                yield f"{note.path}:{provision.line}: ended {provision.valid_to}; say under its topic what applies now"


def _successor_fault(front: FrontMatter, fronts: dict[str, FrontMatter]) -> str:
    successor = fronts.get(front.superseded_by or "")
    if successor is None:
        return "is no note"
    regional = len(successor.jurisdiction) > 2  # national law can give way to that of a union
    if successor.jurisdiction != front.jurisdiction and not regional:
        return f"is a note of {successor.jurisdiction}"
    if successor.id == front.id:
        return "is the note itself"
    chain = {front.id}
    while successor.superseded_by in fronts:
        if successor.id in chain:
            return "leads back to the note itself"
        chain.add(successor.id)
        successor = fronts[successor.superseded_by]
    return ""


def _sources(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        used = {cited.key for provision in note.provisions for cited in provision.cited}
        for key in sorted(set(note.front.sources) - used):
            yield f"{note.path}:2: source '{key}' is never cited; remove it"
        for provision in note.provisions:
            if provision.status == "gap" and not _SAYS_WHOM.search(provision.text):
                yield f"{note.path}:{provision.line}: a gap says whom to ask"


def _form(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes:
        for provision in note.provisions:
            where = f"{note.path}:{provision.line}"
            words = len(provision.text.split())
            if words > MAX_WORDS:
                yield f"{where}: provision of {words} words; split it, {MAX_WORDS} at most"
            if not provision.text.rstrip("*_").endswith((".", "!", "?", "。", ")")):
                yield f"{where}: provision does not end with a full stop"


def _duplicates(notes: Sequence[Note]) -> Iterator[str]:
    """The same provision twice in one programme, word for word or nearly; superseded law may repeat the current one."""
    held: dict[tuple[str, bool], list[tuple[str, str, frozenset[str], frozenset[str]]]] = {}
    for note in notes:
        for provision in note.provisions:
            if provision.status == "gap":  # gaps are alike by their form
                continue
            where = f"{note.path}:{provision.line}"
            folded, words, figures = _content(provision)
            earlier = held.setdefault((note.front.jurisdiction, provision.valid_to is None), [])
            for other, other_folded, other_words, other_figures in earlier:
                if folded == other_folded:
                    yield f"{where}: same provision as {other}; keep one"
                elif figures == other_figures and len(words) >= FEWEST_WORDS and _alike(words, other_words):
                    yield f"{where}: nearly the same provision as {other}; keep one, or say what differs"
            earlier.append((where, folded, words, figures))


def _content(provision: Provision) -> tuple[str, frozenset[str], frozenset[str]]:
    folded = re.sub(r"\W+", " ", provision.text.casefold()).strip()
    words = frozenset(folded.split())
    return folded, words, frozenset(word for word in words if any(c.isdigit() for c in word))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= NEAR_DUPLICATE * len(one | other)


if __name__ == "__main__":
    import sys

    found, lines = check(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    for line in lines:
        print(line)
    print(f"{len(found)} notes, {sum(len(n.provisions) for n in found)} provisions, {len(lines)} problems")
