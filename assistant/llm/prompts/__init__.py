"""Prompts as data: one TOML file each, with a version that is part of every cache key and trace."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from langchain_core.prompts import ChatPromptTemplate

MESSAGE_ROLE = {"system": "system", "human": "human"}


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt."""

    name: str
    version: str
    parts: dict[str, str]
    """Texts by name; "system" and "human" are the messages."""

    def messages(self, **values: str) -> list[tuple[str, str]]:
        """Role and text of each message. Values are put in as they are: fence what comes from elsewhere."""
        template = ChatPromptTemplate.from_messages([(role, self.parts[role].strip()) for role in MESSAGE_ROLE])
        made = template.format_messages(**values)
        return [(role, str(message.content)) for role, message in zip(MESSAGE_ROLE, made, strict=True)]


@lru_cache(maxsize=8)
def prompt(name: str) -> Prompt:
    """The prompt of that name: write, understand or check."""
    fields = tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    return Prompt(name, fields.pop("version"), fields)


def fenced(text: str) -> str:
    """Text that cannot close the tags it is put between."""
    return text.replace("<", "‹").replace(">", "›")
