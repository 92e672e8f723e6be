"""What the Slack app itself says, in the languages that a user can choose."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

LANGUAGES = {"en": "English", "fr": "Français", "es": "Español", "zh": "中文"}


@lru_cache(maxsize=1)
def _words() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("words.toml").open("rb") as file:
        return tomllib.load(file)


def say(key: str, language: str = "en", **values: object) -> str:
    """The words for `key`; English where the language is not one of ours."""
    entry = _words()[key]
    return entry.get(language, entry["en"]).format(**values)
