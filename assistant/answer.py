"""The question that comes in and the answer that goes out, the same in every adapter (docs/api.md)."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from corpus.errors import UserError

Audience = Literal["applicant", "officer"]
Status = Literal["answered", "clarify", "declined"]
Reason = Literal[
    "out_of_scope",
    "unsupported",
    "no_programme",
    "injection",
    "personal_data",
    "ambiguous_programme",
    "ambiguous_question",
]


class QuestionError(UserError):
    """A question that cannot be asked. The message says why, and what to do."""

    exit_status = 2


def new_id(prefix: str) -> str:
    """A random id: "ans_…", "conv_…"."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation and what came of it."""

    question: str
    answer: str
    status: Status
    jurisdictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and all that the asker chose or said before."""

    text: str
    jurisdictions: tuple[str, ...] = ()
    """Programmes chosen by the asker; empty: recognised from the text."""
    audience: Audience | None = None
    conversation_id: str | None = None
    history: tuple[Turn, ...] = ()
    """Earlier turns, oldest first."""
    asker: str = ""
    """Whose account the model's tokens go to; "": nobody's in particular."""
    officer_access: bool = False
    """Whether passages restricted to officers are open to the asker: on the command line only, until there are accounts."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A marker's passage, and the words in it that support the sentence."""

    marker: int
    passage_id: str
    document: str
    publisher: str
    jurisdiction: str
    reference: str
    kind: str
    quote: str
    start: int
    end: int
    url: str
    as_of: str
    undated: bool = False
    """The source shows no date: `as_of` is when the copy was read."""
    source_type: str = "official"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Answer:
    """What every adapter shows."""

    question: str
    status: Status
    answer: str
    """Markdown with [1] markers after each statement."""
    jurisdictions: tuple[str, ...]
    audience: Audience
    index_version: str
    composer: str
    id: str = field(default_factory=lambda: new_id("ans"))
    conversation_id: str | None = None
    reason: Reason | None = None
    citations: tuple[Citation, ...] = ()
    notices: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As design section 4 of the contract has it: plain types only."""
        fields = asdict(self)
        order = (
            "id",
            "question",
            "conversation_id",
            "status",
            "reason",
            "answer",
            "jurisdictions",
            "audience",
            "citations",
        )
        tail = ("notices", "suggestions", "composer", "index_version", "timings_ms")
        plain = {name: fields[name] for name in (*order, *tail)}
        for name in ("jurisdictions", "citations", "notices", "suggestions"):
            plain[name] = list(plain[name])
        return plain


@dataclass(frozen=True, slots=True)
class Event:
    """A part of an answer while it is made: `step` (its name), `sentence` (verified Markdown), `answer` (the whole)."""

    kind: Literal["step", "sentence", "answer"]
    text: str = ""
    answer: Answer | None = None
    trace: tuple[dict[str, Any], ...] = ()
    """With the whole answer: what a language model decided, and what was dropped and why."""
