"""The coverage page: what it counts, and that the one in the repository is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.coverage import PATH, coverage, page
from corpus.loader import parse_note
from corpus.schema import Note, Topic
from corpus.validate import load_notes

NOTE = """---
id: nz-x
jurisdiction: NZ
programme: SES
title: A test note
publisher: Nobody
instrument: None
url: https://example.org/law
source_type: official
as_of: "2024"
sources:
  law: {title: The law, short: Law, url: "https://example.org/law", type: official, as_of: "2024-03"}
  press:
    {title: Press, short: Press, url: "https://example.org/press", type: secondary, as_of: "2026-11", undated: "true"}
  unused: {title: Other, short: Other, url: "https://example.org/other", type: mirror, as_of: "2025"}
---

# A test note

## Overview and legal basis

- The programme exists. [@law]
- It was changed. [@law; @press]
- It was once otherwise. [@unused]{valid_to=2020}

## Criteria

- Something was said. [@unused]{unverified}
- Nothing was found; ask the authority. {gap}
"""


@pytest.fixture(scope="module")
def notes() -> list[Note]:
    found, problems = load_notes()
    assert problems == []
    return found


def test_the_page_in_the_repository_is_up_to_date(notes: list[Note]) -> None:
    assert PATH.read_text(encoding="utf-8") == page(notes), "run: python -m corpus.coverage"


def test_what_is_counted() -> None:
    (entry,) = coverage([parse_note(NOTE, Path("x.md"))])
    assert entry.counts == {Topic.OVERVIEW: 2}
    assert entry.gaps == {Topic.CRITERIA: 1}
    assert (entry.official, entry.mirror, entry.secondary, entry.undated) == (1, 0, 1, 1)
    assert entry.newest == "2024-03"  # the undated source does not make it look newer
    assert entry.superseded == 1


def test_gaps_are_visible() -> None:
    text = page([parse_note(NOTE, Path("x.md"))])
    row = next(line for line in text.splitlines() if line.startswith("| NZ | Secure Exports Scheme"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2:5] == ["2", "–", "**gap**"]
    assert "- Criteria: NZ" in text


def test_every_programme_has_a_row(notes: list[Note]) -> None:
    lines = page(notes).splitlines()
    for code in {note.front.jurisdiction for note in notes}:
        assert sum(line.startswith(f"| {code} |") for line in lines) == 2, code
