"""Which programmes a text names: by programme, authority, tier, territory or demonym, in any of the languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from corpus.programmes import EU_MEMBERS, demonyms, places, programmes, territory_names

# Scripts whose words touch: no spaces, or particles written to the word.
_TOUCHING = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f"
_UNSPACED = re.compile(f"[{_TOUCHING}]")
_WORD = re.compile(rf"[^\W_{_TOUCHING}]+(?:[-./'’&][^\W_{_TOUCHING}]+)*")
_PART = re.compile("[^-/]+")
_CODE_PAIR = re.compile(r"\b([A-Z]{2})[-–/]([A-Z]{2})\b")
_LONGEST = 7
"""Words in the longest alias."""
_SHORTEST_BARE = 5
"""Shorter names are not recognised without their accents: "omã" is Oman, OMA is not."""
_LONGEST_ENDING = 4
"""Letters that may follow a demonym's stem."""
_TURKISH_CASE = re.compile("(?:[dt][ae]n?|[dt]aki|[dt]eki|nin|nun|ya|ye)$")
_ARABIC_PREFIX = re.compile("(?:[وف]?(?:لل|[بكل]?ال|[بكل])|[وف])")
_LANGUAGE_FOLLOWS = frozenset({"in", "en", "auf", "em", "dalam", "bahasa"})
"""After these words a demonym names a language: "en español"."""

# Territory names that are also English words or parts of other names in this field.
_NOT_ALONE = {"jersey", "guinea", "man", "chad", "mali", "reunion", "as", "aq"}
# Territories whose customs is run by another's programme.
_SERVED_BY = {"MC": ("EU",), "IM": ("GB",), "LI": ("CH",)}


@lru_cache(maxsize=1)
def alias_words() -> frozenset[str]:
    """Single words that occur in names of programmes, territories and places, folded."""
    return frozenset(word for alias in _names().spaced for word in alias.split() if len(word) > 3)


@dataclass(frozen=True, slots=True)
class Mention:
    """A programme or territory found in a text."""

    code: str
    start: int
    end: int
    words: str
    weak: bool = False
    """Only hints at the programme: a city, or a tier that several programmes have."""
    place: bool = False
    """A city, port or crossing."""


def fold(text: str) -> str:
    """Compatibility-normalised, case-folded text with straight apostrophes, as long as the normalised text."""
    if text.isascii():
        return text.lower()
    plain = _plain(text)
    folded = plain.casefold()
    if len(folded) == len(plain):
        return folded
    return "".join(c.casefold() if len(c.casefold()) == 1 else c.lower()[0] for c in plain)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("’", "'")


def bare(text: str) -> str:
    """Folded text without accents, vowel signs and other variants of a letter that people leave out.

    >>> bare("Gültigkeit İhracatçı"), bare("الأوروبيّة")
    ('gultigkeit ihracatci', 'الاوروبيه')
    """
    if text.isascii():
        return text.lower()
    without = _MARKS.sub("", unicodedata.normalize("NFD", fold(text)))
    return unicodedata.normalize("NFC", without).translate(_VARIANTS)


_MARKS = re.compile("[\u0300-\u036f\u0640\u064b-\u065f\u0670]")
_VARIANTS = str.maketrans("ıøłđىة٠١٢٣٤٥٦٧٨٩", "ioldيه0123456789") | {ord("ß"): "ss"}


@dataclass(frozen=True, slots=True)
class _Names:
    """What points to a programme or territory, each with its code."""

    spaced: dict[str, str]
    unspaced: dict[str, str]
    exact: dict[str, str]
    bare: dict[str, str]
    """`spaced` without accents."""
    stems: dict[str, str]
    """Beginnings of demonyms; "$" ends those that are whole words."""
    weak: frozenset[str]
    places: frozenset[str]


@lru_cache(maxsize=1)
def _names() -> _Names:
    spaced: dict[str, str] = {}
    unspaced: dict[str, str] = {}
    named = [(code, name) for code, names in territory_names().items() for name in names]
    named += [(code, place) for code, names in places().items() for place in names]
    named += [(p.code, alias) for p in programmes().values() for alias in (*p.own, *p.aliases, *p.weak, p.name)]
    for code, name in named:
        folded = fold(name)
        if folded in _NOT_ALONE or (len(folded) < 2):
            continue
        if _UNSPACED.search(folded):
            unspaced[folded] = code
        else:
            spaced[" ".join(_WORD.findall(folded))] = code
    towns = frozenset(fold(place) for names in places().values() for place in names)
    weak = towns | {fold(alias) for p in programmes().values() for alias in p.weak}
    return _Names(
        spaced=spaced,
        unspaced=unspaced,
        exact={word: p.code for p in programmes().values() for word in p.exact},
        bare={bare(name): code for name, code in spaced.items() if len(name) >= _SHORTEST_BARE},
        stems={stem: code for code, stems in demonyms().items() for stem in stems},
        weak=frozenset(weak),
        places=towns,
    )


