"""Comparing words: whether a text holds a fact, which figures it has, which sentences an answer consists of.

Written apart from `assistant.verify` on purpose: a mistake there must not hide itself here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from indexing.sentences import sentence_spans

_MARKER_RUN = re.compile(r"(?:\s*\[\d{1,3}\])+")
_MARKER = re.compile(r"\[(\d{1,3})\]")
_BULLET = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+")
_HEADING = re.compile(r"^\s*(?:\*\*(?P<bold>[^*]+)\*\*:?|#{1,6}\s+(?P<hash>.+?))\s*$")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-") | dict.fromkeys("’‘", "'"))
_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_WORD = re.compile(r"[a-z]+")
_CARDINALS = {
    "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "eighteen": "18", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70",
    "eighty": "80", "ninety": "90",
}  # fmt: skip
# "may" and "march" are words of other meanings too.
_MONTHS = frozenset(
    ("january", "february", "april", "june", "july", "august", "september", "october", "november", "december")
)


def plain(text: str) -> str:
    """Case-folded words without Markdown, markers, thousands separators and typographic variants.

    >>> plain("Up to **1,000** days[1],  or ½–year")
    'up to 1000 days, or 1/2-year'
    """
    text = _MARKER_RUN.sub("", text).replace("**", "").replace("`", "")
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/").translate(_DASHES).casefold()
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return re.sub(r"\s+", " ", text)


@lru_cache(maxsize=8192)
def _pattern(wanted: str) -> re.Pattern[str]:
    """Words may go on at the right ("risk" is in "risks"); numbers, acronyms and what ends in a space may not."""
    folded = plain(wanted)
    core = folded.strip()
    left = right = ""
    if core[0].isascii() and core[0].isalnum():
        left = r"(?<![^\W_])(?<!\d[.,])" if core[0].isdigit() else r"(?<![^\W_])"
    if core[-1].isdigit():
        right = r"(?!\d|[.,]\d)"
    elif core[-1].isascii() and (folded != folded.rstrip() or (wanted.strip().isupper() and wanted.isascii())):
        right = r"(?![^\W_])"
    return re.compile(left + re.escape(core) + right)


def holds(text: str, wanted: str) -> bool:
    """Whether a text, made `plain`, holds a string: whole numbers, beginnings of words, regardless of case.

    >>> holds(plain("within 120 days"), "120 days"), holds(plain("within 1,120 days"), "120 days")
    (True, False)
    """
    return bool(_pattern(wanted).search(text))


def holds_fact(text: str, alternatives: tuple[str, ...]) -> bool:
    """Whether a text, made `plain`, holds one of the strings."""
    return any(holds(text, wanted) for wanted in alternatives)


def numbers(text: str) -> frozenset[str]:
    """Numbers, in digits or words from two on, and months, in one spelling each.

    >>> sorted(numbers("Two copies by 30 June, or 1,000.5 within Art. 39(c)"))
    ['1000.5', '2', '30', '39', 'june']
    """
    folded = plain(text)
    found = {match.group() for match in _NUMBER.finditer(folded)}
    for word in _WORD.findall(folded):
        if word in _CARDINALS:
            found.add(_CARDINALS[word])
        elif word in _MONTHS:
            found.add(word)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer, the markers after it, and the heading it stands under."""

    text: str
    markers: tuple[int, ...]
    heading: str | None


def answer_sentences(answer: str) -> list[Sentence]:
    """Cut an answer's Markdown into sentences; headings are no sentences.

    >>> [(s.text, s.markers) for s in answer_sentences("One. Two [1][2]. Three [1]")]
    [('One.', ()), ('Two', (1, 2)), ('Three', (1,))]
    """
    found: list[Sentence] = []
    heading: str | None = None
    for line in answer.splitlines():
        match = _HEADING.match(line)
        if match:
            heading = match["bold"] or match["hash"]
        else:
            found += _sentences_of_line(_BULLET.sub("", line), heading)
    return found


def _sentences_of_line(line: str, heading: str | None) -> list[Sentence]:
    found: list[Sentence] = []
    start = 0
    for run in [*_MARKER_RUN.finditer(line), None]:
        chunk = line[start : run.start() if run else len(line)].lstrip(" .;,:")
        pieces = [chunk[a:b] for a, b in sentence_spans(chunk) if any(map(str.isalnum, chunk[a:b]))]
        markers = tuple(int(number) for number in _MARKER.findall(run.group())) if run else ()
        for place, piece in enumerate(pieces, start=1):
            found.append(Sentence(piece, markers if place == len(pieces) else (), heading))
        start = run.end() if run else len(line)
    return found
