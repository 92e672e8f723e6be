"""Figures of programmes that people compare: decision time, validity, tiers, minimum activity and the like.

`data/facts.csv` has one row per figure. A row rests on one provision of the notes, which it names by `note_id` and
`quote`; `corpus.crosscheck` fails when the provision no longer says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from corpus.loader import DATA
from corpus.schema import CorpusError, Jurisdiction, Note, PartialDate, Provision
from corpus.tables import read_rows

PATH = DATA / "facts.csv"

FactName = Literal[
    "launch_year",
    "tiers",
    "business_age",
    "minimum_activity",
    "record_period",
    "competence_experience",
    "fee",
    "acceptance_time",
    "decision_time",
    "decision_extension",
    "validation_time",
    "validity",
    "renewal_notice",
    "monitoring_interval",
    "appeal_time",
    "reapply_bar",
]

LABELS: dict[FactName, str] = {
    "launch_year": "Start of the programme",
    "tiers": "Tiers or types",
    "business_age": "How long the applicant must have been in business",
    "minimum_activity": "Minimum activity",
    "record_period": "Period of the compliance record that is examined",
    "competence_experience": "Experience in customs matters",
    "fee": "Fee",
    "acceptance_time": "Time for accepting an application",
    "decision_time": "Time for the decision",
    "decision_extension": "Extension of the time for the decision",
    "validation_time": "Time for the validation",
    "validity": "Validity of the status",
    "renewal_notice": "When to apply for renewal, before expiry",
    "monitoring_interval": "Interval of re-assessment",
    "appeal_time": "Time for an appeal",
    "reapply_bar": "Waiting time for a new application",
}
"""What each fact is called before a reader."""

WORDS_FOR = {
    "free": ("free of charge", "no fee", "costs no fee", "costs nothing", "no membership fee", "charge none"),
    "unlimited": ("without limitation", "no expiry", "continuous", "indefinite"),
}
"""Values that are no figure, and how prose says them."""


class Fact(BaseModel):
    """One figure of one programme, or of one tier of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jurisdiction: Jurisdiction
    fact: FactName
    tier: str = ""
    """The tier, type or case that the figure is for; empty: the programme."""
    value: Annotated[str, Field(pattern=r"^(\d+|free|unlimited)$")]
    unit: str = ""
    """What the figure counts: "days", "calendar days", "declarations", a currency."""
    condition: str = ""
    """What it counts from, whom it spares, and who says it where the source is secondary."""
    note_id: str
    quote: str = Field(min_length=8)
    """Words that stand in one provision of the note only."""
    source_url: HttpUrl
    as_of: PartialDate

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.value.isdigit() and not self.unit:
            raise ValueError("a figure needs a unit")
        return self

    @property
    def said(self) -> str:
        """The value as a reader sees it: "120 days", "free", "no expiry"."""
        if self.value == "unlimited":
            return "no expiry"
        if self.value == "free":
            return "free of charge"
        if self.unit == "year":
            return self.value
        unit = self.unit[:-1] if self.value == "1" and self.unit.endswith("s") else self.unit
        return f"{unit} {int(self.value):,}" if unit.isupper() else f"{int(self.value):,} {unit}"


@lru_cache(maxsize=1)
def facts() -> tuple[Fact, ...]:
    """All facts that are shipped; see `load`."""
    return load(PATH)


def load(path: Path) -> tuple[Fact, ...]:
    """All rows, in file order.

    Raises:
        CorpusError: naming file, line and column of a row that is not of its form, or that repeats another.
    """
    seen: dict[tuple[str, str, str], int] = {}
    rows = read_rows(path, Fact)
    for line, row in rows:
        key = (row.jurisdiction, row.fact, row.tier)
        if key in seen:
            raise CorpusError(f"{path}:{line}: the same fact and tier as line {seen[key]}; keep one or name the tier")
        seen[key] = line
    return tuple(row for _, row in rows)


def facts_of(jurisdiction: str, name: FactName) -> list[Fact]:
    """The rows of one fact of one programme; empty where none is held."""
    return [row for row in facts() if row.jurisdiction == jurisdiction and row.fact == name]


def provision_of(row: Fact, notes: Iterable[Note]) -> tuple[Note, Provision] | None:
    """The provision that a row rests on; None where no provision, or more than one, holds its quote."""
    found = [
        (note, provision)
        for note in notes
        if note.front.id == row.note_id
        for provision in note.provisions
        if row.quote in " ".join(provision.text.split())
    ]
    return found[0] if len(found) == 1 else None
