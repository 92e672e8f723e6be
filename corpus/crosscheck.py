"""Holds the facts and the prose against each other, and the notes of a programme against themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpus.facts import WORDS_FOR, Fact, provision_of
from corpus.schema import Note, Provision

_WORDS = {
    word: number
    for number, word in enumerate(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    )
} | {"fifteen": 15, "twenty": 20, "thirty": 30, "sixty": 60, "ninety": 90}
_NUMBER = rf"(\d{{1,3}}(?:,\d{{3}})+|\d+|{'|'.join(_WORDS)})"
_SPAN = rf"{_NUMBER}[- ](?:(?:working|calendar|business|full|natural|financial|consecutive) )*(day|month|year)s?\b"

# How prose states a fact, with the figure and its unit as the groups. Only wordings in which the figure can be nothing
# else are listed: a missed contradiction is found by the next reader, a false alarm stops every build.
_CLAIMS: dict[str, tuple[re.Pattern[str], ...]] = {
    name: tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    for name, patterns in {
        "decision_time": (
            rf"\b(?:decides?|decision) (?:on|about) [^.;]{{0,80}}?\bwithin {_SPAN}",
            rf"\b(?:decide|decision) (?:time|period|limit)\b[^.;]{{0,30}}? (?:is|are|of) {_SPAN}",
            rf"\bdecision (?:\w+ ){{0,2}}?(?:takes|within) {_SPAN}",
        ),
        "decision_extension": (rf"\bdecision\b[^.;]{{0,60}}\bextended by (?:up to |at most )?{_SPAN}",),
        "acceptance_time": (
            rf"\baccept(?:ed|ing|s)? (?:an? |the )?[^.;]{{0,30}}?application[^.;]{{0,20}}? within {_SPAN}",
        ),
        "validity": (
            rf"\b(?:is|are|remains?|was) valid for (?:a period of )?{_SPAN}",
            rf"\b(?:certificate|certification|accreditation|authori[sz]ation|status|membership) lasts {_SPAN}",
        ),
        "renewal_notice": (rf"\brenew\w*\b[^.;]{{0,60}}? {_SPAN} before (?:its |the )?(?:status )?expir",),
        "reapply_bar": (
            rf"\b(?:cannot|may not) (?:apply|be authori[sz]ed) again[^.;]{{0,40}}? (?:for|within) {_SPAN}",
            rf"\bnew [^.;]{{0,20}}?application is not accepted for {_SPAN}",
        ),
        "appeal_time": (rf"\bappeal\w*\b[^.;]{{0,60}}? within {_SPAN}", rf"\b{_SPAN} to appeal\b"),
    }.items()
}
# What tells two figures of one fact apart: a tier, a kind of operator, a case.
_QUALIFIER = re.compile(
    r"\b(?:AEO-?[A-Z]{1,2}\d?|[A-Z]-?type|T\d|Tier \w+|Level \d|type \d|grade [A-Z]+|first|renewals?|exporters?"
    r"|importers?|brokers?|carriers?|manufacturers?|document review|denial|false|cancellation|refus\w+|revocation"
    r"|annul\w+|fraud|young|small|Northern Ireland|Great Britain|Uganda|Kenya|Spain|France|Germany|Denmark)\b",
    re.IGNORECASE,
)
_SAYS_SO = re.compile(
    r"\b(?:differ|differs|disagree|contradict\w*|older|earlier|former|formerly|previous(?:ly)? (?:rule|law)|until|draft"
    r"|no longer|used to|was valid|confirm|check)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure that a provision states for a fact."""

    jurisdiction: str
    fact: str
    qualifiers: frozenset[str]
    value: int
    unit: str
    """day, month or year."""
    path: Path
    line: int


def unsupported(rows: Iterable[Fact], notes: Sequence[Note], path: Path) -> list[str]:
    """One line for each row whose provision is missing, cites another source, or says another figure."""
    problems: list[str] = []
    for row in rows:
        where = f"{path}: {row.jurisdiction} {row.fact} {row.tier}".rstrip()
        found = provision_of(row, notes)
        if found is None:
            problems.append(f"{where}: no provision of note '{row.note_id}', or several, hold the words '{row.quote}'")
            continue
        note, provision = found
        place = f"{note.path}:{provision.line}"
        urls = {
            str(note.front.sources[cited.key].url): note.front.sources[cited.key].as_of for cited in provision.cited
        }
        if note.front.jurisdiction != row.jurisdiction:
            problems.append(f"{where}: rests on a note of {note.front.jurisdiction} ({place})")
        elif provision.status != "verified" or provision.valid_to:
            problems.append(f"{where}: rests on text that is unverified or no longer in force ({place})")
        elif urls.get(str(row.source_url)) != row.as_of:
            problems.append(f"{where}: the provision cites no source with this address and as_of ({place})")
        elif not _says(provision.text, row):
            problems.append(f"{where}: the provision does not say {row.said} ({place})")
    return problems


def _says(text: str, row: Fact) -> bool:
    if row.value in WORDS_FOR:
        return any(words in text.casefold() for words in WORDS_FOR[row.value])
    quoted = " ".join(text.split())
    at = quoted.find(row.quote)
    near = quoted[max(0, at - 80) : at + len(row.quote) + 80]
    return int(row.value) in numbers(near)


def numbers(text: str) -> set[int]:
    """Whole numbers of a text, in digits or English words.

    >>> sorted(numbers("at least 20,000 declarations in three years"))
    [3, 20000]
    """
    found = {int(match.replace(",", "")) for match in re.findall(r"\d{1,3}(?:,\d{3})+|\d+", text)}
    return found | {_WORDS[word] for word in re.findall(r"[a-z]+", text.casefold()) if word in _WORDS}


def claims(notes: Iterable[Note]) -> Iterator[Claim]:
    """The figures that current, verified provisions state in wordings that can mean one fact only."""
    for note in notes:
        for provision in note.provisions:
            if not note.front.valid_to and not provision.valid_to and provision.status == "verified":
                yield from _claims_of(note, provision)


def _claims_of(note: Note, provision: Provision) -> Iterator[Claim]:
    text = " ".join(provision.text.split())
    if _SAYS_SO.search(text):
        return
    qualifiers = frozenset(match.group().casefold() for match in _QUALIFIER.finditer(text))
    for fact, patterns in _CLAIMS.items():
        for pattern in patterns:
            for match in pattern.finditer(text):
                number, unit = match.group(1).casefold(), match.group(2).casefold()
                value = _WORDS[number] if number in _WORDS else int(number.replace(",", ""))
                yield Claim(note.front.jurisdiction, fact, qualifiers, value, unit, note.path, provision.line)


def contradictions(notes: Iterable[Note]) -> list[str]:
    """One line for each pair of current provisions of a programme that state one fact with different figures."""
    first: dict[tuple[str, str, frozenset[str], str], Claim] = {}
    problems: list[str] = []
    for claim in claims(notes):
        known = first.setdefault((claim.jurisdiction, claim.fact, claim.qualifiers, claim.unit), claim)
        if known.value != claim.value:
            problems.append(
                f"{claim.path}:{claim.line}: {claim.fact.replace('_', ' ')} of {claim.value} {claim.unit}s contradicts "
                f"{known.value} in {known.path}:{known.line}; say that sources differ, or correct one"
            )
    return problems