@lru_cache(maxsize=16_384)
def mentions(text: str) -> tuple[Mention, ...]:
    """Programmes and territories named in `text`, in order, the longest alias first where several overlap.

    Kept, because every sentence is compared with its passage, and passages come again.
    """
    plain, folded = _plain(text), fold(text)
    found: list[Mention] = []
    tokens = [(m.start(), m.end() - 2 * folded[: m.end()].endswith("'s")) for m in _WORD.finditer(folded)]
    while tokens:
        taken, named = _longest_name(plain, folded, tokens[:_LONGEST])
        start, end = tokens[0][0], tokens[taken - 1][1]
        if named is not None:
            code, alias = named
            found.append(_mention(code, start, end, plain[start:end], alias))
        elif parts := [(start + m.start(), start + m.end()) for m in _PART.finditer(folded[start:end])][1:]:
            tokens[0] = (start, parts[0][0] - 1)  # "US-Japan"
            tokens[1:1] = parts
            continue
        del tokens[:taken]
    found += _unspaced_mentions(folded, plain)
    found += _code_pairs(plain, found)
    return tuple(sorted(found, key=lambda mention: mention.start))


def _mention(code: str, start: int, end: int, words: str, alias: str) -> Mention:
    return Mention(code, start, end, words, alias in _names().weak, alias in _names().places)


def _code_pairs(plain: str, found: Sequence[Mention]) -> list[Mention]:
    """Two programmes by their codes, as in "the ID-HK arrangement": alone, many codes are words ("ID", "NO")."""
    pairs: list[Mention] = []
    for match in _CODE_PAIR.finditer(plain):
        if not all(match[number] in programmes() for number in (1, 2)):
            continue
        for number in (1, 2):
            start, end = match.span(number)
            if not any(mention.start < end and start < mention.end for mention in found):
                pairs.append(Mention(match[number], start, end, match[number]))
    return pairs


def _longest_name(plain: str, folded: str, tokens: list[tuple[int, int]]) -> tuple[int, tuple[str, str] | None]:
    """How many tokens the longest name at the first one has, and its code and alias; 1 and None where there is none."""
    for n in range(len(tokens), 0, -1):
        named = _named([folded[start:end] for start, end in tokens[:n]])
        if named is not None:
            return n, named
    start, end = tokens[0]
    return 1, _one_word(plain[start:end], folded[:start].split()[-1:])


def _named(words: list[str]) -> tuple[str, str] | None:
    """Code and alias of a name, also with an article ("l'Union européenne") or an ending after an apostrophe."""
    names = _names()
    alias = " ".join(words)
    forms = [alias]
    if "'" in words[0]:
        forms.append(alias.partition("'")[2])
    if "'" in words[-1]:
        forms.append(alias.rpartition("'")[0])
    for form in forms:
        code = names.spaced.get(form) or names.bare.get(bare(form))
        if code is not None:
            return code, form
    return None


def _one_word(word: str, before: list[str]) -> tuple[str, str] | None:
    """Code and alias of a word that is a name only as it is written, or inflected, or a demonym."""
    names = _names()
    for part in [word, *word.split("'")]:
        if part in names.exact:
            return names.exact[part], part
    for form in _stripped(bare(word)):
        if (code := names.bare.get(form)) is not None:
            return code, form
    for form in [] if before and before[0] in _LANGUAGE_FOLLOWS else _without_prefix(bare(word)):
        whole = names.stems.get(f"{form}$")
        shortest = max(2, len(form) - _LONGEST_ENDING)
        stems = [names.stems.get(form[:length]) for length in range(len(form), shortest - 1, -1)]
        code = next((code for code in [whole, *stems] if code is not None), None)
        if code is not None:
            return code, form
    return None


def _stripped(word: str) -> list[str]:
    """Forms without a Turkish case ending that was written without its apostrophe, or an Arabic prefix."""
    forms = [form for form in _without_prefix(word) if form != word]
    ending = _TURKISH_CASE.search(word)
    return [*forms, word[: ending.start()]] if ending and ending.start() > 3 else forms


def _without_prefix(word: str) -> list[str]:
    """Forms of a word: itself, and what is left of an Arabic word without conjunction, preposition and article."""
    forms = [word]
    match = _ARABIC_PREFIX.match(word)
    if match and len(word) - match.end() > 2:
        forms += [word[match.end() :], "ال" + word[match.end() :]]
    return forms


def _unspaced_mentions(folded: str, plain: str) -> list[Mention]:
    names = _names()
    found: list[Mention] = []
    if not _UNSPACED.search(folded):
        return found
    longest = max(map(len, names.unspaced))
    i = 0
    while i < len(folded):
        for n in range(min(longest, len(folded) - i), 1, -1):
            alias = folded[i : i + n]
            code = names.unspaced.get(alias)
            if code is not None:
                found.append(_mention(code, i, i + n, plain[i : i + n], alias))
                i += n - 1
                break
        i += 1
    return found


def programme_codes(
    found: Sequence[Mention], held: frozenset[str], places_count: bool = False
) -> tuple[list[str], list[str]]:
    """Codes of programmes that the guidance holds, in order of mention, and of named territories that it does not.

    Where a programme or territory is named, what only hints at one does not count, but for places if `places_count`;
    where none is, a place says more than a tier. A member state of the EU stands for the EU's programme, beside its own
    notes where there are some.
    """
    here: list[str] = []
    missing: list[str] = []
    firm = [mention for mention in found if not mention.weak or (places_count and mention.place)]
    for mention in firm or [mention for mention in found if mention.place] or found:
        codes: tuple[str, ...] = _SERVED_BY.get(mention.code, (mention.code,))
        if mention.code in EU_MEMBERS:
            codes = (mention.code, "EU") if mention.code in held else ("EU",)
        for code in codes:
            into = here if code in held else missing
            if code not in into:
                into.append(code)
    return here, missing
