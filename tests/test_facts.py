"""The figures of programmes: their form, and their agreement with the prose that they rest on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.crosscheck import claims, contradictions, numbers, unsupported
from corpus.facts import LABELS, PATH, Fact, FactName, facts, facts_of, load, provision_of
from corpus.loader import parse_note
from corpus.schema import CorpusError, Note
from corpus.validate import load_notes

HEADING = "jurisdiction,fact,tier,value,unit,condition,note_id,quote,source_url,as_of"
ROW = "EU,decision_time,,120,days,from acceptance,eu-x,within 120 days,https://example.org/law,2024"
NOTE = """---
id: {id}
jurisdiction: EU
programme: EU AEO
title: A test note
publisher: Nobody
instrument: None
url: https://example.org/law
source_type: official
as_of: "2024"
sources:
  law:
    title: The law
    short: Law
    url: https://example.org/law
    type: official
    as_of: "2024"
---

# A test note

## Application and timelines

- {text} [@law]
"""


def note(text: str, identifier: str = "eu-x") -> Note:
    return parse_note(NOTE.format(id=identifier, text=text), Path(f"{identifier}.md"))


def fact(**changes: str) -> Fact:
    cells = dict(zip(HEADING.split(","), ROW.split(","), strict=True)) | changes
    return Fact.model_validate({name: cell for name, cell in cells.items() if cell})


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    found, problems = load_notes()
    assert problems == []
    return found


# Prose and data: when this fails, either the provision or the row was changed without the other.
def test_every_row_stands_in_the_provision_that_it_names(notes: list[Note]) -> None:
    assert "\n".join(unsupported(facts(), notes, PATH)) == ""


def test_no_two_current_provisions_of_a_programme_contradict_each_other(notes: list[Note]) -> None:
    assert "\n".join(contradictions(notes)) == ""


def test_the_contradiction_check_reads_the_shipped_figures(notes: list[Note]) -> None:
    read = {(c.jurisdiction, c.fact, c.value) for c in claims(notes)}
    assert read >= {("EU", "decision_time", 120), ("EU", "decision_extension", 60), ("HK", "validity", 3)}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (ROW.replace("120,days", "many,days"), "column 'value'"),
        (ROW.replace("120,days", "120,"), "needs a unit"),
        (ROW.replace("decision_time", "speed"), "column 'fact'"),
        (ROW, "same fact and tier as line 2"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(f"{HEADING}\n{ROW}\n{row}\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=re.escape(f"{path}:3: ")) as error:
        load(path)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Customs must decide on an application within 90 days.", "no provision"),
        ("Customs must decide within 120 days. Elsewhere it says within 120 days.", None),
    ],
)
def test_changed_prose_is_noticed(text: str, complaint: str | None) -> None:
    problems = unsupported([fact()], [note(text)], PATH)
    assert (complaint is None) == (problems == [])
    assert all(complaint in problem for problem in problems if complaint)


def test_a_changed_figure_is_noticed() -> None:
    problems = unsupported(
        [fact(value="150", quote="must decide")], [note("Customs must decide within 120 days.")], PATH
    )
    assert len(problems) == 1
    assert "does not say 150 days" in problems[0]


def test_another_source_or_date_is_noticed() -> None:
    held = [note("Customs must decide within 120 days.")]
    assert "cites no source" in unsupported([fact(as_of="2025")], held, PATH)[0]
    assert "cites no source" in unsupported([fact(source_url="https://example.org/other")], held, PATH)[0]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("Customs must decide on an application within 120 days.", "Customs decides on a request within 90 days.", 1),
        ("The status is valid for 3 years.", "The AEO certificate lasts five years.", 1),
        ("The status is valid for 3 years.", "Sources differ: one says the status is valid for 5 years.", 0),
        ("The T1 status is valid for 3 years.", "The T2 status is valid for 5 years.", 0),
        ("The status is valid for 3 years.", "The status is valid for three years.", 0),
        ("A company cannot apply again for 2 years.", "A holder cannot apply again for 3 years.", 1),
    ],
)
def test_contradictions_are_found_unless_said(one: str, other: str, found: int) -> None:
    problems = contradictions([note(one), note(other, "eu-y")])
    assert len(problems) == found, problems
    assert all("eu-y.md:" in problem and "eu-x.md:" in problem for problem in problems)


def test_superseded_text_contradicts_nothing() -> None:
    old = note("The status is valid for 5 years.", "eu-y")
    old = Note(old.path, old.front.model_copy(update={"valid_to": "2020", "superseded_by": "eu-x"}), old.provisions)
    assert contradictions([note("The status is valid for 3 years."), old]) == []


def test_values_are_said_as_a_reader_expects() -> None:
    assert fact().said == "120 days"
    assert fact(value="1", unit="months").said == "1 month"
    assert fact(value="unlimited", unit="").said == "no expiry"
    assert fact(value="38797", unit="MXN").said == "MXN 38,797"
    assert fact(value="2008", unit="year").said == "2008"


def test_facts_of_a_programme() -> None:
    assert [row.value for row in facts_of("EU", "decision_time")] == ["120"]
    assert {row.tier for row in facts_of("IN", "validity")} == {"AEO-T1", "AEO-T2", "AEO-T3", "AEO-LO"}
    assert facts_of("ZW", "validity") == []
    assert set(LABELS) == set(FactName.__args__)  # type: ignore[attr-defined]


def test_each_row_has_one_provision(notes: list[Note]) -> None:
    assert all(provision_of(row, notes) for row in facts())


@given(st.text())
def test_numbers_of_any_text(text: str) -> None:
    assert all(number >= 0 for number in numbers(text))
