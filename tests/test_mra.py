"""Mutual recognition: the data, its checks, its sentences, and its agreement with the notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from corpus.mra import (
    PATH,
    WHOLE,
    Arrangement,
    agree,
    arrangements,
    between,
    conflicts,
    load,
    partners_of,
    standing_status,
)
from corpus.programmes import programmes
from corpus.schema import CorpusError, Note
from corpus.validate import load_notes
from indexing.build import build_index
from indexing.passages import DocumentError
from indexing.search import Index
from indexing.sources import shipped_files
from indexing.structured import document_id, is_data_row, pair_heading, pair_text, read_mra, written

HEADING = (
    "partner_a,partner_b,signed,in_force,status,scope,arrangement,source,source_url,source_type,as_of,undated,"
    "standing,conflict,note"
)
ROW = "EU,JP,2010-06,2011-05-24,in_force,,,Source one,https://example.org/a,official,2011,,current,,"


def write(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "mra.csv"
    path.write_text("\n".join([HEADING, *rows]) + "\n", encoding="utf-8")
    return path


def row(**changes: str) -> Arrangement:
    cells = dict(zip(HEADING.split(","), ROW.split(","), strict=True)) | changes
    return Arrangement.model_validate({name: cell for name, cell in cells.items() if cell})


def test_both_directions_find_the_same_rows() -> None:
    assert between("JP", "EU") == between("EU", "JP") != []
    assert "JP" in partners_of("EU")
    assert "EU" in partners_of("JP")
    assert between("EU", "KP") == []


def test_every_shipped_conflict_is_settled_or_shown_whole() -> None:
    for name, rows in conflicts().items():
        standings = {reading.standing for reading in rows}
        assert standings in ({"disputed"}, {"current", "set_aside"}), name


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (ROW.replace("EU,JP", "JP,EU"), "alphabet"),
        (ROW.replace("2010-06", "06/2010"), "column 'signed'"),
        (ROW.replace("in_force,,,", "signed,,,"), "starting date"),
        (ROW.replace("current,,", "disputed,,"), "conflict group"),
        (ROW.replace("current,,", "superseded,,"), "say in note"),
        (ROW.replace("https://example.org/a", "example.org"), "column 'source_url'"),
        (ROW + ",more", "number of cells"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_column(tmp_path: Path, changed: str, complaint: str) -> None:
    path = write(tmp_path, ROW, changed)
    with pytest.raises(CorpusError, match=re.escape(f"{path}:3: ")) as error:
        load(path)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unmarked_disagreement_is_refused(tmp_path: Path) -> None:
    other = ROW.replace("2010-06", "2009-06").replace("Source one", "Source two")
    with pytest.raises(CorpusError, match="signed differs between rows"):
        load(write(tmp_path, ROW, other))


def test_a_conflict_of_one_reading_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="needs two readings"):
        load(write(tmp_path, ROW.replace("current,,", "disputed,jp-eu,")))


def test_reduced_dates_agree_with_their_precise_form() -> None:
    assert agree(["2023", "2023-02", "2023-02-07"])
    assert not agree(["2023-02", "2022-02-07"])
    assert [written(date) for date in ("2011-05-24", "2010-06", "2019")] == ["24 May 2011", "June 2010", "2019"]


def test_superseded_readings_do_not_count() -> None:
    assert (
        standing_status([row(), row(status="action_plan", in_force="", standing="superseded", note="older")])
        == "in_force"
    )
    assert standing_status([row(standing="superseded", note="older")]) is None


def test_sentences_state_dates_scope_and_who_says_it_where_only_a_secondary_source_does() -> None:
    text = pair_text("EU", "JP", [row(source_type="secondary", scope="AEOS only")])
    assert text.startswith("Mutual recognition between the European Union and Japan is in force since 24 May 2011, ")
    assert "according to Source one" in text
    assert "It covers: AEOS only." in text
    assert "according to" not in pair_text("EU", "JP", [row()])


def test_sentences_say_conflicts() -> None:
    assert "Sources differ on mutual recognition between India and Uganda" in pair_text("IN", "UG", between("IN", "UG"))
    jordan = pair_text("US", "JO", between("US", "JO"))
    assert "May 2008; this is not followed" in jordan
    brazil = pair_text("BR", "US", between("BR", "US"))
    assert "September 2022" in brazil
    assert "16 October 2022" in brazil


def test_an_action_plan_is_never_called_an_arrangement_in_force() -> None:
    for code, partner in (("IN", "GB"), ("HK", "PH"), ("IN", "NZ")):
        text = pair_text(code, partner, between(code, partner))
        assert "no arrangement yet" in text
        assert "in force" not in text


def test_every_programme_gets_its_own_document_in_both_directions() -> None:
    documents = {document.id: passages for document, passages in read_mra(PATH)}
    for code in programmes():
        for partner, rows in partners_of(code).items():
            if any(not found.arrangement for found in rows):
                assert pair_heading(partner) in {p.heading_path[-1] for p in documents[document_id(code)]}
    for passages in documents.values():
        for passage in passages:
            assert passage.topic == "recognition"
            assert passage.document_id == document_id(passage.jurisdiction)
            assert passage.url.startswith("http")
            assert len(passage.text.split()) <= 130, passage.text


def test_data_rows_are_told_from_provisions(index: Index) -> None:
    assert all(is_data_row(passage) for passage in index.store.passages_of(document_id("EU")))
    assert not any(is_data_row(passage) for passage in index.store.passages_of("eu-aeo-recognition"))


def test_words_of_other_subjects_are_kept_out_of_the_sentences() -> None:
    for _, passages in read_mra(PATH):
        for passage in passages:
            assert not re.search(r"\b(appl(y|ies|icant|ication)|benefits?|criteria|validity)\b", passage.text), (
                passage.text
            )


def test_a_broken_file_is_one_problem_of_the_build(tmp_path: Path) -> None:
    path = write(tmp_path, ROW.replace("official", "hearsay"))
    with pytest.raises(DocumentError, match="source_type"):
        read_mra(path)


def test_the_shipped_index_holds_the_rows(index: Index) -> None:
    found = index.store.passages_of(document_id("SG"))
    assert any("China is in force since 15 March 2013" in passage.text for passage in found)


# Prose and data ----------------------------------------------------------------------------------------------------


def _notes() -> list[Note]:
    notes, problems = load_notes()
    assert problems == []
    return notes


def _plain(url: object) -> str:
    return re.sub(r"^https?://(www\.)?", "", str(url)).rstrip("/").casefold()


def test_every_source_is_a_source_of_the_notes() -> None:
    known = {_plain(source.url) for note in _notes() for source in note.front.sources.values()}
    assert {str(r.source_url) for r in arrangements() if _plain(r.source_url) not in known} == set()


def test_dates_stand_in_the_notes_that_cite_the_same_source() -> None:
    """Each date appears, at least to its month and year, in a provision that cites the same source."""
    texts: dict[str, list[tuple[str, str]]] = {}
    for note in _notes():
        for provision in note.provisions:
            for cited in provision.cited:
                url = _plain(note.front.sources[cited.key].url)
                texts.setdefault(url, []).append((note.front.jurisdiction, provision.text))
    missing = []
    for found in arrangements():
        for date in filter(None, (found.signed, found.in_force)):
            year = date[:4]
            month = written(date[:7]).split()[0]
            said = [text for _, text in texts.get(_plain(found.source_url), [])]
            if not any(year in text and (len(date) == 4 or month in text) for text in said):
                missing.append((found.pair, date, found.source))
    assert missing == []


def test_rows_about_a_whole_arrangement_belong_to_one_with_parties() -> None:
    named = {found.arrangement for found in arrangements() if found.partner_b != WHOLE}
    assert {found.arrangement for found in arrangements() if found.partner_b == WHOLE} <= named


def test_the_shipped_files_build(tmp_path: Path) -> None:
    files = [file for file in shipped_files() if file.name.startswith("data/")]
    report = build_index(tmp_path / "index", files)
    assert report.problems == ()
    assert report.passages > 400
