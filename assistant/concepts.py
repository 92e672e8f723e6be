"""What a question asks about: the concepts of `data/concepts.toml`, recognised in the question's words."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from assistant.programmes import fold

_DATA = Path(__file__).parent / "data" / "concepts.toml"


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that people ask about."""

    id: str
    topic: str
    varies: bool
    """Whether the answer differs between programmes."""
    expand: str
    """The guidance's words for it."""
    ask: str
    """A suggestion with {programme}, or "" if none is made."""
    expects: str
    """Kind of fact that answers it: duration, money, date, count or ""."""
    patterns: tuple[re.Pattern[str], ...]


@lru_cache(maxsize=1)
def concepts() -> tuple[Concept, ...]:
    """All concepts in the order of the file."""
    with _DATA.open("rb") as handle:
        entries = tomllib.load(handle)["concept"]
    return tuple(
        Concept(
            id=entry["id"],
            topic=entry["topic"],
            varies=entry["varies"],
            expand=entry["expand"],
            ask=entry.get("ask", ""),
            expects=entry.get("expects", ""),
            patterns=tuple(re.compile(pattern) for pattern in entry["en"]),
        )
        for entry in entries
    )


def concepts_in(question: str) -> list[Concept]:
    """Concepts that the question touches, in the order of the file."""
    folded = fold(question)
    return [concept for concept in concepts() if any(pattern.search(folded) for pattern in concept.patterns)]
