"""Which programmes a text names: by programme, authority, tier, territory or demonym, in any of the languages."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from corpus.programmes import EU_MEMBERS, places, programmes, territory_names

_WORD = re.compile(r"[^\W_]+(?:[-./'’&][^\W_]+)*", re.UNICODE)
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_LONGEST = 7
"""Words in the longest alias."""

# Territory names that are also English words or parts of other names in this field.
_NOT_ALONE = {"jersey", "guinea", "man", "chad", "mali", "reunion", "as", "aq"}
# Territories whose customs is run by another's programme.
_SERVED_BY = {"MC": ("EU",), "IM": ("GB",), "LI": ("CH",)}


@lru_cache(maxsize=1)
def alias_words() -> frozenset[str]:
    """Single words that occur in names of programmes, territories and places, folded."""
    return frozenset(word for alias in _aliases()[0] for word in alias.split() if len(word) > 3)


@dataclass(frozen=True, slots=True)
class Mention:
    """A programme or territory found in a text."""

    code: str
    start: int
    end: int
    words: str
    weak: bool = False
    """Only hints at the programme: a city, or a tier that several programmes have."""


def fold(text: str) -> str:
    """Compatibility-normalised, case-folded text with straight apostrophes."""
    return unicodedata.normalize("NFKC", text).replace("’", "'").casefold()


@lru_cache(maxsize=1)
def _aliases() -> tuple[dict[str, str], dict[str, str], dict[str, str], frozenset[str]]:
    """Alias → code: spaced writing, unspaced writing, and exact words; and which aliases are weak."""
    spaced: dict[str, str] = {}
    unspaced: dict[str, str] = {}
    exact: dict[str, str] = {}
    named = [(code, name) for code, names in territory_names().items() for name in names]
    named += [(code, place) for code, names in places().items() for place in names]
    named += [(p.code, alias) for p in programmes().values() for alias in (*p.aliases, *p.weak, p.name)]
    weak = {fold(place) for names in places().values() for place in names}
    weak |= {fold(alias) for p in programmes().values() for alias in p.weak}
    for code, name in named:
        folded = fold(name)
        if folded in _NOT_ALONE or (len(folded) < 2):
            continue
        if _UNSPACED.search(folded):
            unspaced[folded] = code
        else:
            spaced[" ".join(_WORD.findall(folded))] = code
    for programme in programmes().values():
        exact |= dict.fromkeys(programme.exact, programme.code)
    return spaced, unspaced, exact, frozenset(weak)


def mentions(text: str) -> list[Mention]:
    """Programmes and territories named in `text`, in order, the longest alias first where several overlap."""
    spaced, unspaced, exact, weak = _aliases()
    plain = unicodedata.normalize("NFKC", text).replace("’", "'")
    folded = plain.casefold()
    if len(folded) != len(plain):  # casefolding lengthened a character: positions would not match
        plain = folded
    found: list[Mention] = []
    tokens = [(m.start(), m.end() - 2 * folded[: m.end()].endswith("'s")) for m in _WORD.finditer(folded)]
    i = 0
    while i < len(tokens):
        for n in range(min(_LONGEST, len(tokens) - i), 0, -1):
            start, end = tokens[i][0], tokens[i + n - 1][1]
            code = spaced.get(" ".join(folded[s:e] for s, e in tokens[i : i + n]))
            if code is None and n == 1:
                code = exact.get(plain[start:end]) or _inflected(folded[start:end], spaced)
            if code is not None:
                found.append(Mention(code, start, end, plain[start:end], folded[start:end] in weak))
                i += n - 1
                break
        i += 1
    found += _unspaced_mentions(folded, plain, unspaced)
    return sorted(found, key=lambda mention: mention.start)


def _inflected(word: str, spaced: dict[str, str]) -> str | None:
    """A name with a possessive or case ending after an apostrophe, part of a hyphenated word, or an Arabic prefix."""
    for separator in ("'", "-", "/"):
        for part in word.split(separator) if separator in word else ():
            if len(part) > 2 and part in spaced:
                return spaced[part]
    if word[:1] in "بلوك" and len(word) > 4:
        return spaced.get(word[1:]) or (spaced.get("ا" + word[1:]) if word[0] == "ل" else None)
    return None


def _unspaced_mentions(folded: str, plain: str, unspaced: dict[str, str]) -> list[Mention]:
    found: list[Mention] = []
    if not _UNSPACED.search(folded):
        return found
    longest = max(map(len, unspaced))
    i = 0
    while i < len(folded):
        for n in range(min(longest, len(folded) - i), 1, -1):
            code = unspaced.get(folded[i : i + n])
            if code is not None:
                found.append(Mention(code, i, i + n, plain[i : i + n]))
                i += n - 1
                break
        i += 1
    return found


def programme_codes(found: list[Mention], held: frozenset[str]) -> tuple[list[str], list[str]]:
    """Codes of programmes that the guidance holds, in order of mention, and codes of named territories that it does not.

    A member state of the EU stands for the EU's programme, beside its own notes where there are some.
    """
    here: list[str] = []
    missing: list[str] = []
    firm = [mention for mention in found if not mention.weak]
    for mention in firm or found:
        codes = _SERVED_BY.get(mention.code, (mention.code,))
        if mention.code in EU_MEMBERS:
            codes = (mention.code, "EU") if mention.code in held else ("EU",)
        for code in codes:
            into = here if code in held else missing
            if code not in into:
                into.append(code)
    return here, missing
