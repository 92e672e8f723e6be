"""Which language a question is in.

Scripts decide for Chinese, Japanese, Korean, Arabic, Thai and Russian; function words and letters decide between
languages in Latin script. English is assumed unless another language shows itself more clearly.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_DATA = Path(__file__).parent / "data" / "languages.toml"
_LATIN_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SCRIPTS = {
    "ko": re.compile(r"[\uac00-\ud7af]"),
    "ja": re.compile(r"[\u3040-\u30ff]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "th": re.compile(r"[\u0e00-\u0e7f]"),
    "ar": re.compile(r"[\u0600-\u06ff]"),
    "ru": re.compile(r"[\u0400-\u04ff]"),
}
_SHARE = 5
"""A script decides from one in this many of the letters: an English question may quote a foreign term."""
_SURE = 2
"""Function words from which a language in Latin script is taken as such where English ones occur too."""


@dataclass(frozen=True, slots=True)
class _Marks:
    words: dict[str, frozenset[str]]
    """Function words by language, without those that English shares with another."""
    letters: dict[str, str]
    japanese: str
    simplified_of: dict[int, str]


@lru_cache(maxsize=1)
def _marks() -> _Marks:
    with _DATA.open("rb") as handle:
        data = tomllib.load(handle)
    words = data["words"]
    english, shared = frozenset(words["en"].split()), frozenset(data["shared"]["en"].split())
    return _Marks(
        words={
            code: frozenset(listed.split()) - (english | shared if code != "en" else shared)
            for code, listed in words.items()
        },
        letters=data["letters"],
        japanese=data["japanese"]["only"],
        simplified_of={ord(pair[0]): pair[1] for pair in data["traditional"]["pairs"].split()},
    )


def simplified(text: str) -> str:
    """Chinese text with its traditional characters written as simplified ones."""
    return text.translate(_marks().simplified_of)


def detect(text: str) -> str:
    """ISO 639-1 code of the language that `text` is in, Chinese with its script (zh-Hans, zh-Hant).

    >>> detect("EU AEO decision time?"), detect("¿Cuánto dura la validez?"), detect("有效期多久"), detect("有效期多長")
    ('en', 'es', 'zh-Hans', 'zh-Hant')
    """
    counts = {code: len(pattern.findall(text)) for code, pattern in _SCRIPTS.items()}
    best = max(counts, key=lambda code: counts[code])
    letters = sum(character.isalpha() for character in text)
    if not counts[best] or (counts[best] * _SHARE < letters and _latin(text) == "en" and _english_words(text) > 1):
        return _latin(text)
    if best == "zh":
        return "ja" if counts["ja"] or any(c in _marks().japanese for c in text) else _chinese(text)
    return best


def _chinese(text: str) -> str:
    simplified_of = _marks().simplified_of
    traditional = sum(ord(character) in simplified_of for character in text)
    simple = sum(character in simplified_of.values() for character in text)
    return "zh-Hant" if traditional > simple else "zh-Hans"


def _words(text: str) -> list[str]:
    """Words, those with an apostrophe also in parts: what a French elision leaves on both sides, but no English 's."""
    found: list[str] = []
    for word in _LATIN_WORD.findall(text.replace("’", "'").casefold()):
        before, apostrophe, after = word.partition("'")
        found += [word, before, *([after] if len(after) > 1 else [])] if apostrophe else [word]
    return found


def _english_words(text: str) -> int:
    return sum(word in _marks().words["en"] for word in _words(text))


def _latin(text: str) -> str:
    marks = _marks()
    words, letters = _words(text), set(text.casefold())
    scores = {
        code: sum(word in known for word in words) + bool(letters & set(marks.letters.get(code, "")))
        for code, known in marks.words.items()
    }
    english = scores.pop("en")
    best = max(scores, key=lambda code: scores[code])
    if scores[best] > english and (scores[best] >= _SURE or not english):
        return best
    return "en"
