"""Programmes side by side, and mutual recognition as a programme's page shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from assistant.cited import passage_with, sentences_around
from assistant.compare import CompareError, Comparison, _said, compare
from assistant.context import Statement
from assistant.recognition import RecognitionError, mra
from assistant.settings import Settings
from assistant.verify import violations
from corpus.facts import facts
from indexing.build import build_index
from indexing.search import Index
from indexing.sources import note_files


def check_citations(made: Comparison, index: Index) -> None:
    """The five rules, for every cell of a table."""
    for row in made.rows:
        for cell in row.cells:
            markers = {int(number) for number in re.findall(r"\[(\d+)\]", cell.text)}
            assert bool(markers) == cell.found, (row.criterion, cell)
            assert {made.citations[marker - 1].jurisdiction for marker in markers} <= {cell.code}
    for number, citation in enumerate(made.citations, start=1):
        passage = index.store.get(citation.passage_id)
        assert passage is not None
        assert citation.marker == number
        assert passage.text[citation.start : citation.end] == citation.quote
        assert passage.access == "public"


def test_figures_come_from_the_data_and_stand_in_the_cited_provision(index: Index, settings: Settings) -> None:
    made = compare("How long does the decision take?", ["EU", "GB", "JP"], index, settings)
    check_citations(made, index)
    row = made.rows[0]
    assert row.criterion == "Time for the decision"
    assert [cell.values for cell in row.cells][:2] == [("120 days",), ("120 calendar days",)]
    assert "acceptance" in row.cells[0].text


def test_every_figure_can_be_shown_under_the_five_rules(index: Index) -> None:
    for row in facts():
        passage = passage_with(index, row.note_id, row.quote)
        assert passage is not None, row
        statement = Statement(_said(row), (sentences_around(passage, row.quote),))
        assert violations(statement, row.jurisdiction) == [], row


@pytest.mark.parametrize("topic", ["criteria", "Validity and monitoring", "suspension", "guarantee reduction", "fees"])
def test_tables_are_cited(topic: str, index: Index, settings: Settings) -> None:
    made = compare(topic, ["eu", "IN", "HK"], index, settings)
    check_citations(made, index)
    assert all(len(row.cells) == 3 for row in made.rows)
    assert made.codes == ("EU", "IN", "HK")
    json.dumps(made.to_json())


def test_criteria_have_a_row_for_each_heading(index: Index, settings: Settings) -> None:
    made = compare("criteria", ["EU", "HK"], index, settings)
    criteria = [row.criterion for row in made.rows]
    assert {"Compliance record", "Financial solvency", "Crisis management"} <= set(criteria)
    crisis = next(row for row in made.rows if row.criterion == "Crisis management")
    assert [cell.found for cell in crisis.cells] == [False, True]


def test_a_programme_without_an_answer_says_so_with_whom_to_ask(index: Index, settings: Settings) -> None:
    made = compare("validity", ["EU", "ZM"], index, settings)
    assert not any(row.cells[1].found for row in made.rows)
    assert "Zambia Revenue Authority" in made.rows[-1].cells[1].text
    assert "has nothing on this for" in made.notices[0]


def test_the_table_is_markdown(index: Index, settings: Settings) -> None:
    text = compare("tiers", ["IN", "HK"], index, settings).to_markdown()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 4 for line in table)
    assert "[1] India AEO: " in text


@pytest.mark.parametrize(
    ("topic", "codes", "complaint"),
    [
        (" ", ["EU", "GB"], "say what to compare"),
        ("fees", ["EU"], "two or more"),
        ("fees", ["EU", "eu"], "two or more"),
        ("fees", ["EU", "QQ"], "no programme 'QQ'"),
        ("fees", ["EU", "GB", "US", "CN", "HK", "JP", "KR", "IN", "SG"], "too many"),
    ],
)
def test_what_cannot_be_compared(
    topic: str, codes: list[str], complaint: str, index: Index, settings: Settings
) -> None:
    with pytest.raises(CompareError) as error:
        compare(topic, codes, index, settings)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


# Mutual recognition ------------------------------------------------------------------------------------------------


def test_recognition_between_two_programmes_from_either_side(index: Index) -> None:
    made = mra("EU", "JP", index)
    assert [(e.status, e.signed, e.in_force) for e in made.entries] == [("in_force", "2010-06", "2011-05-24")]
    assert mra("jp", "eu", index).entries[0].in_force == "2011-05-24"
    for entry in made.entries:
        assert re.search(r"\[1\]$", entry.text)
    assert index.store.get(made.citations[0].passage_id) is not None
    json.dumps(made.to_json())


def test_conflicts_are_marked_and_said(index: Index) -> None:
    uganda = mra("IN", "UG", index).entries[0]
    assert (uganda.status, uganda.disputed) == ("disputed", True)
    assert "Sources differ" in uganda.text
    brazil = mra("US", "BR", index).entries[0]
    assert brazil.disputed
    assert brazil.signed is None


def test_regional_arrangements_are_one_entry(index: Index) -> None:
    singapore = mra("SG", None, index)
    asean = next(entry for entry in singapore.entries if "ASEAN" in entry.arrangement)
    assert set(asean.partners) >= {"BN", "MY", "TH", "ID", "PH"}
    assert asean.in_force is None  # the partners' dates differ
    assert singapore.to_text().count("\n- ") == len(singapore.entries) - 1


def test_members_of_the_eu_stand_for_the_eu(index: Index) -> None:
    made = mra("DE", "JP", index)
    assert made.code == "EU"
    assert "Germany takes part" in made.notices[0]


def test_partners_without_a_programme_here_are_found_from_the_other_side(index: Index) -> None:
    assert [entry.arrangement for entry in mra("SZ", "ZA", index).entries] == ["SACU mutual recognition arrangement"]


def test_none_found_is_no_proof(index: Index) -> None:
    made = mra("EU", "ZW", index)
    assert made.entries == ()
    assert "This proves nothing: ask" in made.notices[0]


@pytest.mark.parametrize(("code", "partner"), [("QQ1", None), ("EU", "EU"), ("EU", "FR"), ("KP", None), ("EU", "??")])
def test_what_cannot_be_looked_up(code: str, partner: str | None, index: Index) -> None:
    with pytest.raises(RecognitionError) as error:
        mra(code, partner, index)
    assert "\n" not in str(error.value)


def test_an_index_without_the_data_is_named(tmp_path: Path) -> None:
    files = [file for file in note_files(Path("corpus/notes")) if file.name.startswith("notes/nz/")]
    build_index(tmp_path / "index", files)
    opened = Index.open(tmp_path / "index")
    with pytest.raises(RecognitionError, match="aeo index update"):
        mra("NZ", None, opened)
    opened.close()
