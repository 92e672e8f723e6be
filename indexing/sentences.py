"""Sentence boundaries, as character spans: quotes are cut here, so no character may be lost."""

from __future__ import annotations

import re

# What ends with a full stop and does not end a sentence in customs and legal writing.
_ABBREVIATIONS = frozenset(
    [
        "art",
        "arts",
        "para",
        "paras",
        "sec",
        "secs",
        "no",
        "nos",
        "reg",
        "regs",
        "ch",
        "cf",
        "cl",
        "cls",
        "e.g",
        "i.e",
        "etc",
        "approx",
        "vol",
        "pp",
        "p",
        "ed",
        "eds",
        "rev",
        "dec",
        "dept",
        "est",
        "incl",
        "inc",
        "ltd",
        "co",
        "corp",
        "st",
        "dr",
        "mr",
        "mrs",
        "ms",
        "u.s",
        "u.k",
        "e.u",
        "u.n",
        "v",
        "vs",
        "al",
        "ann",
        "app",
        "fig",
        "subpara",
        "subsec",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "gen",
        "dir-gen",
        "dir",
        "gov",
        "min",
        "max",
        "tel",
        "ext",
        "c",
        "viz",
        "resp",
        "seq",
        "ff",
    ]
)
_END = re.compile(r"[.!?](?=[\s\"'”’)\]]|$)|[。！？]|\n+")
_CLOSING = "\"'”’)]"
_INITIALS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, without the white space between them.

    >>> [text[a:b] for text in ["See Art. 39(c). It binds."] for a, b in sentence_spans(text)]
    ['See Art. 39(c).', 'It binds.']
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        if match.group() == "." and not _ends_sentence(text, match.start()):
            continue
        end = match.end()
        while end < len(text) and text[end] in _CLOSING:
            end += 1
        start = _append(spans, text, start, end)
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> int:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        first = start + piece.index(stripped)
        spans.append((first, first + len(stripped)))
    return max(start, end)


def _ends_sentence(text: str, stop: int) -> bool:
    following = text[stop + 1 :].lstrip(_CLOSING).lstrip(" \t")
    if not following or following[0] == "\n":
        return True
    before = re.search(r"[\w.&-]*$", text[:stop])
    word = before.group().casefold().rstrip(".") if before else ""
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    if following[0] in ".,;:" or (_INITIALS.fullmatch(word) and following[0].isdigit()):
        return False  # "(N.T.)).", "6 U.S.C. 961"
    if re.match(r"^\d+$", word) and text[:stop].rstrip().endswith(word) and re.search(r"(^|\n)\s*\d+$", text[:stop]):
        return False  # the number of a list item
    return not following[0].islower()
