"""Mutual recognition of AEO programmes: who recognises whom, since when, and which source says so.

`data/mra.csv` has one row per pair and source. Sources that disagree keep a row each, in one `conflict` group: all
`disputed`, or one `current` and the others `set_aside` with the reason in `note`. What a later state overtook is
`superseded`. `partner_b` is `*` for a statement about a regional arrangement as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

from corpus.loader import DATA
from corpus.programmes import english_names
from corpus.schema import CorpusError, PartialDate, SourceType
from corpus.tables import read_rows

PATH = DATA / "mra.csv"
WHOLE = "*"
"""`partner_b` of a row about a regional arrangement as a whole."""

Partner = Annotated[str, Field(pattern=r"^([A-Z]{2}|EAC|GCC|SACU|EAEU|AMERICAS)$")]
Status = Literal["in_force", "signed", "pilot", "action_plan", "negotiation"]
Standing = Literal["current", "disputed", "set_aside", "superseded"]

_RANK: dict[str, int] = {"in_force": 4, "signed": 3, "pilot": 2, "action_plan": 1, "negotiation": 0}


class Arrangement(BaseModel):
    """What one source says of one pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partner_a: Partner
    partner_b: Annotated[str, Field(pattern=r"^([A-Z]{2}|EAC|GCC|SACU|EAEU|AMERICAS|\*)$")]
    signed: PartialDate | None = None
    """When what `status` names was signed: the arrangement, or the action plan towards one."""
    in_force: PartialDate | None = None
    status: Status
    scope: str = ""
    """Who or what is recognised, where it is not the whole programme: "AEOS only"."""
    arrangement: str = ""
    """Name of the regional arrangement; empty for one between two."""
    source: str = Field(min_length=3)
    source_url: HttpUrl
    source_type: SourceType
    as_of: PartialDate
    undated: bool = False
    """The source shows no date: `as_of` is the month in which it was read."""
    standing: Standing = "current"
    conflict: str = Field("", pattern=r"^[a-z0-9-]*$")
    note: str = ""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.partner_b != WHOLE and not self.partner_a < self.partner_b:
            raise ValueError(
                "write partner_a before partner_b in the alphabet, so that each pair is found in one place"
            )
        if self.partner_b == WHOLE and not self.arrangement:
            raise ValueError("'*' needs the name of the arrangement")
        if self.in_force and self.status != "in_force":
            raise ValueError("a starting date needs the status in_force")
        if self.standing in ("disputed", "set_aside") and not self.conflict:
            raise ValueError("a disputed reading needs a conflict group")
        if self.standing in ("set_aside", "superseded") and not self.note:
            raise ValueError("say in note why this reading does not count")
        return self

    @property
    def pair(self) -> tuple[str, str]:
        """Both partners, in the order of the alphabet."""
        return self.partner_a, self.partner_b

    def partner_of(self, code: str) -> str:
        """The other side."""
        return self.partner_b if code == self.partner_a else self.partner_a


@lru_cache(maxsize=1)
def arrangements() -> tuple[Arrangement, ...]:
    """All rows of the shipped file; see `load`."""
    return load(PATH)


def load(path: Path) -> tuple[Arrangement, ...]:
    """All rows, in file order.

    Raises:
        CorpusError: naming file and line of a row that is not of its form, or of a disagreement that is not marked.
    """
    rows = read_rows(path, Arrangement)
    _check_conflicts(rows, path)
    return tuple(row for _, row in rows)


def partners_of(code: str, rows: Sequence[Arrangement] | None = None) -> dict[str, list[Arrangement]]:
    """Every partner of a programme with the rows about the pair, by code; readings of all standings."""
    found: dict[str, list[Arrangement]] = {}
    for row in arrangements() if rows is None else rows:
        if code in row.pair and row.partner_b != WHOLE:
            found.setdefault(row.partner_of(code), []).append(row)
    return dict(sorted(found.items()))


def between(a: str, b: str, rows: Sequence[Arrangement] | None = None) -> list[Arrangement]:
    """The rows about two programmes, in either order; empty where none is held."""
    pair = (min(a, b), max(a, b))
    return [row for row in (arrangements() if rows is None else rows) if row.pair == pair]


def about(arrangement: str, rows: Sequence[Arrangement] | None = None) -> list[Arrangement]:
    """The rows that speak of a regional arrangement as a whole."""
    return [
        row
        for row in (arrangements() if rows is None else rows)
        if row.arrangement == arrangement and row.partner_b == WHOLE
    ]


def conflicts(rows: Sequence[Arrangement] | None = None) -> dict[str, list[Arrangement]]:
    """The readings of each conflict group."""
    found: dict[str, list[Arrangement]] = {}
    for row in arrangements() if rows is None else rows:
        if row.conflict:
            found.setdefault(row.conflict, []).append(row)
    return found


def standing_status(rows: Iterable[Arrangement]) -> Status | None:
    """The furthest state that the rows which count show; None where no row counts."""
    counting = [row.status for row in rows if row.standing in ("current", "disputed")]
    return max(counting, key=_RANK.__getitem__, default=None)


_WITH_ARTICLE = {"AE", "DO", "NL", "PH"}
_REGIONAL = {
    "EAC": "the East African Community",
    "GCC": "the Gulf Cooperation Council",
    "SACU": "the Southern African Customs Union",
    "EAEU": "the Eurasian Economic Union",
    "AMERICAS": "the Americas",
}


def name_of(code: str) -> str:
    """A partner's English name as it stands inside a sentence: "the Philippines"."""
    name = _REGIONAL.get(code) or english_names().get(code, code)
    return f"the {name}" if code in _WITH_ARTICLE else name


def agree(dates: Iterable[str]) -> bool:
    """Whether reduced dates can be one day: each is the beginning of the most precise one.

    >>> agree(["2023-02", "2023-02-07", "2023"]), agree(["2023-02", "2023-03"])
    (True, False)
    """
    listed = list(dates)
    longest = max(listed, key=len, default="")
    return all(longest.startswith(value) for value in listed)


def _check_conflicts(rows: Sequence[tuple[int, Arrangement]], path: Path) -> None:
    groups: dict[str, list[Arrangement]] = {}
    current: dict[tuple[str, str, str], list[tuple[int, Arrangement]]] = {}
    for line, row in rows:
        if row.conflict:
            groups.setdefault(row.conflict, []).append(row)
        if row.standing == "current" and row.status in ("signed", "in_force"):
            current.setdefault((*row.pair, row.arrangement), []).append((line, row))
    for name, members in groups.items():
        standings = [row.standing for row in members]
        if len(members) < 2 or ("set_aside" in standings and "current" not in standings):
            line = next(number for number, row in rows if row.conflict == name)
            raise CorpusError(
                f"{path}:{line}: conflict '{name}' needs two readings, one of them current or all disputed"
            )
    for (a, b, _), members_ in current.items():
        line = members_[-1][0]
        for field in ("signed", "in_force"):
            dates = {value for _, row in members_ if (value := getattr(row, field))}
            if not agree(dates):
                raise CorpusError(
                    f"{path}:{line}: {a} and {b}: {field} differs between rows ({', '.join(sorted(dates))}); "
                    "give them a conflict group and a standing"
                )
