"""What changed between two states of the guidance, and what rests on it: for re-review.

`pending` tells what the next `aeo index update` will bring, `between_versions` what the last one brought; `impact`
lists the restatements, data rows, eval questions and recent answers that rest on the changed provisions.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from corpus.schema import Note
from indexing.build import Manifest
from indexing.notes import note_document
from indexing.passages import DocumentError, Passage
from indexing.sources import SourceFile
from indexing.splitting import han_number
from indexing.store import PassageStore
from indexing.versions import IndexMissing, current_version

ChangeKind = Literal["added", "changed", "removed", "moved"]


@dataclass(frozen=True, slots=True)
class Change:
    """One provision that is not what it was."""

    kind: ChangeKind
    document_id: str
    jurisdiction: str
    reference: str
    """Its pinpoint before; of an added provision, its pinpoint now."""
    now: str
    """Its pinpoint now: another one if it moved (was renumbered), "" if it was removed."""
    before: str
    after: str
    url: str
    passage_id: str
    """Its id before, "" if it was added."""


@dataclass(frozen=True, slots=True)
class Affected:
    """Something that rests on a changed provision, or may."""

    kind: Literal["restatement", "row", "question", "answer"]
    where: str
    """Note or data file with its line; id of a question or answer."""
    what: str
    """The statement, in short."""
    change: Change
    certain: bool
    """True: it cites the changed provision. False: it cites the publication, without saying which provision."""


def compare(before: Iterable[Passage], after: Iterable[Passage]) -> list[Change]:
    """Changes from one state of documents to another, by document and in reading order.

    Provisions are paired by pinpoint; one that is found word for word under another pinpoint moved.
    """
    old, new = _by_document(before), _by_document(after)
    changes: list[Change] = []
    for document in sorted({*old, *new}):
        changes += _compare_document(old.get(document, []), new.get(document, []))
    return changes


def _by_document(passages: Iterable[Passage]) -> dict[str, list[Passage]]:
    found: dict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        found[passage.document_id].append(passage)
    return found


def _compare_document(before: Sequence[Passage], after: Sequence[Passage]) -> list[Change]:
    same = Counter((p.reference, p.text) for p in before) & Counter((p.reference, p.text) for p in after)
    old, new = _without(before, same), _without(after, same)
    places = {id(p): place for place, p in enumerate([*after, *before])}
    pairs: list[tuple[Passage | None, Passage | None]] = []
    for moved in (True, False):  # first the same words elsewhere, then other words under the same pinpoint
        for passage in list(old):
            found = _partner(passage, new, moved=moved)
            if found is not None:
                pairs.append((passage, found))
                old.remove(passage)
                new.remove(found)
    pairs += [(passage, None) for passage in old] + [(None, passage) for passage in new]
    pairs.sort(key=lambda pair: places[id(pair[1] or pair[0])])
    return [_change(was, now) for was, now in pairs]


def _without(passages: Sequence[Passage], same: Counter[tuple[str, str]]) -> list[Passage]:
    left = Counter(same)
    kept = []
    for passage in passages:
        key = (passage.reference, passage.text)
        if left[key] > 0:
            left[key] -= 1
        else:
            kept.append(passage)
    return kept


def _partner(passage: Passage, candidates: Sequence[Passage], *, moved: bool) -> Passage | None:
    if moved:
        return next((c for c in candidates if c.text == passage.text), None)
    alike = [c for c in candidates if c.reference == passage.reference]
    return max(alike, key=lambda c: SequenceMatcher(None, passage.text, c.text).quick_ratio(), default=None)


def _change(was: Passage | None, now: Passage | None) -> Change:
    known = was or now
    assert known is not None
    kind: ChangeKind = "added" if was is None else "removed" if now is None else "changed"
    if was and now and was.text == now.text:
        kind = "moved"
    return Change(
        kind=kind,
        document_id=known.document_id,
        jurisdiction=known.jurisdiction,
        reference=known.reference,
        now=now.reference if now else "",
        before=was.text if was else "",
        after=now.text if now else "",
        url=known.url,
        passage_id=was.id if was else "",
    )


# States


def pending(index: Path, files: Sequence[SourceFile]) -> tuple[list[Change], list[str]]:
    """What an update of the index from `files` would change, and one line for each file that cannot be read.

    Raises:
        IndexMissing, IndexUnusable: see `indexing.versions`.
    """
    folder = current_version(index)
    known = Manifest.open(folder).files
    store = PassageStore(folder / "passages.sqlite")
    before: list[Passage] = []
    after: list[Passage] = []
    problems: list[str] = []
    try:
        present = {file.name for file in files}
        for file in files:
            if known.get(file.name) == file.digest:
                continue
            try:
                found = file.read(file.path)
            except DocumentError as error:
                problems.append(str(error))
                continue
            after += [passage for _, passages in found for passage in passages]
            before += [passage for _, passages in store.of_file(file.name) for passage in passages]
        for name in sorted(set(known) - present):
            before += [passage for _, passages in store.of_file(name) for passage in passages]
    finally:
        store.close()
    return compare(before, after), problems


def between_versions(index: Path) -> list[Change]:
    """What the update that made the current version changed against the version before.

    Raises:
        IndexMissing: when there is no version before.
        IndexUnusable: see `indexing.versions`.
    """
    current = current_version(index)
    # A version's folder ends with the time of its making.
    others = [
        path for path in current.parent.iterdir() if path.name.rpartition("-")[2] < current.name.rpartition("-")[2]
    ]
    if not others:
        raise IndexMissing(f"{index} keeps no version before the current one; there is nothing to compare")
    previous = max(others, key=lambda path: path.name.rpartition("-")[2])
    Manifest.open(previous)
    return compare(_all(previous), _all(current))


def _all(folder: Path) -> list[Passage]:
    store = PassageStore(folder / "passages.sqlite")
    passages = list(store.all())
    store.close()
    return passages


# What rests on a provision


@dataclass(frozen=True, slots=True)
class DataRow:
    """A row of structured data, whatever its columns."""

    where: str
    cells: Mapping[str, str]


def data_rows(folder: Path) -> Iterator[DataRow]:
    """Rows of every CSV file under `folder`, and tables of every TOML file that name a source."""
    for path in sorted(folder.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            for cells in reader:
                yield DataRow(f"{path.name}:{reader.line_num}", {k: v or "" for k, v in cells.items() if k})
    for path in sorted(folder.rglob("*.toml")):
        yield from _tables(tomllib.loads(path.read_text(encoding="utf-8")), path.name)


def _tables(value: Any, where: str) -> Iterator[DataRow]:
    if isinstance(value, dict):
        cells = {str(k): str(v) for k, v in value.items() if isinstance(v, str | int | float)}
        if cells:
            yield DataRow(where, cells)
        for key, inner in value.items():
            yield from _tables(inner, f"{where}, {key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value, start=1):
            yield from _tables(inner, f"{where} {number}")


def eval_questions(folder: Path) -> Iterator[dict[str, Any]]:
    """Questions of every .jsonl file in `folder`."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)


