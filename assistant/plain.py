"""What a question's words mean in the guidance's words: everyday words for them, and words that only carry the question."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from assistant.programmes import fold
from indexing.analysis import terms

_DATA = Path(__file__).parent / "data" / "plain.toml"


@dataclass(frozen=True, slots=True)
class _Plain:
    frame: frozenset[str]
    field: frozenset[str]
    single: dict[str, tuple[str, ...]]
    phrases: tuple[tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...]], ...]


@lru_cache(maxsize=1)
def _plain() -> _Plain:
    with _DATA.open("rb") as handle:
        data = tomllib.load(handle)
    single: dict[str, tuple[str, ...]] = {}
    phrases: list[tuple[re.Pattern[str], tuple[str, ...], tuple[str, ...]]] = []
    for said, meant in data["words"].items():
        stems = terms(said)
        if len(stems) == 1 and " " not in said:
            single[stems[0]] = tuple(meant.split())
        else:
            phrases.append((re.compile(rf"\b{re.escape(said)}\b"), tuple(stems), tuple(meant.split())))
    return _Plain(frozenset(terms(data["frame"])), frozenset(terms(data["field"])), single, tuple(phrases))


def subject(text: str) -> dict[str, tuple[str, ...]]:
    """The words that tell what a question is about, by their stems and in order, each with the guidance's words for it.

    >>> subject("So what do I actually gain at the frontier?")
    {'gain': ('benefit',), 'frontier': ()}
    """
    plain = _plain()
    found = {term: plain.single.get(term, ()) for term in terms(text) if _tells(term, plain)}
    folded = fold(text)
    for pattern, stems, meant in plain.phrases:
        if pattern.search(folded):
            found |= dict.fromkeys(stems, meant)
    return found


def says_little(about: dict[str, tuple[str, ...]]) -> bool:
    """Whether a question's subject is one word or none beside those of the field: then its concept is all that it asks."""
    return len(about.keys() - _plain().field) <= 1


def _tells(term: str, plain: _Plain) -> bool:
    return term not in plain.frame and len(term) > 1 and not (term.isdigit() and len(term) < 3)


def meant(about: dict[str, tuple[str, ...]]) -> str:
    """The guidance's words for what a question is about, as a query."""
    return " ".join(dict.fromkeys(word for others in about.values() for word in others))
