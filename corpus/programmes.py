"""The registry of programmes: names, authorities, and the words that point to them."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from functools import lru_cache

from corpus.loader import DATA

EU_MEMBERS = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
"""Their programme is the EU's; a national note, where there is one, is read beside it."""


@dataclass(frozen=True, slots=True)
class Programme:
    """One scheme of one customs territory."""

    code: str
    name: str
    authority: str
    aliases: tuple[str, ...]
    exact: tuple[str, ...]
    """Aliases that count only as written: "US", "SAFE"."""
    weak: tuple[str, ...]
    """Aliases that other programmes share: they count only where nothing else names a programme."""
    own: tuple[str, ...]
    """Aliases that mean the programme itself, and not only its country: "ctpat", "ace"."""

    @property
    def own_names(self) -> frozenset[str]:
        """Names, folded, whose use shows that the question is about the programme."""
        return frozenset(name.casefold() for name in (self.name, *self.own, *self.exact, *self.weak))


@lru_cache(maxsize=1)
def programmes() -> dict[str, Programme]:
    """All programmes by code."""
    with (DATA / "programmes.toml").open("rb") as handle:
        entries = tomllib.load(handle)["programme"]
    return {
        entry["code"]: Programme(
            code=entry["code"],
            name=entry["name"],
            authority=entry["authority"],
            aliases=tuple(entry["aliases"]),
            exact=tuple(entry.get("exact", ())),
            weak=tuple(entry.get("weak", ())),
            own=tuple(entry.get("own", ())),
        )
        for entry in entries
    }


@lru_cache(maxsize=1)
def territory_names() -> dict[str, tuple[str, ...]]:
    """Names of every territory in all languages of `corpus.territories`, by ISO code."""
    names: dict[str, set[str]] = {}
    with (DATA / "territories.csv").open(encoding="utf-8", newline="") as handle:
        for entry in csv.DictReader(handle):
            plain = entry["name"].partition("(")[0].strip()
            names.setdefault(entry["code"], set()).add(plain)
    return {code: tuple(sorted(found)) for code, found in names.items()}


@lru_cache(maxsize=1)
def places() -> dict[str, tuple[str, ...]]:
    """Ports and cities by the code of their territory."""
    with (DATA / "places.toml").open("rb") as handle:
        return {code: tuple(names) for code, names in tomllib.load(handle).items()}


@lru_cache(maxsize=1)
def demonyms() -> dict[str, tuple[str, ...]]:
    """Beginnings of words for what belongs to a territory, without accents, by its code; "$" ends whole words."""
    with (DATA / "demonyms.toml").open("rb") as handle:
        return {code: tuple(stems) for code, stems in tomllib.load(handle).items()}


@lru_cache(maxsize=1)
def english_names() -> dict[str, str]:
    """The English name of every territory, by ISO code; of a regional scheme, its programme's name."""
    names = _names_in("en") | {"HK": "Hong Kong", "MO": "Macao", "US": "the United States", "GB": "the United Kingdom"}
    names |= {"EU": "the European Union", "WCO": "the WCO", "XI": "Northern Ireland"}
    return {code: p.name for code, p in programmes().items()} | names


@lru_cache(maxsize=16)
def names_in(language: str) -> dict[str, str]:
    """Names of territories in a language of `corpus.territories`, its English name where it has none there."""
    return english_names() if language == "en" else english_names() | _names_in(language)


def _names_in(language: str) -> dict[str, str]:
    with (DATA / "territories.csv").open(encoding="utf-8", newline="") as handle:
        return {
            entry["code"]: entry["name"].partition("(")[0].strip()
            for entry in csv.DictReader(handle)
            if entry["language"] == language
        }
