"""Added documents: kept with their hash, read with their metadata, found in the index by those who may."""

from __future__ import annotations

import json
import re
from pathlib import Path

import docx
import pytest

from indexing.build import build_index
from indexing.library import Added, add, collection, entries, library_files, library_of, remove
from indexing.passages import DocumentError
from indexing.search import Filter, Index
from indexing.sources import files_of, publication_files

ACT = "# Customs Act\n\n## Section 27\n\nThe applicant shall keep records for ten years.\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An index directory, without an index yet."""
    return tmp_path / "index"


@pytest.fixture
def act(tmp_path: Path) -> Path:
    path = tmp_path / "act.md"
    path.write_text(ACT, encoding="utf-8")
    return path


def one(result: tuple[list[Added], list[str]]) -> Added:
    assert result[1] == []
    return result[0][0]


def test_a_document_is_kept_indexed_and_found(home: Path, act: Path) -> None:
    added = one(
        add(home, act, {"jurisdiction": "nz", "short": "CA", "as_of": "2025-06-01", "url": "https://c.example/a"})
    )
    assert (added.id, added.title, added.jurisdiction, added.language, added.passages) == (
        "act",
        "Customs Act",
        "NZ",
        "en",
        1,
    )
    (entry,) = entries(home)
    assert (library_of(home) / entry.file).read_text("utf-8") == ACT
    assert entry.file == f"act.{entry.sha256[:8]}.md"
    report = build_index(home, library_files(home))
    assert (report.documents, report.problems) == (1, ())
    index = Index.open(home)
    passage = index.search("how long are records kept?", 1)[0].passage
    assert (passage.reference, passage.kind, passage.as_of, passage.undated) == (
        "CA section 27",
        "official",
        "2025-06-01",
        False,
    )
    assert passage.url == "https://c.example/a"
    document = index.documents()[0]
    assert (document.original, document.content_hash) == (entry.file, entry.sha256)
    index.close()


def test_the_default_collection_holds_what_was_added(home: Path, act: Path) -> None:
    before = len(collection(None, home))
    add(home, act, {"jurisdiction": "NZ"})
    assert [file.name for file in collection(None, home)][before:] == ["library/act"]


def test_a_text_without_a_date_is_as_of_the_day_it_was_added(home: Path, act: Path) -> None:
    add(home, act, {"jurisdiction": "NZ"})
    ((_, (passage,)),) = [found for file in library_files(home) for found in file.read(file.path)]
    assert (passage.as_of, passage.undated) == (entries(home)[0].added, True)


def test_options_win_over_sidecar_and_front_matter(home: Path, act: Path) -> None:
    act.write_text(
        f"---\ntitle: From front matter\nlanguage: fr\njurisdiction: FR\npublisher: Douane\n---\n{ACT}", "utf-8"
    )
    Path(f"{act}.toml").write_text(
        'title = "From sidecar"\nlanguage = "es"\naccess = "officer"\nas_of = 2024-05-01\n', "utf-8"
    )
    added = one(add(home, act, {"title": "From option"}))
    assert (added.title, added.language, added.jurisdiction, added.access) == ("From option", "es", "FR", "officer")
    ((document, _),) = [found for file in library_files(home) for found in file.read(file.path)]
    assert (document.publisher, document.as_of) == ("Douane", "2024-05-01")


