"""What the assistant says itself, in the language it was asked in (`data/messages.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from corpus.programmes import names_in

_DATA = Path(__file__).parent / "data" / "messages.toml"
_SUGGESTIONS = _DATA.with_name("suggestions.toml")
# Languages of `territories.csv` that it writes otherwise.
_TERRITORY_LANGUAGE = {"zh-Hans": "zh"}


@lru_cache(maxsize=1)
def _messages() -> dict[str, dict[str, str]]:
    with _DATA.open("rb") as handle:
        return tomllib.load(handle)


def say(message: str, language: str, **filled: object) -> str:
    """Write a message in `language`, in English where it has none, with its braces filled in."""
    said = _messages()[message]
    return said.get(language, said["en"]).format(**filled)


@lru_cache(maxsize=1)
def _suggested() -> dict[str, dict[str, str]]:
    with _SUGGESTIONS.open("rb") as handle:
        return tomllib.load(handle)


def suggestion(concept: str, language: str, english: str, programme: str) -> str:
    """What to ask next about a concept, in `language`, where that is not written in `english`."""
    return _suggested().get(concept, {}).get(language, english).format(programme=programme)


def territories(codes: Iterable[str], language: str) -> str:
    """Names of programmes' territories in `language`, as a list."""
    names = names_in(_TERRITORY_LANGUAGE.get(language, language))
    separator = {"en": " and ", "ja": "、", "zh-Hans": "、", "zh-Hant": "、", "ar": "، "}.get(language, ", ")
    return separator.join(names.get(code, code) for code in codes)


def source_notice(sources: Iterable[str], asked: str) -> str | None:
    """Which language the sources are in (ISO 639-1 codes), said in the language asked in; None if it is the same."""
    others = dict.fromkeys(code for code in sources if code != asked[:2])
    if not others:
        return None
    names = [say("english", asked) if code == "en" else _messages()["own_name"].get(code, code) for code in others]
    return say("source_language", asked, sources=", ".join(names))