@dataclass(frozen=True, slots=True)
class _Rest:
    """Something that may rest on a provision, and by what it says so."""

    kind: Literal["restatement", "row", "question", "answer"]
    where: str
    what: str
    cites: tuple[tuple[str, tuple[Pinpoint, ...]], ...]
    """Addresses, each with the pinpoints that are cited there (none: the publication as a whole)."""
    note: str = ""
    """Of a restatement or row: the note that it is in or was taken from."""
    passage_ids: frozenset[str] = frozenset()
    """Of a restatement: its own. Of an answer: those that it cites."""
    quote: str = ""
    """Of a row: the words of the note that it was taken from."""


def impact(
    changes: Iterable[Change],
    notes: Iterable[Note] = (),
    rows: Iterable[DataRow] = (),
    questions: Iterable[Mapping[str, Any]] = (),
    answers: Iterable[Mapping[str, Any]] = (),
) -> list[Affected]:
    """What rests on the changes; `questions` are eval questions, `answers` answers as JSON.

    What cites a changed provision comes first. What cites only its publication is listed once for each document.
    """
    restated = [rest for note in notes for rest in _of_note(note)]
    others = [*map(_of_row, rows), *map(_of_question, questions), *map(_of_answer, answers)]
    by_address: dict[str, list[_Rest]] = defaultdict(list)
    by_instrument: dict[str, list[_Rest]] = defaultdict(list)
    by_passage: dict[str, list[_Rest]] = defaultdict(list)
    by_note: dict[str, list[_Rest]] = defaultdict(list)
    for rest in (*restated, *others):
        for address, pinpoints in rest.cites:
            by_address[address].append(rest)
            for pinpoint in pinpoints:
                by_instrument[pinpoint.instrument].append(rest)
        for passage_id in rest.passage_ids:
            by_passage[passage_id].append(rest)
        if rest.quote:
            by_note[rest.note].append(rest)
    found: dict[tuple[int, Change | str], Affected] = {}

    def keep(rest: _Rest, change: Change, certain: bool) -> None:
        key = (id(rest), change if certain else change.document_id)
        found.setdefault(key, Affected(rest.kind, rest.where, _in_short(rest.what), change, certain))

    for change in changes:
        own = _own_pinpoints(change)
        direct: dict[int, tuple[_Rest, bool]] = {}
        candidates = [*by_address.get(_address(change.url), ()), *by_passage.get(change.passage_id, ())]
        candidates += [rest for pinpoint in own if pinpoint.instrument for rest in by_instrument[pinpoint.instrument]]
        for rest in candidates:
            if rest.kind == "restatement" and rest.note == change.document_id:
                continue  # the change is in the note itself
            certain = _certainty(rest, change, own)
            if certain is not None:
                direct[id(rest)] = (rest, certain)
        for rest in by_note.get(change.document_id, ()):
            if rest.quote in change.before:
                direct[id(rest)] = (rest, True)
        for rest, certain in list(direct.values()):
            keep(rest, change, certain)
            if rest.kind == "restatement":
                for answer in (each for i in rest.passage_ids for each in by_passage[i] if each is not rest):
                    keep(answer, change, certain)
                for row in (each for each in by_note[rest.note] if each.quote in rest.what):
                    keep(row, change, certain)
    surely = {key[0] for key, affected in found.items() if affected.certain}
    listed = [affected for key, affected in found.items() if affected.certain or key[0] not in surely]
    return sorted(listed, key=lambda affected: not affected.certain)


