"""Builds and updates: what is read, embedded, kept, reported."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpus.loader import NOTES
from indexing.build import VectorCache, build_index, verify_index
from indexing.embedding import OnnxEmbedder, content_key
from indexing.library import collection
from indexing.questions import read_questions
from indexing.search import Filter, Index
from indexing.sources import SHIPPED_QUESTIONS, SHIPPED_VECTORS, note_files
from indexing.store import day_number
from indexing.versions import IndexUnusable, current_version


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for code in ("hk", "cn"):
        shutil.copytree(NOTES / code, folder / code)
    return folder


def _build(index: Path, notes: Path, *, update: bool = False) -> object:
    return build_index(index, note_files(notes), shipped=SHIPPED_VECTORS, update=update)


def test_update_reads_and_embeds_only_what_changed(tmp_path: Path, notes: Path) -> None:
    index = tmp_path / "index"
    first = build_index(index, note_files(notes), shipped=SHIPPED_VECTORS)
    again = build_index(index, note_files(notes), update=True)
    assert again.unchanged
    assert again.version == first.version
    note = next((notes / "hk").glob("*.md"))
    text = note.read_text(encoding="utf-8")
    last = [line for line in text.split("\n") if line.startswith("- ")][-1]
    note.write_text(text.replace(last, last.replace("- ", "- In short, ", 1)), encoding="utf-8")
    changed = build_index(index, note_files(notes), update=True)
    assert (changed.unchanged, changed.embedded, changed.removed) == (False, 1, 1)
    assert changed.passages == first.passages
    assert verify_index(index) == []


def test_ids_survive_unrelated_edits(tmp_path: Path, notes: Path) -> None:
    index = tmp_path / "index"
    build_index(index, note_files(notes), shipped=SHIPPED_VECTORS)
    before = Index.open(index)
    ids = {p.id for p in before.store.all()}
    note = next((notes / "hk").glob("*.md"))
    lines = note.read_text(encoding="utf-8").split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith("- "))
    lines.insert(place, "- A sentence that was not here before. {gap}")
    note.write_text("\n".join(lines), encoding="utf-8")
    build_index(index, note_files(notes), update=True)
    after = {p.id for p in Index.open(index).store.all()}
    assert ids <= after
    assert len(after - ids) == 1
    assert {p.id for p in before.store.all()} == ids, "a reader keeps the version it opened"


def test_same_content_same_version(tmp_path: Path, notes: Path) -> None:
    one = build_index(tmp_path / "a", note_files(notes), shipped=SHIPPED_VECTORS)
    two = build_index(tmp_path / "b", note_files(notes), shipped=SHIPPED_VECTORS)
    assert one.version == two.version


def test_a_broken_note_is_named_and_the_rest_is_served(tmp_path: Path, notes: Path) -> None:
    (notes / "hk" / "broken.md").write_text(
        "---\nid: broken\njurisdiction: HK\n  as_of: x: y\n---\n# x\n", encoding="utf-8"
    )
    report = build_index(tmp_path / "index", note_files(notes), shipped=SHIPPED_VECTORS)
    assert len(report.problems) == 1
    assert "broken.md:4" in report.problems[0]
    assert Index.open(tmp_path / "index").search("How many tiers does HKAEO have?", 1)


def test_nothing_to_index(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(IndexUnusable, match="nothing to index"):
        build_index(tmp_path / "index", note_files(tmp_path / "empty"))


def test_index_of_another_model_is_refused(tmp_path: Path, notes: Path) -> None:
    _build(tmp_path / "index", notes)
    with pytest.raises(IndexUnusable, match="all-MiniLM-L6-v2.*other-model"):
        Index.open(tmp_path / "index", "other-model")


def test_verify_sees_a_changed_byte(tmp_path: Path, notes: Path) -> None:
    _build(tmp_path / "index", notes)
    keys = current_version(tmp_path / "index") / "keys.npy"
    stored = np.load(keys)
    stored[0] = b"0" * 32
    np.save(keys, stored)
    assert any("another text" in fault for fault in verify_index(tmp_path / "index"))


def test_disk_full_keeps_the_last_version(tmp_path: Path, notes: Path) -> None:
    index = tmp_path / "index"
    _build(index, notes)
    before = current_version(index)
    script = (
        "import sys; from pathlib import Path; from indexing.build import build_index; from indexing.sources import note_files, SHIPPED_VECTORS\n"
        "from corpus.errors import UserError\n"
        "try:\n build_index(Path(sys.argv[1]), note_files(Path(sys.argv[2])), shipped=SHIPPED_VECTORS)\n"
        "except UserError as error:\n sys.exit(f'one line: {error}')\n"
    )
    (notes / "hk" / "more.md").write_text(_renamed(notes), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", script, str(index), str(notes)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("one line: could not write the index")
    assert "Traceback" not in done.stderr
    assert current_version(index) == before
    assert verify_index(index) == []


def _renamed(notes: Path) -> str:
    text = next((notes / "hk").glob("*.md")).read_text(encoding="utf-8")
    return "\n".join("id: hk-more" if line.startswith("id:") else line for line in text.split("\n"))


def test_superseded_and_restricted_passages_are_not_found(index: Index) -> None:
    superseded = [p for p in index.store.all() if p.jurisdiction == "CN" and p.valid_to]
    assert superseded, "the test case of superseded law is gone"
    found = {
        hit.passage.id
        for hit in index.search("Order No. 251 advanced certified enterprise", 200, Filter(frozenset({"CN"})))
    }
    assert not found & {p.id for p in superseded}
    then = Filter(frozenset({"CN"}), on=20250601)
    assert {hit.passage.id for hit in index.search("Order No. 251", 400, then)} & {p.id for p in superseded}


def test_officer_passages_are_hidden(tmp_path: Path, notes: Path) -> None:
    for note in (notes / "hk").glob("*.md"):
        text = note.read_text(encoding="utf-8").replace("access: public", "access: officer")
        note.write_text(text, encoding="utf-8")
    _build(tmp_path / "index", notes)
    opened = Index.open(tmp_path / "index")
    assert all(hit.passage.jurisdiction == "CN" for hit in opened.search("HKAEO tiers", 50))
    assert opened.search("HKAEO tiers", 5, Filter(officer=True))[0].passage.jurisdiction == "HK"


def test_beir_folder_keeps_its_ids(tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    folder.mkdir()
    entries = [
        {"_id": f"d-{n}", "title": f"Rulebook {n % 2}, {n}.", "text": f"Rule {n} on capital adequacy."}
        for n in range(6)
    ]
    (folder / "corpus.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries), encoding="utf-8")
    report = build_index(tmp_path / "index", collection(folder, tmp_path / "index"))
    assert (report.documents, report.passages) == (2, 6)
    hits = Index.open(tmp_path / "index").search("capital adequacy rule", 6)
    assert {hit.passage.id for hit in hits} == {entry["_id"] for entry in entries}


def test_shipped_vectors_are_true(index: Index) -> None:
    """Every shipped text has its vector, nothing else is stored, and a sample computed anew agrees."""
    model = index.manifest.model
    passages = [p.text for p in index.store.all()]
    held = {p.id for p in index.store.all()}
    questions = [question for identifier, question in read_questions(SHIPPED_QUESTIONS) if identifier in held]
    for path, texts in zip(SHIPPED_VECTORS, (passages, questions), strict=True):
        with np.load(path) as arrays:
            stored = {key.decode() for key in arrays["keys"]}
        assert stored == {content_key(model, text) for text in texts}, f"run 'make vectors' and commit {path.name}"
        cache, sample = VectorCache.open(path), texts[:: max(1, len(texts) // 40)]
        for text, vector in zip(sample, OnnxEmbedder().embed(sample), strict=True):
            shipped = cache.get(content_key(model, text))
            assert shipped is not None
            assert float(shipped @ vector) >= 0.997, text


@pytest.mark.parametrize(
    ("date", "first", "last"),
    [("2026", 20260101, 20261231), ("2024-02", 20240201, 20240229), ("2026-03-31", 20260331, 20260331)],
)
def test_reduced_dates_span_their_period(date: str, first: int, last: int) -> None:
    assert (day_number(date), day_number(date, end=True)) == (first, last)
