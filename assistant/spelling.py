"""Reads misspelt words as the guidance's own: "austrlian", "aplication"."""

from __future__ import annotations

import re
from functools import lru_cache

from assistant.programmes import alias_words, fold
from indexing.search import Index

_WORD = re.compile(r"[a-z]{5,}")
_SEEN = 3
"""A word of the guidance must stand in so many passages to be what was meant."""
_LONG = 9
"""From this length two slips are forgiven, below it one."""


def corrected(text: str, index: Index) -> str:
    """The text with unknown Latin-script words replaced by the one known word that is a slip or two away."""
    known = _known(index)
    folded = fold(text)
    if len(folded) != len(text):
        return text
    for match in reversed(list(_WORD.finditer(folded))):
        word = match.group()
        bounded = not (folded[: match.start()][-1:].isalnum() or folded[match.end() :][:1].isalnum())
        if bounded and word not in known and (nearest := _nearest(word, index)):
            text = text[: match.start()] + nearest + text[match.end() :]
    return text


@lru_cache(maxsize=2)
def _known(index: Index) -> dict[str, int]:
    """Words of the guidance with how often they occur, and the words of programme names."""
    return dict.fromkeys(alias_words(), 3) | index.words()


@lru_cache(maxsize=4096)
def _nearest(word: str, index: Index) -> str | None:
    from rapidfuzz.distance import OSA

    allowed = 2 if len(word) >= _LONG else 1
    if any(word.removesuffix(ending) in _known(index) for ending in ("s", "es", "d", "ed", "ing")):
        return None
    best: tuple[int, int, str] | None = None
    for other, count in _known(index).items():
        if count < _SEEN or len(other) < 6 or other[0] != word[0] or abs(len(other) - len(word)) > allowed:
            continue
        distance = OSA.distance(word, other, score_cutoff=allowed)
        if distance <= allowed and (best is None or (distance, -count) < best[:2]):
            best = (distance, -count, other)
    return best[2] if best else None
