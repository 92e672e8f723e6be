"""Questions of the guided pre-check: `data/eligibility/<code>.toml`, one file for each programme that has one.

A question rests on one provision of the notes, which it names by note and quote. It has the answers yes, no and not
sure, each of which means that the criterion is met, is not met, or is an officer's to judge; or it has choices that
only decide which questions follow.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from corpus.loader import DATA
from corpus.schema import CorpusError, Jurisdiction, Note

FOLDER = DATA / "eligibility"

Criterion = Literal[
    "who_may_apply",
    "business_history",
    "minimum_activity",
    "compliance",
    "records",
    "solvency",
    "competence",
    "security",
    "premises",
    "cargo",
    "conveyances",
    "personnel",
    "partners",
    "information_security",
    "training",
    "crisis_management",
    "measurement",
    "application",
]
Means = Literal["met", "not_met", "officer"]

LABELS: dict[Criterion, str] = {
    "who_may_apply": "Who may apply",
    "business_history": "Business history",
    "minimum_activity": "Minimum activity",
    "compliance": "Compliance record",
    "records": "Records and internal control",
    "solvency": "Financial solvency",
    "competence": "Competence",
    "security": "Security and safety",
    "premises": "Premises and access",
    "cargo": "Cargo",
    "conveyances": "Conveyances",
    "personnel": "Personnel",
    "partners": "Business partners",
    "information_security": "Information security",
    "training": "Training and awareness",
    "crisis_management": "Crisis management",
    "measurement": "Measurement and improvement",
    "application": "Application",
}


class Choice(BaseModel):
    """One way to answer a question that only decides what is asked next."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    say: str = Field(min_length=2)


class Check(BaseModel):
    """One question of a pre-check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    criterion: Criterion
    ask: str = Field(min_length=10)
    note: str
    quote: str = Field(min_length=8)
    """Words that stand in one provision of the note only."""
    yes: Means = "met"
    no: Means = "not_met"
    unsure: Means = "officer"
    choices: tuple[Choice, ...] = ()
    """In place of yes, no and not sure."""
    only_if: Annotated[str, Field(pattern=r"^([a-z0-9-]+=[a-z0-9|-]+)?$")] = ""
    """`question=choice`, or `question=one|other`: asked only after one of these choices."""

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.ask.endswith("?"):
            raise ValueError("a question ends with a question mark")
        if len({choice.id for choice in self.choices}) != len(self.choices) or len(self.choices) == 1:
            raise ValueError("choices need two ids or more, each once")
        return self

    @property
    def condition(self) -> tuple[str, frozenset[str]] | None:
        """The question that `only_if` names, with its choices; None where this one is always asked."""
        name, _, choices = self.only_if.partition("=")
        return (name, frozenset(choices.split("|"))) if name else None


class PreCheck(BaseModel):
    """The questions of one programme, in the order in which they are asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jurisdiction: Jurisdiction
    leaves_out: str = ""
    """What the questions do not cover, in a sentence for the report."""
    questions: tuple[Check, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        earlier: dict[str, Check] = {}
        for question in self.questions:
            if question.id in earlier:
                raise ValueError(f"question '{question.id}' occurs twice")
            if question.condition:
                name, choices = question.condition
                offered = {choice.id for choice in earlier[name].choices} if name in earlier else set()
                if not choices <= offered:
                    raise ValueError(f"question '{question.id}': only_if names no choice of an earlier question")
            earlier[question.id] = question
        return self


def load(path: Path) -> PreCheck:
    """Read one file.

    Raises:
        CorpusError: naming the file, the question and what is wrong.
    """
    try:
        with path.open("rb") as handle:
            return PreCheck.model_validate(tomllib.load(handle))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise CorpusError(f"{path}: {where}: {first['msg']}") from error


@lru_cache(maxsize=1)
def pre_checks() -> dict[str, PreCheck]:
    """All pre-checks that are shipped, by jurisdiction."""
    return {check.jurisdiction: check for check in load_all()}


def load_all(folder: Path = FOLDER) -> list[PreCheck]:
    """All pre-checks of a folder, by file name; see `load`."""
    found: list[PreCheck] = []
    for path in sorted(folder.glob("*.toml")):
        check = load(path)
        if path.stem != check.jurisdiction.lower():
            raise CorpusError(
                f"{path}: holds the questions of {check.jurisdiction}; name it {check.jurisdiction.lower()}.toml"
            )
        found.append(check)
    return found


def unsupported(checks: Iterable[PreCheck], notes: Sequence[Note]) -> list[str]:
    """One line for each question that no verified provision in force of its programme stands behind."""
    by_id = {note.front.id: note for note in notes}
    problems: list[str] = []
    for check in checks:
        for question in check.questions:
            where = f"{FOLDER / check.jurisdiction.lower()}.toml: question '{question.id}'"
            note = by_id.get(question.note)
            if note is None or note.front.jurisdiction != check.jurisdiction:
                problems.append(f"{where}: '{question.note}' is no note of {check.jurisdiction}")
                continue
            found = [p for p in note.provisions if question.quote in " ".join(p.text.split())]
            if len(found) != 1:
                problems.append(
                    f"{where}: {len(found)} provisions of '{question.note}' hold the words '{question.quote}'"
                )
            elif found[0].status != "verified" or found[0].valid_to:
                problems.append(f"{where}: rests on text that is unverified or no longer in force")
    return problems
