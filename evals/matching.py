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
    word: str(value)
    for value, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
        "nineteen twenty".split(),
        start=2,
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
_MONTHS = tuple(
    "january february march april may june july august september october november december".split()
)  # fmt: skip


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
    closed = wanted != wanted.rstrip() or core[-1].isdigit() or (wanted.strip().isupper() and wanted.isascii())
    left = r"(?<![^\W_])(?<!\d[.,])" if core[0].isdigit() else r"(?<![^\W_])" if core[0].isascii() else ""
    if core[0].isalnum() is False:
        left = ""
    right = ""
    if closed and core[-1].isascii() and core[-1].isalnum():
        right = r"(?!\d|[.,]\d)" if core[-1].isdigit() else r"(?![^\W_])"
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
        elif word in _MONTHS and word not in ("may", "march"):
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

    >>> [(s.text, s.markers) for s in answer_sentences("One. Two [1][2].\\n- Three [1]")]
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