def _of_note(note: Note) -> Iterator[_Rest]:
    _, passages = note_document(note)
    for provision, passage in zip(note.provisions, passages, strict=True):
        cites = []
        for cited in provision.cited:
            source = note.front.sources[cited.key]
            cites.append((_address(str(source.url)), _pinpoints(f"{source.short} {cited.locator}")))
        where = f"{note.path.parent.name}/{note.path.name}:{provision.line}"
        yield _Rest(
            "restatement", where, provision.text, tuple(cites), note=note.front.id, passage_ids=frozenset([passage.id])
        )


def _of_row(row: DataRow) -> _Rest:
    text = "; ".join(f"{k} {v}" for k, v in row.cells.items() if v and "url" not in k)
    addresses = sorted({address for cell in row.cells.values() if (address := _address(cell))})
    note = row.cells.get("note_id") or row.cells.get("note", "")
    return _Rest("row", row.where, text, tuple((a, ()) for a in addresses), note=note, quote=row.cells.get("quote", ""))


def _of_question(question: Mapping[str, Any]) -> _Rest:
    pinpoints = tuple(p for reference in question.get("references") or () for p in _pinpoints(reference))
    cites = ((_address(str(question.get("source") or "")), pinpoints),)
    return _Rest("question", str(question.get("id", "")), str(question.get("question", "")), cites)


def _of_answer(answer: Mapping[str, Any]) -> _Rest:
    citations = answer.get("citations") or ()
    cites = tuple((_address(str(c.get("url", ""))), _pinpoints(str(c.get("reference", "")))) for c in citations)
    ids = frozenset(str(c.get("passage_id", "")) for c in citations) - {""}
    return _Rest("answer", str(answer.get("id", "")), str(answer.get("question", "")), cites, passage_ids=ids)


def _own_pinpoints(change: Change) -> list[Pinpoint]:
    return [pinpoint for text in dict.fromkeys((change.reference, change.now)) for pinpoint in _pinpoints(text)]


def _certainty(rest: _Rest, change: Change, own: Sequence[Pinpoint]) -> bool | None:
    """True: it cites the changed provision. False: it cites the publication only. None: it cites another provision."""
    if change.passage_id and change.passage_id in rest.passage_ids:
        return True
    best: bool | None = None
    for address, pinpoints in rest.cites:
        here = bool(address) and address == _address(change.url)
        for one in own:
            for other in pinpoints:
                named = bool(one.instrument) and one.instrument == other.instrument
                if (named or here) and _overlap(one.numbers, other.numbers):
                    return True
        if here and not (own and pinpoints):
            best = False
    return best


