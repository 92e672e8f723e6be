"""Words compared: what a text claims, what it holds in some form, and what it bounds. English only."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from corpus.programmes import programmes, territory_names
from indexing.analysis import terms


@dataclass(frozen=True, slots=True)
class Words:
    """The word lists of `words.toml`."""

    plain: frozenset[str]
    critical: frozenset[str]
    verbs: frozenset[str]
    synonyms: tuple[frozenset[str], ...]
    rivals: tuple[frozenset[str], ...]


@lru_cache(maxsize=1)
def lists() -> Words:
    """The lists, read once."""
    data = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))
    return Words(
        frozenset(data["plain"].split()),
        frozenset(data["critical"].split()),
        frozenset(data["verbs"].split()),
        tuple(frozenset(group.split()) for group in data["synonyms"]),
        tuple(frozenset(group.split()) for group in data["rivals"]),
    )


_BOUND = (
    (re.compile(r"\b(no|not) (more|later|longer|greater|higher) than\b", re.I), "at most"),
    (re.compile(r"\b(no|not) (less|fewer|lower|earlier|shorter) than\b", re.I), "at least"),
    (re.compile(r"\bnot only\b", re.I), "also"),
    (re.compile(r"\b(free (of|from)|unrelated to)\b(?! charge)", re.I), "without"),
)


def coverage(sentence: str, found: str) -> float:
    """Share of the sentence's words that `found` holds, in some form or as a synonym; 1.0 where it has none."""
    wanted = content(sentence)
    held = widened(terms(found))
    if not wanted:
        return 1.0
    return sum(term in held for term in wanted) / len(wanted)


def novel(sentence: str, found: str) -> list[str]:
    """The sentence's words that `found` does not hold in any form."""
    held = widened(terms(found))
    return [term for term in content(sentence) if term not in held]


def content(sentence: str) -> list[str]:
    """Stems of the words that claim something, each once, in order."""
    return [term for term in dict.fromkeys(terms(bounded(sentence))) if term not in lists().plain]


def bounded(text: str) -> str:
    """The text with "no more than" and the like written plainly, so that they count as no negation."""
    for pattern, plain in _BOUND:
        text = pattern.sub(plain, text)
    return text


def widened(found: Sequence[str]) -> frozenset[str]:
    """A set of stems that also holds their synonyms and other forms."""
    return _Held(found) if found else frozenset()


class _Held(frozenset[str]):
    """Terms that also hold their synonyms and words of the same stem family."""

    def __contains__(self, term: object) -> bool:
        word = str(term)
        return (
            super().__contains__(word)
            or any(frozenset.__contains__(self, other) for other in related(word))
            or any(_alike(word, other) for other in self if len(other) > 4 and len(word) > 4)
        )

    def __rand__(self, other: object) -> set[str]:
        assert isinstance(other, set)
        return {term for term in other if term in self}


def _alike(word: str, other: str) -> bool:
    """Forms of one word: the same first six letters, or "Korea" and "Korean"."""
    longer, shorter = (word, other) if len(word) > len(other) else (other, word)
    if len(shorter) > 5:
        return longer[:6] == shorter[:6]
    return longer.startswith(shorter) and len(longer) - len(shorter) <= 2 and longer.endswith(("n", "an"))


_SPELLED = (
    ("WCO", "World Customs Organization"),
    ("WTO", "World Trade Organization"),
    ("EU", "European Union"),
    ("UCC", "Union Customs Code"),
    ("TFA", "Trade Facilitation Agreement"),
    ("UK", "United Kingdom"),
    ("US", "United States"),
    ("UAE", "United Arab Emirates"),
)


def both_spellings(text: str) -> str:
    """The text with the long or short form of an organisation that it names by the other."""
    more = [long for short, long in _SPELLED if re.search(rf"\b{short}\b", text) and long not in text]
    more += [short for short, long in _SPELLED if long in text and not re.search(rf"\b{short}\b", text)]
    return " ".join([text, *more])


def singular(text: str) -> str:
    """The text with plural acronyms in the singular: "AEOs" is no "AEOS"."""
    return re.sub(r"\b([A-Z]{2,})s\b", r"\1", text)


@lru_cache(maxsize=4096)
def related(word: str) -> frozenset[str]:
    """Synonyms of a stem, with itself where it has any."""
    return frozenset().union(*(group for group in lists().synonyms if word in group))


@lru_cache(maxsize=256)
def names(jurisdiction: str) -> str:
    """What a programme and its territory are called, as one text."""
    programme = programmes().get(jurisdiction)
    if programme is None:
        return jurisdiction
    return " ".join([jurisdiction, programme.name, *programme.exact, *territory_names().get(jurisdiction, ())])
