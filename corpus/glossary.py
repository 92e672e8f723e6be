"""Names of programmes and AEO terms in local languages and scripts.

Rows without a source are unverified: they may widen a search, and are never shown as an answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from corpus.loader import DATA
from corpus.schema import CorpusError
from corpus.tables import read_rows

PATH = DATA / "glossary.csv"
PROGRAMME_NAME = "programme name"


class Term(BaseModel):
    """What one concept is called in one language of one or more jurisdictions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concept: str = Field(min_length=3)
    """In English: "mutual recognition", or `PROGRAMME_NAME`."""
    term: str = Field(min_length=1)
    """One spelling, or several between semicolons."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})*$")]
    """BCP 47: "zh-Hant-TW"."""
    script_note: str = ""
    jurisdiction: Annotated[str, Field(pattern=r"^([A-Z]{2}|GCC|EAEU)(/([A-Z]{2}|GCC|EAEU))*$")]
    """Codes between slashes."""
    source_url: HttpUrl | None = None
    verified: bool

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.verified != (self.source_url is not None):
            raise ValueError("a verified term needs a source_url, and an unverified one has none")
        return self

    @property
    def spellings(self) -> tuple[str, ...]:
        """Each spelling alone, without what stands in brackets after it."""
        parts = re.split(r"\s*[;；]\s*", self.term)
        return tuple(plain for part in parts if (plain := re.sub(r"\s*[(（][^)）]*[)）]\s*$", "", part).strip()))

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """Codes of the jurisdictions that use the term."""
        return tuple(self.jurisdiction.split("/"))


@lru_cache(maxsize=1)
def glossary() -> tuple[Term, ...]:
    """All terms that are shipped; see `load`."""
    return load(PATH)


def load(path: Path) -> tuple[Term, ...]:
    """All terms, in file order.

    Raises:
        CorpusError: naming file, line and column of a row that is not of its form.
    """
    rows = read_rows(path, Term)
    seen: dict[tuple[str, str, str, str], int] = {}
    for line, term in rows:
        key = (term.concept, term.term, term.language, term.jurisdiction)
        if key in seen:
            raise CorpusError(f"{path}:{line}: the same term as in line {seen[key]}; keep one")
        seen[key] = line
    return tuple(term for _, term in rows)


def terms_in(language: str, *, verified_only: bool = True) -> list[Term]:
    """The terms of a language, of its variants too: "zh" finds "zh-Hant-TW"."""
    wanted = language.casefold()
    return [
        term
        for term in glossary()
        if (term.language.casefold() == wanted or term.language.casefold().startswith(f"{wanted}-"))
        and (term.verified or not verified_only)
    ]


def programme_names(code: str, *, verified_only: bool = True) -> list[Term]:
    """What a jurisdiction's programme is called there."""
    return [
        term
        for term in glossary()
        if term.concept == PROGRAMME_NAME and code in term.jurisdictions and (term.verified or not verified_only)
    ]


def widened(query: str) -> str:
    """The query, followed by the English words for what it says in other languages; unverified terms included.

    >>> widened("財務償付能力")
    '財務償付能力 solvency'
    """
    found = " ".join(query.casefold().split())
    concepts = [
        "authorized economic operator" if concept == PROGRAMME_NAME else concept
        for concept, spelling in _spellings()
        if spelling.search(found)
    ]
    return " ".join([query, *(concept for concept in dict.fromkeys(concepts) if concept not in found)])


@lru_cache(maxsize=1)
def _spellings() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every concept with how it is written; where words have spaces between them, only whole words are meant."""
    return tuple(
        (term.concept, re.compile(rf"{_edge(spelling[0])}{re.escape(spelling)}{_edge(spelling[-1])}"))
        for term in glossary()
        for spelling in (spelling.casefold() for spelling in term.spellings)
        if len(spelling) > 3 or not spelling.isascii()
    )


def _edge(character: str) -> str:
    """A word's edge, but none beside Han, Kana, Hangul or Thai, where particles and other words are written on."""
    return "" if re.match("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]", character) else r"\b"