def _pinpoints(reference: str) -> tuple[Pinpoint, ...]:
    return tuple(pinpoint for part in reference.split(";") if (pinpoint := pinpoint_of(part)))


@dataclass(frozen=True, slots=True)
class Pinpoint:
    """A reference in a form that can be compared: "UCC Art. 39(c)" is ucc, 39, c."""

    instrument: str
    numbers: tuple[str, ...]


_UNIT = re.compile(
    r"(?:\b(?:art(?:icle|ículo|iculo|igo|icolo|ikel)?s?|sec(?:tion|ción)?|s|ss|para(?:graph)?s?|rule|reg(?:ulation)?|clause|"
    r"standard|point|ст|статья|madde|pasal)\b\.?|§)\s*(?=\d)",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"\d+[a-z]?(?:[.-]\d+[a-z]?)*(?:\s*[(（]\s*\w+\s*[)）])*", re.IGNORECASE)
_EASTERN = re.compile(r"第\s*[〇零一二三四五六七八九十百千\d]+\s*[条條]|제\s*\d+\s*조")


def pinpoint_of(reference: str) -> Pinpoint | None:
    """The instrument and the numbers of a reference; None if it names no numbered provision.

    >>> pinpoint_of("UCC Art. 39(c)") == pinpoint_of("UCC Article 39(c)")
    True
    >>> pinpoint_of("第十二条（一）").numbers, pinpoint_of("Benefits")
    (('12', '一'), None)
    """
    text = re.sub(r",\s*(?:table|footnote)\b.*$", "", reference.strip())
    if match := _EASTERN.search(text):
        inner = re.findall(r"[(（]\s*(\w+)\s*[)）]", text[match.end() :])
        return Pinpoint(_words(text[: match.start()]), (str(han_number(match.group())), *inner))
    units = list(_UNIT.finditer(text))
    start = units[-1].end() if units else 0
    numbers = list(_NUMBERS.finditer(text, start))
    if not numbers or (not units and numbers[-1].end() != len(text)):
        return None
    found = numbers[0] if units else numbers[-1]
    parts = re.findall(r"[^\W_]+", found.group().casefold())
    before = units[-1].start() if units else found.start()
    return Pinpoint(_words(text[:before]), tuple(parts))


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether one provision is, or contains, the other."""
    shorter = min(len(one), len(other))
    return shorter > 0 and tuple(one[:shorter]) == tuple(other[:shorter])


def _address(url: str) -> str:
    """An address without what differs between ways of writing it; "" for what is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https", "file"):
        return ""
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    return f"{host}{unquote(parts.path).rstrip('/')}?{parts.query}"


def _in_short(text: str, longest: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def report(changes: Sequence[Change], affected: Sequence[Affected]) -> str:
    """Both as text for a terminal: what changed, then what is to be reviewed."""
    if not changes:
        return "No provision changed."
    counts = Counter(change.kind for change in changes)
    lines = [", ".join(f"{counts[kind]} {kind}" for kind in ("added", "changed", "removed", "moved") if counts[kind])]
    for change in changes:
        name = f"{change.jurisdiction or '-'} {change.document_id}, {change.reference or 'no pinpoint'}"
        match change.kind:
            case "added":
                lines.append(f"+ {name}: {_in_short(change.after)}")
            case "removed":
                lines.append(f"- {name}: {_in_short(change.before)}")
            case "moved":
                lines.append(f"> {name} is now {change.now}")
            case _:
                lines += [f"~ {name}", *(f"    {line}" for line in _word_changes(change.before, change.after))]
    lines.append("")
    if not affected:
        return "\n".join([*lines, "Nothing that we know of rests on them."])
    lines.append(f"To be reviewed ({sum(a.certain for a in affected)} cite a changed provision):")
    for each in affected:
        sure = "cites" if each.certain else "may rest on"
        name = each.change.reference or each.change.document_id
        lines.append(f"  {each.kind} {each.where} {sure} {name}: {_in_short(each.what, 90)}")
    return "\n".join(lines)


def _word_changes(before: str, after: str) -> list[str]:
    """The words that differ, with a few around them."""
    old, new = before.split(), after.split()
    found = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            left, right = " ".join(old[max(a - 4, 0) : a]), " ".join(old[b : b + 4])
            found.append(f"… {left} [-{' '.join(old[a:b])}-] {{+{' '.join(new[c:d])}+}} {right} …")
    return found
