"""What changed between two states, and what rests on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.loader import DATA, NOTES, load_note, note_paths, parse_note
from corpus.schema import Note
from indexing.build import build_index
from indexing.changes import (
    Change,
    DataRow,
    between_versions,
    compare,
    data_rows,
    eval_questions,
    impact,
    pending,
    pinpoint_of,
    report,
)
from indexing.library import add, library_files
from indexing.notes import note_document
from indexing.passages import Passage
from indexing.readers import read_publication
from indexing.versions import IndexMissing

URL = "https://www.customs.example/law/code"

NOTE = f"""---
id: nz-code
jurisdiction: NZ
programme: SES
title: Customs Code, restated
publisher: Customs
instrument: Customs Code
url: {URL}
source_type: official
as_of: "2025"
sources:
  code:
    title: Customs Code
    short: CC
    url: {URL}/
    type: official
    as_of: "2025"
  guide:
    title: Customs guide
    short: Guide
    url: https://www.customs.example/guide
    type: official
    as_of: "2025"
---
## Criteria

- Records are kept for ten years. [@code, Art. 39(b)]
- The applicant is solvent. [@code, Art. 39(c); @guide, part 1]
- Appeals lie within 30 days. [@code, Art. 44]
- The programme has no fee. [@guide]
"""


def law(tmp_path: Path, years: str = "ten", extra: str = "", **metadata: str) -> list[Passage]:
    path = tmp_path / "code.md"
    path.write_text(
        f"# Customs Code\n\n## Article 39\n\nThe criteria are:\n\n"
        f"- (a) compliance;\n- (b) records kept for {years} years;\n"
        f"- (c) solvency.\n\n## Article 44\n\nAn appeal lies within 30 days.\n\n{extra}",
        encoding="utf-8",
    )
    return read_publication(path, {"jurisdiction": "NZ", "id": "law", "url": URL, **metadata})[1]


@pytest.fixture
def note(tmp_path: Path) -> Note:
    (tmp_path / "nz").mkdir()
    (tmp_path / "nz" / "code.md").write_text(NOTE, "utf-8")
    return load_note(tmp_path / "nz" / "code.md")


def kinds(changes: list[Change]) -> list[tuple[str, str, str]]:
    return [(change.kind, change.reference, change.now) for change in changes]


def test_a_changed_provision(tmp_path: Path) -> None:
    before, after = law(tmp_path), law(tmp_path, years="seven")
    (change,) = compare(before, after)
    assert (change.kind, change.reference, change.document_id) == ("changed", "Article 39(b)", "law")
    assert (change.before[-24:], change.after[-26:]) == (
        "records kept for ten years;"[-24:],
        "records kept for seven years;"[-26:],
    )
    assert compare(before, before) == []


def test_added_removed_and_moved(tmp_path: Path) -> None:
    before = law(tmp_path)
    after = law(tmp_path, extra="## Article 45\n\nFees are nil.\n")
    assert kinds(compare(before, after)) == [("added", "Article 45", "Article 45")]
    assert kinds(compare(after, before)) == [("removed", "Article 45", "")]
    path = tmp_path / "code.md"
    path.write_text(path.read_text("utf-8").replace("Article 44", "Article 47"), "utf-8")
    moved = read_publication(path, {"jurisdiction": "NZ", "id": "law", "url": URL})[1]
    assert kinds(compare(before, moved)) == [
        ("moved", "Article 44", "Article 47"),
        ("added", "Article 45", "Article 45"),
    ]


def test_paragraphs_under_one_pinpoint_are_paired_by_likeness(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"

    def read(*paragraphs: str) -> list[Passage]:
        path.write_text("# Guide\n\n" + "\n\n".join(paragraphs), "utf-8")
        return read_publication(path, {"id": "guide"})[1]

    before = read("Apply on form C117 in person.", "The fee is 100 EUR for each site.")
    after = read("A new first paragraph is here.", "Apply on form C117 online.", "The fee is 100 EUR for each site.")
    assert [(c.kind, c.before, c.after) for c in compare(before, after)] == [
        ("added", "", "A new first paragraph is here."),
        ("changed", "Apply on form C117 in person.", "Apply on form C117 online."),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("UCC Art. 39(c)", "UCC Article 39(c)"),
        ("UCC Art. 39 (c)", "UCC Artículo 39(c)"),
        ("CEA section 27(1)", "CEA Sec. 27(1)"),
        ("CEA s 27", "CEA § 27"),
        ("Order 282 第十二条", "Order 282 第12條"),
        ("TFA Art. 7.7.3", "TFA Article 7.7.3"),
        ("UCC Article 39, table: AEO-C", "UCC Art. 39"),
    ],
)
def test_pinpoints_are_compared_by_what_they_name(one: str, other: str) -> None:
    assert pinpoint_of(one) == pinpoint_of(other) is not None


def test_headings_are_no_pinpoints() -> None:
    assert pinpoint_of("Benefits") is None
    assert pinpoint_of("UCC Art. 39") != pinpoint_of("UCC Art. 40")
    assert pinpoint_of("UCC Art. 39") != pinpoint_of("UCC IA Art. 39")


def test_impact_names_what_cites_the_provision_and_nothing_else(tmp_path: Path, note: Note) -> None:
    changes = compare(law(tmp_path), law(tmp_path, years="seven"))
    _, passages = note_document(note)
    rows = tmp_path / "data"
    rows.mkdir()
    (rows / "facts.csv").write_text(
        "jurisdiction,fact,value,note_id,quote,source_url\n"
        f"NZ,record_years,10,nz-code,kept for ten years,{URL}/\n"
        f"NZ,appeal_days,30,nz-code,within 30 days,{URL}\n"
        "NZ,fee,0,nz-code,has no fee,https://www.customs.example/guide\n",
        "utf-8",
    )
    (rows / "rules.toml").write_text(
        '[[questions]]\nnote = "nz-code"\nquote = "Records are kept"\nask = "Do you?"\n', "utf-8"
    )
    questions = [
        {"id": "q1", "question": "How long?", "source": URL, "references": ["CC Art. 39(b)"]},
        {"id": "q2", "question": "Appeals?", "source": URL, "references": ["CC Art. 44"]},
        {"id": "q3", "question": "What else?", "source": URL, "references": []},
        {"id": "q4", "question": "Elsewhere?", "source": "https://other.example/", "references": ["XX Art. 39(b)"]},
    ]
    answers = [
        {
            "id": "ans_1",
            "question": "Records?",
            "citations": [{"passage_id": passages[0].id, "url": URL, "reference": "x"}],
        },
        {
            "id": "ans_2",
            "question": "Appeal?",
            "citations": [{"passage_id": passages[2].id, "url": URL, "reference": "CC Art. 44"}],
        },
        {
            "id": "ans_3",
            "question": "Law?",
            "citations": [{"passage_id": changes[0].passage_id, "url": URL, "reference": ""}],
        },
    ]
    found = impact(changes, [note], data_rows(rows), questions, answers)
    assert {(a.kind, a.where, a.certain) for a in found} == {
        ("restatement", "nz/code.md:27", True),
        ("row", "facts.csv:2", True),
        ("row", "facts.csv:3", False),
        ("row", "rules.toml, questions 1", True),
        ("question", "q1", True),
        ("question", "q3", False),
        ("answer", "ans_1", True),
        ("answer", "ans_3", True),
    }
    assert [a.certain for a in found] == sorted((a.certain for a in found), reverse=True)


def test_impact_by_the_instruments_name_where_the_address_differs(tmp_path: Path, note: Note) -> None:
    elsewhere = {"short": "CC", "url": "https://gazette.example/123"}
    changes = compare(law(tmp_path, **elsewhere), law(tmp_path, years="seven", **elsewhere))
    assert [(a.where, a.certain) for a in impact(changes, [note])] == [("nz/code.md:27", True)]


def test_a_change_of_a_note_reaches_its_rows_and_answers(note: Note) -> None:
    changed = parse_note(NOTE.replace("ten years", "five years"), note.path)
    before, after = note_document(note)[1], note_document(changed)[1]
    changes = compare(before, after)
    rows = [DataRow("facts.csv:2", {"note_id": "nz-code", "quote": "kept for ten years"})]
    answers = [{"id": "a", "question": "?", "citations": [{"passage_id": before[0].id}]}]
    found = impact(changes, [changed], rows, (), answers)
    assert {(a.kind, a.certain) for a in found} == {("row", True), ("answer", True)}


def test_pending_and_past_changes_of_an_index(tmp_path: Path) -> None:
    home = tmp_path / "index"
    law(tmp_path)
    options = {"jurisdiction": "NZ", "url": URL}
    add(home, tmp_path / "code.md", options)
    build_index(home, library_files(home))
    assert pending(home, library_files(home)) == ([], [])
    with pytest.raises(IndexMissing, match="no version before the current one"):
        between_versions(home)
    law(tmp_path, years="seven")
    add(home, tmp_path / "code.md", options, replace_existing=True)
    changes, problems = pending(home, library_files(home))
    assert (kinds(changes), problems) == ([("changed", "Article 39(b)", "Article 39(b)")], [])
    build_index(home, library_files(home), update=True)
    assert pending(home, library_files(home)) == ([], [])
    assert kinds(between_versions(home)) == kinds(changes)
    assert kinds(pending(home, [])[0])[0][0] == "removed"


def test_the_report_shows_words_and_what_to_review(tmp_path: Path, note: Note) -> None:
    changes = compare(law(tmp_path), law(tmp_path, years="seven"))
    text = report(changes, impact(changes, [note]))
    assert text.startswith("1 changed\n~ NZ law, Article 39(b)\n")
    assert "[-ten-] {+seven+}" in text
    assert "restatement nz/code.md:27 cites Article 39(b): Records are kept for ten years." in text
    assert report([], []) == "No provision changed."


def test_impact_on_the_shipped_collection(tmp_path: Path) -> None:
    """A change of UCC Article 39 reaches the EU notes and questions that cite it."""
    path = tmp_path / "ucc.md"

    def read(text: str) -> list[Passage]:
        path.write_text(f"# UCC\n\n## Article 39\n\n{text}\n", "utf-8")
        return read_publication(path, {"jurisdiction": "EU", "short": "UCC", "id": "ucc-official"})[1]

    changes = compare(read("The criteria are five."), read("The criteria are six."))
    notes = [load_note(path) for path in note_paths(NOTES)]
    questions = eval_questions(DATA.parents[1] / "evals" / "questions")
    found = impact(changes, notes, data_rows(DATA), questions)
    certain = [a for a in found if a.certain]
    assert {a.kind for a in certain} >= {"restatement", "question"}
    notes_found = {a.where.partition("/")[0] for a in certain if a.kind == "restatement"}
    assert notes_found <= {"eu", "it"}
    assert "eu" in notes_found
