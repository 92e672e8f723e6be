"""What the steps of the pipeline share: one context per question, which each step reads and adds to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from assistant.answer import Audience, Event, Question, Reason, Status
from assistant.concepts import Concept
from assistant.settings import Settings
from indexing.passages import Passage
from indexing.search import Hit, Index


@dataclass(frozen=True, slots=True)
class Support:
    """The words of a passage that a statement stands on."""

    passage: Passage
    start: int
    end: int

    @property
    def quote(self) -> str:
        """Exactly these words of the passage."""
        return self.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of an answer and what supports it."""

    text: str
    support: tuple[Support, ...]
    leads: bool = False
    """Begins a new paragraph."""
    bullet: bool = False
    """Begins a list item."""


@dataclass(frozen=True, slots=True)
class Section:
    """Statements about one programme; `title` is shown when an answer has several sections."""

    title: str
    statements: tuple[Statement, ...]


@dataclass(slots=True)
class Context:
    """Grows from step to step; a step that sets `status` ends the pipeline."""

    question: Question
    index: Index
    settings: Settings
    text: str = ""
    """The question that is searched: with follow-ups completed from the conversation, in English terms."""
    audience: Audience = "applicant"
    jurisdictions: tuple[str, ...] = ()
    concepts: tuple[Concept, ...] = ()
    follows_up: bool = False
    hits: dict[str, list[Hit]] = field(default_factory=dict)
    """Retrieved passages per programme, best first."""
    asked: dict[str, float] = field(default_factory=dict)
    """Cosine with the closest question that a passage of the programme is known to answer."""
    sections: tuple[Section, ...] = ()
    status: Status | None = None
    reason: Reason | None = None
    message: str = ""
    """What a clarifying or declining answer says."""
    notices: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)
    composer: str = "extractive"
    language: str = "en"
    """ISO 639-1 code of the language asked in, with the script of Chinese (zh-Hans, zh-Hant)."""
    trace: list[dict[str, Any]] = field(default_factory=list)
    """What a language model decided and what became of each of its sentences; empty without one."""
    streamed: bool = False
    """Whether a step has already shown the sentences."""

    def decline(self, reason: Reason, message: str) -> None:
        """End with `declined`."""
        self.status, self.reason, self.message = "declined", reason, message

    def clarify(self, reason: Reason, message: str, choices: list[str]) -> None:
        """End with `clarify`, offering choices."""
        self.status, self.reason, self.message = "clarify", reason, message
        self.suggestions = choices


Step = Callable[[Context], Iterator[Event] | None]
"""A step that returns an iterator shows verified sentences while it works."""
