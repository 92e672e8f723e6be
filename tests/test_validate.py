"""Checks over the whole collection: each finds what it is for, and the shipped guidance holds."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.loader import parse_note
from corpus.schema import Note
from corpus.validate import check, data_problems, first_day, incomplete, last_day, link_fault, problems_of

FRONT = """---
id: {id}
jurisdiction: {jurisdiction}
programme: A programme
title: A test note
publisher: Nobody
instrument: None
url: {url}
source_type: official
as_of: "{as_of}"
{extra}sources:
  law:
    title: The law
    short: Law
    url: https://example.org/law
    type: official
    as_of: "2024"
---

# A test note

## Overview and legal basis

{body}
"""
LONG = "The customs authority keeps a register of all authorized operators and of the sites that each of them has named"


def note(body: str = "- The law exists. [@law]", **changes: str) -> Note:
    fields = {"id": "nz-x", "jurisdiction": "NZ", "url": "https://example.org/", "as_of": "2024", "extra": ""} | changes
    return parse_note(FRONT.format(body=body, **fields), Path(fields.get("path", f"{fields['id']}.md")))


def test_the_shipped_guidance_holds() -> None:
    notes, problems = check()
    assert "\n".join(problems) == ""
    assert len(notes) > 100


def test_a_good_note_has_no_problem() -> None:
    assert problems_of([note()]) == []


@pytest.mark.parametrize(
    ("notes", "complaint"),
    [
        (
            [note(), note("- Another text stands here. [@law]", jurisdiction="GB", path="gb.md")],
            "nz-x' is also that of",
        ),
        ([note(jurisdiction="ZZ")], "'ZZ' is not in data/programmes.toml"),
        ([note(as_of="2199")], "as_of 2199 lies in the future"),
        (
            [note(extra='valid_from: "2024-05"\nvalid_to: "2023"\nsuperseded_by: nz-x\n')],
            "valid_from 2024-05 is after valid_to 2023",
        ),
        ([note("- The law exists. [@law]{valid_from=2024 valid_to=2023}")], "nz-x.md:24: valid_from 2024 is after"),
        ([note(url="https://localhost/x")], "no public host name"),
        ([note(url="https://user:pw@example.org/")], "user name or password"),
        ([note(extra='valid_to: "2023"\n')], "without superseded_by"),
        ([note(extra="superseded_by: nz-y\n")], "superseded_by without valid_to"),
        ([note(extra='valid_to: "2023"\nsuperseded_by: nz-y\n')], "'nz-y' is no note"),
        ([note(extra='valid_to: "2023"\nsuperseded_by: nz-x\n')], "is the note itself"),
        (
            [
                note(extra='valid_to: "2023"\nsuperseded_by: gb-y\n'),
                note("- Another text stands here. [@law]", id="gb-y", jurisdiction="GB"),
            ],
            "is a note of GB",
        ),
        ([note("- The law exists. [@law]{valid_to=2023}")], "say under its topic what applies now"),
        ([note("- The law exists. [@law]\n- Nothing else was found. {gap}")], "a gap says whom to ask"),
        ([note("- The law exists [@law]")], "full stop"),
        ([note(f"- {'word ' * 140}ends. [@law]")], "split it"),
        ([note("- The law exists. [@law]\n- The LAW exists! [@law]")], "nz-x.md:25: same provision as nz-x.md:24"),
        ([note(f"- {LONG}. [@law]\n- {LONG} there. [@law]")], "nearly the same provision"),
        (
            [
                note("- The status is valid for 3 years. [@law]"),
                note("- The status is valid for 5 years. [@law]", id="nz-y"),
            ],
            "validity of 5 years contradicts 3",
        ),
        ([note("- Something was said. [@law]{unverified}")], ""),
    ],
)
def test_each_problem_is_found_with_its_place(notes: list[Note], complaint: str) -> None:
    problems = problems_of(notes)
    if not complaint:
        assert problems == []
        return
    assert any(complaint in problem for problem in problems), problems
    assert all(re.match(r"[\w-]+\.md:\d+: ", problem) and "\n" not in problem for problem in problems)


def test_sources_that_nothing_cites_are_found() -> None:
    assert any("'law' is never cited" in problem for problem in problems_of([note("- Nothing known; ask them. {gap}")]))


def test_successors_may_be_of_a_union_and_lead_on() -> None:
    old = note(extra='valid_to: "2023"\nsuperseded_by: eaeu-y\n')
    union = note("- Another text stands here. [@law]", id="eaeu-y", jurisdiction="EAEU")
    assert problems_of([old, union]) == []


def test_superseded_law_may_repeat_the_current_one() -> None:
    old = note(extra='valid_to: "2023"\nsuperseded_by: nz-y\n')
    assert problems_of([old, note(id="nz-y")]) == []


def test_topics_left_out_are_named() -> None:
    problems = incomplete([note()])
    assert len(problems) == 10
    assert any("'benefits'" in problem for problem in problems)
    assert incomplete([note(jurisdiction="IT", id="it-x")]) == []  # national notes of the EU need not repeat its topics


def test_data_that_no_note_supports_is_found() -> None:
    problems = data_problems([note()])
    assert any("facts.csv: EU decision_time" in problem for problem in problems)
    assert any("eligibility/eu.toml" in problem or "eu.toml: question" in problem for problem in problems)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://example.org/a_(b)", ""),
        ("http://example.org/a?b=c&d=e", ""),
        ("ftp://example.org/", "neither http nor https"),
        ("https://192.168.1.1/", "no public host name"),
        ("https://printer.local/", "no public host name"),
        ("https://example.org/a).", ""),
        ("https://example.org/a,", "ends with punctuation"),
        ("https://example.org/a)", "ends with punctuation"),
    ],
)
def test_the_form_of_links(url: str, fault: str) -> None:
    found = link_fault(url)
    assert (fault in found) if fault else found == ""


@given(st.dates())
def test_reduced_dates_contain_their_days(day: date) -> None:
    for reduced in (day.isoformat(), day.isoformat()[:7], day.isoformat()[:4]):
        assert first_day(reduced) <= day <= last_day(reduced)
