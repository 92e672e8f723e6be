"""The question sets: their schema and loader (evals/questions/README.md explains every field to authors)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpus.errors import UserError
from corpus.schema import Topic

QUESTIONS = Path(__file__).with_name("questions")
"""Folder of the shipped sets, one JSON Lines file each."""

Split = Literal["dev", "test"]
Style = Literal[
    "plain", "colloquial", "terse", "typo", "acronym", "multi-turn", "comparison", "mra", "case", "exact-reference",
    "unanswerable",
]  # fmt: skip


class EvalError(UserError):
    """An evaluation cannot be done. The message names the cause and the remedy."""


class EvalQuestion(BaseModel):
    """A question, and what a right answer to it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=3)
    split: Split
    language: str = Field(pattern=r"^[a-z]{2}(-[A-Z][a-z]{3})?$")
    question: str = Field(min_length=1)
    history: tuple[str, ...] = ()
    """Earlier questions of the same conversation, oldest first."""
    jurisdictions: tuple[str, ...]
    audience: Literal["applicant", "officer"]
    topic: Topic
    style: Style
    expect: Literal["answered", "clarify", "declined"]
    reason: Literal[
        None, "out_of_scope", "unsupported", "no_programme", "injection", "personal_data", "ambiguous_programme"
    ]
    facts: tuple[tuple[str, ...], ...]
    """Facts that the answer must hold; of each, the strings of which one must occur."""
    forbidden: tuple[str, ...]
    """Strings that a right answer cannot hold."""
    references: tuple[str, ...]
    """The supporting provisions, as the source numbers them."""
    source: str = Field(min_length=1)
    twin: str | None
    """Id of the English question that asks the same."""


def load_questions(
    split: Split | None = None, sets: Sequence[str] = (), folder: Path = QUESTIONS
) -> list[EvalQuestion]:
    """The questions of the named sets (none named: all), of one split or of both, in file order.

    Raises:
        EvalError: an unknown set, a line that is not of the schema, or questions that contradict each other.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.jsonl"))}
    unknown = [name for name in sets if name not in files]
    if unknown:
        raise EvalError(f"no question set '{unknown[0]}' in {folder}; there are: {', '.join(files) or 'none'}")
    loaded = {name: [_parsed(path, n, line) for n, line in _lines(path)] for name, path in files.items()}
    _check(question for questions in loaded.values() for question in questions)
    chosen = [question for name, questions in loaded.items() if not sets or name in sets for question in questions]
    chosen = [question for question in chosen if split in (None, question.split)]
    if not chosen:
        raise EvalError(f"no questions of split '{split}' in {folder}" if split else f"no questions in {folder}")
    return chosen


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    with path.open(encoding="utf-8") as lines:
        yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _parsed(path: Path, number: int, line: str) -> EvalQuestion:
    where = f"{path.name}:{number}"
    try:
        question = EvalQuestion.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise EvalError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from error
    fault = _fault(question)
    if fault:
        raise EvalError(f"{where}: {question.id}: {fault}")
    return question


def _fault(question: EvalQuestion) -> str | None:
    """What the fields of a question say against each other."""
    answered = question.expect == "answered"
    if answered and not (question.facts and question.jurisdictions):
        return "an answered question needs facts and jurisdictions"
    if answered == (question.reason is not None):
        return "a reason belongs to what is declined or clarified, and only there"
    if not answered and question.facts:
        return "facts belong to answered questions only"
    if any(not alternatives or not all(map(str.strip, alternatives)) for alternatives in question.facts):
        return "a fact needs at least one string, and no empty one"
    if (question.style == "multi-turn") != bool(question.history):
        return "style multi-turn and a history belong together"
    if (question.language == "en") == (question.twin is not None) and question.twin is not None:
        return "an English question has no twin"
    return None


def _check(questions: Iterable[EvalQuestion]) -> None:
    by_id: dict[str, EvalQuestion] = {}
    for question in questions:
        if question.id in by_id:
            raise EvalError(f"question id '{question.id}' occurs twice; rename one")
        by_id[question.id] = question
    for question in by_id.values():
        if question.twin is None:
            continue
        twin = by_id.get(question.twin)
        if twin is None or twin.language != "en":
            raise EvalError(f"{question.id}: twin '{question.twin}' is no English question of the sets")
        if twin.split != question.split:
            raise EvalError(f"{question.id}: its twin {twin.id} is in the other split, which leaks answers; move one")


def question_json(question: EvalQuestion) -> str:
    """One line of a set."""
    fields = question.model_dump(mode="json")
    if not question.history:
        del fields["history"]
    return json.dumps(fields, ensure_ascii=False)
