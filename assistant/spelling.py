"""Reads misspelt words as the guidance's own: "austrlian", "aplication".

A word that is English, though the guidance has it not, is left as it is: "trucking" is no misspelt "tracking".
"""

from __future__ import annotations

import re
from functools import lru_cache

from assistant.programmes import alias_words, fold
from indexing.analysis import STOP_WORDS
from indexing.embedding import OnnxEmbedder
from indexing.search import Index

_WORD = re.compile(r"[a-z]{4,}")
_SEEN = 3
"""A word of the guidance must stand in so many passages to be what was meant."""
_LONG = 9
"""From this length two slips are forgiven, below it one."""
_ENDINGS = ("s", "es", "d", "ed", "ing")
_SHORT = 6
"""Below this length a word is read as another one only where that stands in many passages, or names a programme."""
_COMMON = 20
_LAST_LATIN = "\u024f"
_LETTERS = re.compile(r"[^\W\d_]+")
_FOREIGN = 0.6
"""Share of unknown words from which a text is in a language that is not told apart."""


def corrected(text: str, index: Index) -> str:
    """The text with unknown Latin-script words replaced by the one known word that is a slip or two away."""
    known = _known(index)
    folded = fold(text)
    if len(folded) != len(text):
        return text
    for match in reversed(list(_WORD.finditer(folded))):
        word = match.group()
        bounded = not (folded[: match.start()][-1:].isalnum() or folded[match.end() :][:1].isalnum())
        if bounded and word not in known and word not in _english() and (nearest := _nearest(word, index)):
            text = text[: match.start()] + nearest + text[match.end() :]
    return text


def strange(word: str, index: Index) -> bool:
    """Whether a word stands neither in the guidance nor in the names of programmes."""
    return fold(word) not in _known(index)


def foreign(text: str, index: Index) -> bool:
    """Whether a text is mostly in another script, or of words neither English nor in the guidance."""
    letters = [character for character in text if character.isalpha()]
    if sum(character > _LAST_LATIN for character in letters) * 2 > len(letters):
        return True
    written = [word for word in _LETTERS.findall(fold(text)) if len(word) > 2]
    unknown = sum(word not in _known(index) and word not in _english() for word in written)
    return len(written) > 2 and unknown > _FOREIGN * len(written)


@lru_cache(maxsize=2)
def _known(index: Index) -> dict[str, int]:
    """Words of the guidance with how often they occur, and the words of programme names."""
    return dict.fromkeys(alias_words(), _COMMON) | dict.fromkeys(STOP_WORDS, _COMMON) | index.words()


@lru_cache(maxsize=1)
def _english() -> frozenset[str]:
    """Common English words: the whole words among the embedding model's word pieces."""
    return frozenset(
        piece
        for piece in OnnxEmbedder().tokenizer.get_vocab()
        if len(piece) > 2 and piece.isascii() and piece.isalpha()
    )


@lru_cache(maxsize=4096)
def _nearest(word: str, index: Index) -> str | None:
    from rapidfuzz.distance import OSA

    allowed = 2 if len(word) >= _LONG else 1
    stems = (word.removesuffix(ending) for ending in _ENDINGS)
    if any(stem in _known(index) or stem in _english() for stem in stems if stem != word):
        return None
    best: tuple[int, int, str] | None = None
    for other, count in _known(index).items():
        needed = _SEEN if min(len(word), len(other)) >= _SHORT else _COMMON
        if count < needed or len(other) < 4 or other[0] != word[0] or abs(len(other) - len(word)) > allowed:
            continue
        distance = OSA.distance(word, other, score_cutoff=allowed)
        if distance <= allowed and (best is None or (distance, -count) < best[:2]):
            best = (distance, -count, other)
    return best[2] if best else None
