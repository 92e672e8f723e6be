"""What a guidance note is made of.

A note restates one or more instruments of one programme. Its front matter says whose it is, its headings are the
standard topics, and each paragraph or list item is one provision that ends with the source it rests on.
`docs/writing-guidance.md` explains the format to authors; this module is the schema that the loader enforces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from corpus.errors import UserError


class CorpusError(UserError):
    """A note or data file is not of its form. The message names file, line and remedy."""


class Topic(StrEnum):
    """The standard topics, in the order in which every programme's notes take them."""

    OVERVIEW = "overview"
    ELIGIBILITY = "eligibility"
    CRITERIA = "criteria"
    TIERS = "tiers"
    APPLICATION = "application"
    VALIDATION = "validation"
    VALIDITY = "validity"
    BENEFITS = "benefits"
    SUSPENSION = "suspension"
    RECOGNITION = "recognition"
    CONTACT = "contact"


TOPIC_HEADINGS: dict[str, Topic] = {
    "Overview and legal basis": Topic.OVERVIEW,
    "Who may apply": Topic.ELIGIBILITY,
    "Criteria": Topic.CRITERIA,
    "Tiers and types": Topic.TIERS,
    "Application and timelines": Topic.APPLICATION,
    "Validation": Topic.VALIDATION,
    "Validity and monitoring": Topic.VALIDITY,
    "Benefits": Topic.BENEFITS,
    "Suspension, revocation and appeals": Topic.SUSPENSION,
    "Mutual recognition": Topic.RECOGNITION,
    "Contact": Topic.CONTACT,
}

_PARTIAL_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")


def _partial_date(value: str) -> str:
    if not _PARTIAL_DATE.fullmatch(value):
        raise ValueError(f"{value!r} is no date: write YYYY, YYYY-MM or YYYY-MM-DD, in quotes")
    return value


PartialDate = Annotated[str, AfterValidator(_partial_date)]
"""An ISO 8601 date, reduced to a month or a year where the source says no more."""

Jurisdiction = Annotated[str, Field(pattern=r"^([A-Z]{2}|WCO|GCC|EAC|EAEU|SACU|ASEAN|AMERICAS)$")]
SourceType = Literal["official", "mirror", "secondary"]
Access = Literal["public", "officer"]


class Source(BaseModel):
    """A publication that provisions rest on. `mirror` is official text on another host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=3)
    short: str = Field(min_length=1, max_length=60)
    """What a reference begins with: "UCC", "Order 282"."""
    url: HttpUrl
    type: SourceType
    as_of: PartialDate
    """When the source was last seen to say this: the date it carries or, if `undated`, the date it was read."""
    undated: bool = False
    language: str = "en"


class FrontMatter(BaseModel):
    """The head of a note. Fields that a provision does not state itself are taken from here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    jurisdiction: Jurisdiction
    programme: str
    title: str
    publisher: str
    instrument: str
    url: HttpUrl
    source_type: SourceType
    as_of: PartialDate
    valid_from: PartialDate | None = None
    valid_to: PartialDate | None = None
    superseded_by: str | None = None
    """Id of the note that took this one's place; required with `valid_to`."""
    kind: Literal["restatement"] = "restatement"
    language: str = "en"
    access: Access = "public"
    sources: dict[str, Source]


@dataclass(frozen=True, slots=True)
class Cited:
    """One source of a provision: the key of a `Source`, and the pinpoint inside it."""

    key: str
    locator: str


@dataclass(frozen=True, slots=True)
class Provision:
    """One paragraph or list item of a note, and what it rests on."""

    text: str
    """Markdown without the citation; sub-items keep their lines."""
    headings: tuple[str, ...]
    topic: Topic
    cited: tuple[Cited, ...]
    line: int
    """First line in the file, from 1."""
    valid_from: str | None
    valid_to: str | None
    status: Literal["verified", "unverified", "gap"]
    """`unverified` text never answers; `gap` says that nothing reliable was found."""


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed guidance note."""

    path: Path
    front: FrontMatter
    provisions: tuple[Provision, ...]

    def reference(self, provision: Provision) -> str:
        """The pinpoint as a citation shows it: "UCC Art. 22(3); UCC IA Art. 28(1)"."""
        return "; ".join(f"{self.front.sources[c.key].short} {c.locator}".strip() for c in provision.cited)
