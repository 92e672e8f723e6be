"""Says a question in the guidance's English, term by term, from the dictionary `data/terms.csv`.

The result is for searching, not for reading: "¿Cuánto dura la validez del OEA en Japón?" becomes
"how long validity valid for authorized economic operator AEO Japan". Question words come first, as in English, so that
the same concepts are recognised in it.
"""

from __future__ import annotations

import calendar
import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from assistant.language import simplified
from assistant.programmes import Mention, bare, fold, mentions
from corpus.programmes import english_names, programmes

_DATA = Path(__file__).parent / "data" / "terms.csv"

LANGUAGES = ("zh", "ja", "ko", "es", "fr", "de", "pt", "id", "tr", "ar")
"""Columns of the dictionary."""
_TOUCHING = frozenset({"zh", "ja", "ko"})
"""Their terms are found anywhere; elsewhere at the beginning of a word."""
_COMPOUNDING = frozenset({"de"})
"""Their terms are also found inside words."""
_SHORTEST_INSIDE = 5
"""Letters of a term that may stand inside a compound."""
_SHORTEST_STEM = 4
"""Shorter terms match whole words only; in Arabic and in phrases one letter less is enough for a beginning."""
_FIRST = (
    "how",
    "when",
    "where",
    "who",
    "which",
    "what",
    "can we",
    "is it",
    "ignore",
    "hide",
    "fake",
    "deceive",
    "evade",
)
"""Question words come first, and what the guard looks for before its object."""

_WORD = re.compile(r"[^\W_]+(?:[-./'][^\W_]+)*")
_ASCII = re.compile(
    r"[A-Za-z][\w&]*(?:[-./][A-Za-z0-9]+)*(?:\([\w]{1,4}\))*|\d[\w]*(?:[.,/:-]\d\w*)*(?:\([\w]{1,4}\))*", re.ASCII
)
_ARABIC_PREFIX = re.compile(r"[وف]?(?:لل|[بكل]?ال|[بكل])|[وف]")

_NUMERALS = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_MONTHS = calendar.month_name
_COUNTED = "[0-9〇零一二三四五六七八九十百千]+"
_NUMBERED = r"\d+[a-z]?(?:\.\d+)*(?:\(\w{1,4}\))*"
# Pinpoints of a provision in each language: a pattern with the number in its first group, and English for it.
_PINPOINTS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), english)
    for pattern, english in (
        (rf"第\s?({_COUNTED})\s?[条條](?:[のノ之]\s?({_COUNTED}))?", "Article"),
        (r"제\s?(\d+)\s?조(?:의\s?(\d+))?", "Article"),
        (rf"第\s?({_COUNTED})\s?[号號]", "No."),
        (r"제\s?(\d+)\s?호", "No."),
        (rf"第\s?({_COUNTED})\s?[款項项]", "paragraph"),
        (r"제\s?(\d+)\s?항", "paragraph"),
        (rf"附[件则則表録录]\s?({_COUNTED})", "Annex"),
        (rf"第\s?({_COUNTED})\s?[级級]", "tier"),
        (r"\b(\d+[a-z]?)\.?\s?madde\w*", "Article"),
        (r"\bmadde\s(\d+[a-z]?)\b", "Article"),
        (rf"\b(?:art(?:icul|ig|icol|ike|icle)\w*|art\.?|pasal)\s?({_NUMBERED})", "Article"),
        (rf"ماده\s?({_NUMBERED})", "Article"),
        (r"§+\s?(\d+[a-z]?)", "section"),
        (r"\b(?:anexo|annexe|anhang|lampiran|ek)\s(\d+|[ivx]+)\b", "Annex"),
        (r"(?:criterio|critere|kriterium|kriteria|基準|标准|기준|معيار)\s?(\d+\.\d+)", "criterion"),
        (r"\b(\d+ ?u\.? ?s\.? ?c\.? ?§? ?\d+\w*)", ""),
        (r"(\d{4})\s?[年년]", ""),
    )
)


@dataclass(slots=True)
class _Dictionary:
    """The terms of one language."""

    anywhere: dict[str, str] = field(default_factory=dict)
    """Terms of touching scripts."""
    at_words: dict[str, list[tuple[tuple[str, ...], str]]] = field(default_factory=lambda: defaultdict(list))
    """By the first letters of their first word: the words' beginnings ("$" ends whole ones), and English for them."""
    longest: int = 0


