"""Late interaction: word pieces, where they are kept, and the ranking that uses them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexing import late, ranking
from indexing.build import build_index, verify_index
from indexing.embedding import OnnxEmbedder, pooled
from indexing.late import PieceStore, Projection, kept
from indexing.library import collection
from indexing.rerank import Question, Trees, late_features
from indexing.search import Filter, Index
from indexing.sources import SHIPPED_VECTORS, files_of
from indexing.versions import current_version

TEXTS = [
    "Records",
    "An applicant must keep records of every consignment for five years.",
    "The authority may suspend an authorisation where the holder asks for it.",
    "(1) - §",
    "税関は申請を受理した日から決定する。",
]


def _write(folder: Path, texts: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"_id": f"p{i}", "title": f"Rulebook, {i}", "text": text}) for i, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return _write(tmp_path / "beir", TEXTS)


def test_states_average_to_the_vector() -> None:
    embedder = OnnxEmbedder()
    assert np.allclose(pooled(embedder.states(TEXTS)), embedder.embed(TEXTS))


def test_pieces_without_letters_are_left_out_but_never_all() -> None:
    assert len(kept("records, (records)")) == 2
    assert [len(kept(text)) for text in ("(1) - §", "( - §", "")] == [1, 1, 1]


def test_projection_is_read_as_it_was_written(tmp_path: Path) -> None:
    projection = Projection.open()
    projection.save(tmp_path / "late.npz")
    again = Projection.open(tmp_path / "late.npz")
    assert all(np.array_equal(getattr(projection, part), getattr(again, part)) for part in projection.__slots__)
    pieces, counts = projection.of_question(OnnxEmbedder().states(["How long must records be kept?"])[0])
    assert np.allclose(np.linalg.norm(pieces, axis=1), 1, atol=1e-5)
    assert counts.sum() == pytest.approx(1)
    assert (counts > 0).all()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_closest_is_what_a_loop_finds(lengths: list[int], random: object) -> None:
    rng = np.random.default_rng(len(lengths))
    passages = [rng.integers(-127, 128, (length, 8)).astype(np.int8) for length in lengths]
    question = rng.normal(size=(3, 8)).astype(np.float32)
    rows = rng.permutation(len(lengths))
    closest, back = PieceStore.of_all(passages).closest(question, rows)
    for place, row in enumerate(rows):
        cosines = passages[row] / 127 @ question.T
        assert np.allclose(closest[place], cosines.max(0), atol=1e-4)
        assert back[place] == pytest.approx(cosines.max(1).mean(), abs=1e-4)


def test_an_index_of_foreign_text_holds_pieces_and_an_update_keeps_them(tmp_path: Path, beir: Path) -> None:
    index = tmp_path / "index"
    build_index(index, files_of(beir), shipped=SHIPPED_VECTORS)
    before = PieceStore.open(current_version(index))
    assert before is not None
    _write(beir, ["A new first passage.", *TEXTS])
    report = build_index(index, files_of(beir), update=True)
    assert report.embedded == 1
    after = PieceStore.open(current_version(index))
    assert after is not None
    assert all(np.array_equal(before.of(row), after.of(row + 1)) for row in range(len(TEXTS)))
    assert verify_index(index) == []
    opened = Index.open(index)
    assert opened.search("Who can suspend an authorisation?", 1)[0].passage.text == TEXTS[2]
    assert len(opened.search("records", 10)) == len(TEXTS) + 1
    assert opened.search("決定する日", 1)[0].passage.text == TEXTS[4]
    assert opened.search("records", 10, Filter(jurisdictions=frozenset({"XX"}))) == []
    opened.close()


def test_workers_store_the_same_pieces(tmp_path: Path, beir: Path) -> None:
    stores = []
    for workers in (1, 2):
        build_index(tmp_path / str(workers), files_of(beir), workers=workers)
        stores.append(PieceStore.open(current_version(tmp_path / str(workers))))
    alone, together = stores
    assert alone is not None
    assert together is not None
    assert all(np.array_equal(alone.of(row), together.of(row)) for row in range(len(TEXTS)))


def test_shipped_vectors_are_not_made_again_for_pieces(tmp_path: Path) -> None:
    report = build_index(tmp_path / "index", collection(None, tmp_path / "index"), shipped=SHIPPED_VECTORS)
    assert report.embedded < report.passages / 2
    assert PieceStore.open(current_version(tmp_path / "index")) is None


def test_pieces_of_other_weights_are_not_used(tmp_path: Path, beir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index"
    build_index(index, files_of(beir))
    projection = Projection.open()
    replace(projection, weight=projection.weight + 1).save(tmp_path / "late.npz")
    late._digest.cache_clear()
    monkeypatch.setattr(late, "WEIGHTS", tmp_path / "late.npz")
    assert PieceStore.open(current_version(index)) is None
    late._digest.cache_clear()


def test_search_works_without_any_of_the_models(tmp_path: Path, beir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_index(tmp_path / "index", files_of(beir))
    for name in ("LATE_RERANKER", "QUERY_ENCODER"):
        monkeypatch.setattr(ranking, name, tmp_path / "none")
        opened = Index.open(tmp_path / "index")
        assert opened.search("Who can suspend an authorisation?", 1)[0].passage.text == TEXTS[2]
        opened.close()


def test_trees_ask_for_no_feature_that_is_not_there() -> None:
    pieces = PieceStore.of_all([np.full((2, 64), 16, np.int8)] * 3)
    scores = np.ones(3, np.float32)
    words = np.zeros(1, np.int32)
    question = Question(
        words, 0, scores, scores, scores, pieces=(np.eye(64, dtype=np.float32)[:2], np.full(2, 0.5, np.float32))
    )
    found = late_features(question, _Pieces(pieces), np.arange(3))  # type: ignore[arg-type]
    asked = {name for name in Trees.load(ranking.LATE_RERANKER).names if "late" in name}
    assert asked
    assert asked <= found.keys()
    assert all(np.isfinite(column).all() and column.shape == (3,) for column in found.values())
    assert late_features(replace(question, pieces=None), _Pieces(pieces), np.arange(3)) == {}  # type: ignore[arg-type]


class _Pieces:
    """A collection of which only the word pieces are asked for."""

    def __init__(self, pieces: PieceStore) -> None:
        self.pieces = pieces