def test_officers_documents_are_not_found_by_others(home: Path, act: Path, tmp_path: Path) -> None:
    add(home, act, {"jurisdiction": "NZ", "access": "officer"})
    public = tmp_path / "guide.md"
    public.write_text("# Guide\n\nTraders keep records.\n", encoding="utf-8")
    add(home, public, {"jurisdiction": "NZ"})
    build_index(home, library_files(home))
    index = Index.open(home)
    assert {h.passage.document_id for h in index.search("records", 5)} == {"guide"}
    assert {h.passage.document_id for h in index.search("records", 5, Filter(officer=True))} == {"guide", "act"}
    index.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            r"^act\.md: whose guidance is it\? Give --jurisdiction CODE, or write .* in act\.md\.toml",
        ),
        (
            {"jurisdiction": "ZZ"},
            r"^act\.md: jurisdiction: 'ZZ' is not a known programme; use one of AE, .*, EU, .* ZW$",
        ),
        ({"jurisdiction": "NZ", "id": "../x"}, r"^act\.md: id: write small letters, digits and single hyphens"),
        ({"jurisdiction": "NZ", "url": "ftp://x"}, r"^act\.md: url: write an address that begins with https"),
        ({"jurisdiction": "NZ", "as_of": "1/6/2025"}, r"^act\.md: as_of: '1/6/2025' is no date: write YYYY"),
        ({"jurisdiction": "NZ", "access": "secret"}, r"^act\.md: access: .*'public' or 'officer'"),
        ({"jurisdiction": "NZ", "colour": "red"}, r"^act\.md: no metadata field 'colour'; the fields are id, title"),
        ({"jurisdiction": "NZ", "url": "javascript:alert(1)"}, r"^act\.md: url: "),
        ({"jurisdiction": "NZ", "id": "../../etc"}, r"^act\.md: id: "),
    ],
)
def test_bad_metadata(home: Path, act: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        add(home, act, options)
    assert entries(home) == []


def test_a_broken_sidecar(home: Path, act: Path) -> None:
    Path(f"{act}.toml").write_text("title: no toml", "utf-8")
    with pytest.raises(DocumentError, match=r"^act\.md\.toml: not TOML"):
        add(home, act, {"jurisdiction": "NZ"})


def test_two_documents_with_one_id(home: Path, act: Path, tmp_path: Path) -> None:
    add(home, act, {"jurisdiction": "NZ"})
    assert one(add(home, act, {"jurisdiction": "NZ"})).unchanged
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "act.md"
    other.write_text(ACT.replace("ten", "seven"), encoding="utf-8")
    with pytest.raises(DocumentError, match=r"^act\.md: a document with id 'act' was added on .*--replace.*--id"):
        add(home, other, {"jurisdiction": "NZ"})
    one(add(home, other, {"jurisdiction": "NZ", "id": "act-2"}))
    assert not one(add(home, other, {"jurisdiction": "NZ"}, replace_existing=True)).unchanged
    assert [entry.id for entry in entries(home)] == ["act", "act-2"]
    assert len(list(library_of(home).glob("*.md"))) == 2  # the replaced original is gone


def test_two_files_of_a_source_with_one_id_are_reported(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.md").write_text(f"---\nid: law\n---\n{ACT}", "utf-8")
    (folder / "b.md").write_text(f"---\nid: law\n---\n{ACT}More.\n", "utf-8")
    report = build_index(home, files_of(folder))
    assert report.documents == 1
    assert report.problems == ("b.md: document id 'law' is also that of a.md; left out",)


def test_the_id_of_a_shipped_note_is_taken(shipped_index: Path, act: Path) -> None:
    with pytest.raises(
        DocumentError, match=r"^act\.md: id 'eu-aeo-application' is that of '.*' in the index; give another --id"
    ):
        add(shipped_index, act, {"jurisdiction": "EU", "id": "eu-aeo-application"})


def test_a_changed_or_missing_original_is_noticed(home: Path, act: Path) -> None:
    add(home, act, {"jurisdiction": "NZ"})
    original = library_of(home) / entries(home)[0].file
    original.write_text(ACT.replace("ten", "two"), encoding="utf-8")
    (file,) = library_files(home)
    with pytest.raises(DocumentError, match=r"^library/act\..*\.md: changed since it was added; add 'act\.md' again"):
        file.read(file.path)
    original.unlink()
    with pytest.raises(DocumentError, match="the original is missing"):
        file.read(file.path)


def test_an_entry_cannot_point_outside_the_library(home: Path, act: Path) -> None:
    add(home, act, {"jurisdiction": "NZ"})
    path = library_of(home) / "act.toml"
    path.write_text(path.read_text("utf-8").replace('file = "', 'file = "../../'), "utf-8")
    with pytest.raises(DocumentError, match="does not name its original"):
        entries(home)


def test_removing(home: Path, act: Path) -> None:
    add(home, act, {"jurisdiction": "NZ"})
    remove(home, "act")
    assert list(library_of(home).iterdir()) == []
    with pytest.raises(DocumentError, match="no added document has id 'act'; added are: none"):
        remove(home, "act")


def test_metadata_of_any_characters_survives(home: Path, act: Path) -> None:
    title = 'A "quoted" \\ title, 海关\ttab 😀'
    one(add(home, act, {"jurisdiction": "NZ", "title": title}))
    assert entries(home)[0].metadata["title"] == title


# Folders and collections


def test_a_folder_is_added_whole_and_nothing_is_skipped_silently(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "manuals"
    (folder / "deep" / "deeper").mkdir(parents=True)
    (folder / "act.md").write_text(ACT, "utf-8")
    (folder / "deep" / "deeper" / "act.html").write_text("<h1>Page</h1><p>Records are kept.</p>", "utf-8")
    document = docx.Document()
    document.add_paragraph("Section 3. Records are checked.")
    document.save(str(folder / "deep" / "手册.docx"))
    (folder / "rates.xlsx").write_bytes(b"x")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4")
    (folder / ".hidden").write_text("x", "utf-8")
    (folder / "act.md.toml").write_text('short = "CA"\n', "utf-8")
    added, problems = add(home, folder, {"jurisdiction": "NZ"})
    ids = sorted(each.id for each in added)
    assert (ids[0], ids[2]) == ("act", "deep-deeper-act")
    assert re.fullmatch("deep-[0-9a-f]{6}", ids[1])  # a name in Chinese
    assert [problem.split(":")[0] for problem in problems] == ["broken.pdf", "rates.xlsx"]
    references = {p.reference for f in library_files(home) for _, ps in f.read(f.path) for p in ps}
    assert references == {"CA section 27", "Page", "section 3"}


def test_a_folder_of_publications_is_a_source(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(3):
        (folder / f"rule-{number}.md").write_text(ACT.replace("ten", str(number)), "utf-8")
    (folder / "rates.xlsx").write_bytes(b"x")
    report = build_index(home, files_of(folder))
    assert report.documents == 3
    assert len(report.problems) == 1
    assert report.problems[0].startswith("rates.xlsx: '.xlsx' files are not read")


def test_a_changed_sidecar_is_a_change(tmp_path: Path) -> None:
    (tmp_path / "act.md").write_text(ACT, "utf-8")
    (before,) = publication_files(tmp_path)
    (tmp_path / "act.md.toml").write_text('short = "CA"\n', "utf-8")
    (after,) = publication_files(tmp_path)
    assert before.digest != after.digest


def test_kinds_of_sources_are_told_apart(tmp_path: Path, act: Path) -> None:
    from corpus.loader import NOTES

    assert files_of(NOTES)[0].name.startswith("notes/")
    assert [file.name for file in files_of(act)] == ["act.md"]
    with pytest.raises(DocumentError, match="no such file or folder"):
        files_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentError, match="the folder is empty"):
        files_of(tmp_path / "empty")


def test_a_collection_keeps_its_ids_and_gets_metadata(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rulebook"
    folder.mkdir()
    lines = [{"_id": f"R{n}", "title": f"Rule {n}, part", "text": f"Rule {n} applies."} for n in range(5)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    assert files_of(folder)[0].name == "corpus.jsonl"
    added = one(add(home, folder, {"jurisdiction": "AE", "access": "officer", "as_of": "2024"}))
    assert (added.id, added.passages) == ("rulebook", 5)
    passages = [p for file in library_files(home) for _, ps in file.read(file.path) for p in ps]
    assert [p.id for p in passages] == [f"R{n}" for n in range(5)]
    assert {(p.jurisdiction, p.access, p.as_of, p.undated) for p in passages} == {("AE", "officer", "2024", False)}
    for broken, message in ((b"{broken\n", ":1: not JSON"), (b"[1]\n", "not a JSON object"), (b"\xff\n", "not UTF-8")):
        (folder / "corpus.jsonl").write_bytes(broken)
        with pytest.raises(DocumentError, match=message):
            files_of(folder)[0].read(folder / "corpus.jsonl")


def test_scanned_pages_are_reported_by_the_build(home: Path, tmp_path: Path) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(tmp_path / "manual.pdf"))
    canvas.drawString(50, 700, "Section 1. Text.")
    canvas.showPage()
    canvas.drawImage(ImageReader(Image.new("RGB", (40, 60), "white")), 0, 0, 595, 842)
    canvas.save()
    added = one(add(home, tmp_path / "manual.pdf", {"jurisdiction": "NZ"}))
    report = build_index(home, library_files(home))
    again = build_index(home, library_files(home), update=True)
    assert "no text layer on page 2" in added.notices[0]
    assert len(report.problems) == 1
    assert "no text layer on page 2" in report.problems[0]
    assert again.problems == report.problems