@lru_cache(maxsize=1)
def _dictionaries() -> dict[str, _Dictionary]:
    found = {language: _Dictionary() for language in LANGUAGES}
    with _DATA.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            for language in LANGUAGES:
                for term in filter(None, row[language].split("|")):
                    _add(found[language], language, bare(term), row["en"])
    for dictionary in found.values():
        dictionary.longest = max(map(len, dictionary.anywhere), default=0)
        for entries in dictionary.at_words.values():
            entries.sort(key=lambda entry: -sum(map(len, entry[0])))
    return found


def _add(dictionary: _Dictionary, language: str, term: str, english: str) -> None:
    if language in _TOUCHING:
        dictionary.anywhere.setdefault(term, english)
        return
    parts = [_without_article(part) if language == "ar" else part for part in re.split(r"[ '-]+", term)]
    shortest = _SHORTEST_STEM - (len(parts) > 1 or language == "ar")
    words = tuple(part if part.endswith("$") or len(part) >= shortest else f"{part}$" for part in parts)
    dictionary.at_words[words[0].rstrip("$")[:2]].append((words, english))


def _without_article(word: str) -> str:
    return word[2:] if word.startswith("ال") and len(word) > 4 else word


def known(language: str) -> bool:
    """Whether the dictionary has the language (a code of `assistant.language.detect`)."""
    return language[:2] in LANGUAGES


def readable(language: str) -> bool:
    """Whether the words of a question in the language say something: it is English, or put into English terms."""
    return language == "en" or known(language)


def in_english(text: str, language: str) -> str:
    """Say the question in the guidance's English terms, with names, numbers and references kept.

    `language` is one that is `known`.
    """
    code = language[:2]
    folded = bare(text)
    if code == "zh":
        folded = simplified(folded)
    taken = bytearray(len(folded))
    parts: list[tuple[int, str]] = []
    for start, end, english in _pinpoints(folded):
        parts.append((start, english))
        taken[start:end] = b"\1" * (end - start)
    find = _touching_terms if code in _TOUCHING else _word_terms
    for start, end, english in find(folded, taken, code):
        parts.append((start, english))
        taken[start:end] = b"\1" * (end - start)
    for mention in mentions(text):
        if not mention.weak:
            parts.append((min(mention.start, len(folded)), _named(mention)))
            span = slice(mention.start, mention.end)
            taken[span] = b"\1" * len(taken[span])
    parts += [(at, word) for at, word in _kept(text, code) if not (at < len(taken) and taken[at])]
    parts.sort(key=lambda part: (not part[1].startswith(_FIRST), part[0]))
    return " ".join(dict.fromkeys(english for _, english in parts))


def _named(mention: Mention) -> str:
    """Names of programmes and authorities as they are written, territories by their English names."""
    programme = programmes().get(mention.code)
    names = {*map(fold, (*programme.own, *programme.aliases, *programme.exact))} if programme else set()
    written = mention.words.partition("'")[0] if "'" in mention.words[2:] else mention.words
    if written.isascii() and fold(written) in names:
        return written
    return english_names().get(mention.code, mention.words)


def _pinpoints(folded: str) -> Iterator[tuple[int, int, str]]:
    seen: list[tuple[int, int]] = []
    for pattern, english in _PINPOINTS:
        for match in pattern.finditer(folded):
            if any(start < match.end() and match.start() < end for start, end in seen):
                continue
            seen.append(match.span())
            numbers = [_number(group) for group in match.groups() if group]
            yield match.start(), match.end(), f"{english} {'-'.join(numbers)}".strip()
    for match in re.finditer(r"(?<!\d)(1[0-2]|[1-9])\s?[月월]", folded):
        yield match.start(), match.end(), _MONTHS[int(match.group(1))]


def _number(written: str) -> str:
    """Digits as they are; Chinese numerals in digits.

    >>> _number("十二"), _number("二百五十五"), _number("39(c)")
    ('12', '255', '39(c)')
    """
    if not any(c in _NUMERALS or c in _UNITS for c in written):
        return written
    if not any(c in _UNITS for c in written):
        return "".join(str(_NUMERALS.get(c, c)) for c in written)
    total = digit = 0
    for c in written:
        if c in _UNITS:
            total += (digit or 1) * _UNITS[c]
            digit = 0
        else:
            digit = _NUMERALS.get(c, 0)
    return str(total + digit)


def _touching_terms(folded: str, taken: bytearray, code: str) -> Iterator[tuple[int, int, str]]:
    dictionary = _dictionaries()[code]
    i = 0
    while i < len(folded):
        for n in range(0 if taken[i] else min(dictionary.longest, len(folded) - i), 0, -1):
            english = dictionary.anywhere.get(folded[i : i + n])
            if english is not None:
                yield i, i + n, english
                i += n - 1
                break
        i += 1


def _word_terms(folded: str, taken: bytearray, code: str) -> Iterator[tuple[int, int, str]]:
    dictionary = _dictionaries()[code]
    words = [(m.start(), m.end()) for m in _WORD.finditer(folded) if not taken[m.start()]]
    words = [part for start, end in words for part in _parts(folded, start, end)]
    i = 0
    while i < len(words):
        found = _longest_at(dictionary, [folded[s:e] for s, e in words[i : i + 8]], code)
        if found is not None:
            count, length, english = found
            start, end = words[i][0], words[i + count - 1][1]
            yield start, end, english
            if code in _COMPOUNDING and count == 1:
                yield from _inside(dictionary, folded, start + length, end)
            i += count
            continue
        if code in _COMPOUNDING:
            yield from _inside(dictionary, folded, words[i][0] + 2, words[i][1])
        i += 1


def _parts(folded: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of a word's parts at hyphens, slashes and apostrophes; of the whole word if it has digits."""
    word = folded[start:end]
    if any(c.isdigit() for c in word):
        yield start, end
        return
    for match in re.finditer(r"[^-/'.]+", word):
        yield start + match.start(), start + match.end()


def _longest_at(dictionary: _Dictionary, words: list[str], code: str) -> tuple[int, int, str] | None:
    """Of the longest term at the first word: how many words and letters it has, and English for it."""
    forms = [_forms(word) if code == "ar" else (word,) for word in words]
    best: tuple[int, int, str] | None = None
    for first in dict.fromkeys(form[:2] for form in forms[0]):
        for stems, english in dictionary.at_words.get(first, ()):
            length = sum(map(len, stems))
            if len(stems) <= len(forms) and (best is None or length > best[1]) and all(map(_fits, stems, forms)):
                best = (len(stems), length, english)
    return best


def _fits(stem: str, forms: tuple[str, ...]) -> bool:
    return stem[:-1] in forms if stem.endswith("$") else any(form.startswith(stem) for form in forms)


def _forms(word: str) -> tuple[str, ...]:
    """Forms of an Arabic word: itself, and what is left without conjunction, preposition and article."""
    match = _ARABIC_PREFIX.match(word)
    return (word, word[match.end() :]) if match and len(word) - match.end() > 2 else (word,)


def _inside(dictionary: _Dictionary, folded: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Terms inside a compound, from left to right: "Sicherheits|anforderungen"."""
    at = start
    while at <= end - _SHORTEST_INSIDE:
        word = folded[at:end]
        for stems, english in dictionary.at_words.get(word[:2], ()):
            stem = stems[0]
            if len(stems) == 1 and len(stem) >= _SHORTEST_INSIDE and stem[-1] != "$" and word.startswith(stem):
                yield at, at + len(stem), english
                at += len(stem) - 1
                break
        at += 1


def _kept(text: str, code: str) -> Iterator[tuple[int, str]]:
    """Words that stay: those in Latin script among others, names, abbreviations, and whatever holds a digit."""
    latin = code not in _TOUCHING and code != "ar"
    for match in _ASCII.finditer(text):
        for at, word in _unhyphenated(match.group()):
            start = match.start() + at
            begins = not text[:start].strip() or text[:start].rstrip()[-1] in ".?!¿¡:;"
            name = word[:1].isupper() and len(word) > 2 and not begins and code not in _COMPOUNDING
            code_like = any(c.isdigit() or c.isupper() for c in word[1:]) or word[0].isdigit()
            if not latin or name or code_like or word.lower() in _english_words():
                yield start, word


def _unhyphenated(word: str) -> Iterator[tuple[int, str]]:
    """Parts of a hyphenated word; a code such as "AEO-T1" whole."""
    parts = word.split("-")
    if all(part.isupper() or any(c.isdigit() for c in part) for part in parts):
        yield 0, word
        return
    at = 0
    for part in parts:
        if part:
            yield at, part
        at += len(part) + 1


@lru_cache(maxsize=1)
def _english_words() -> frozenset[str]:
    with _DATA.open(encoding="utf-8", newline="") as handle:
        return frozenset(word for row in csv.DictReader(handle) for word in row["en"].split() if len(word) > 3)
