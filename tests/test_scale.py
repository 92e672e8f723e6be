"""What very many passages need: terms and vectors taken over from the version before, and a first look by signs."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing import build, search
from indexing.analysis import terms
from indexing.build import build_index
from indexing.codes import SignCodes
from indexing.lexical import K1, B, Known, LexicalIndex
from indexing.search import Filter, Index
from indexing.sources import files_of
from indexing.versions import current_version

TEXTS = [
    "The applicant keeps records of customs matters for seven years.",
    "Records of the applicant are open to customs; records are kept.",
    "認證企業 shall keep seals.",
    "",
    "Customs decides within 120 days.",
]
WORDS = st.sampled_from(["customs", "records", "seals", "decides", "years", "zeal", "保管", "the"])


def test_scores_are_those_of_the_formula() -> None:
    index = LexicalIndex.build(TEXTS)
    lengths = [len(terms(text)) for text in TEXTS]
    holding = sum("record" in terms(text) for text in TEXTS)
    idf = math.log(1 + (len(TEXTS) - holding + 0.5) / (holding + 0.5))
    for row, text in enumerate(TEXTS):
        times = terms(text).count("record")
        norm = K1 * (1 - B + B * lengths[row] / (sum(lengths) / len(TEXTS)))
        assert index.scores(["record"])[row] == pytest.approx(idf * times / (times + norm), rel=1e-5)
    assert np.allclose(index.scores(["record", "record"]), 2 * index.scores(["record"]))
    assert not index.scores(["unheard"]).any()
    assert index.numbers(["unheard"]) == [None]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=8, unique=True),
    st.lists(st.lists(WORDS, max_size=6).map(" ".join), min_size=1, max_size=8, unique=True),
)
def test_an_updated_index_is_the_one_built_anew(
    tmp_path_factory: pytest.TempPathFactory, old: list[str], new: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lexical") / "index"
    LexicalIndex.build(old).save(folder)
    rows = np.array([old.index(text) if text in old else -1 for text in new], np.int64)
    known = Known(LexicalIndex.open(folder), rows, [text for text in old if text not in new])
    updated, anew = LexicalIndex.build(new, known), LexicalIndex.build(new)
    assert updated.words == anew.words
    assert updated.rarity() == anew.rarity()
    assert np.array_equal(updated.tokens, anew.tokens)
    assert np.array_equal(updated.offsets, anew.offsets)
    for word in ("custom", "record", "保管"):
        assert np.array_equal(updated.scores([word]), anew.scores([word]))


@pytest.mark.parametrize("dimensions", [100, 384])
def test_signs_find_the_nearest_of_the_rows_that_are_asked_for(tmp_path: Path, dimensions: int) -> None:
    generator = np.random.default_rng(3)
    centres = generator.standard_normal((20, dimensions), dtype=np.float32)
    vectors = centres[generator.integers(0, 20, 2000)] + 0.7 * generator.standard_normal(
        (2000, dimensions), dtype=np.float32
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    SignCodes.write(tmp_path / "signs.npy", vectors)
    signs = SignCodes(tmp_path / "signs.npy")
    for rows in (np.arange(2000), np.arange(0, 2000, 2), np.arange(1000, 1500)):
        best = np.argsort(-(vectors[rows] @ vectors[1200]))[:10]
        near = signs.nearest(vectors[1200], rows, 200)
        assert 200 <= len(near) < 300
        assert set(best) <= set(near)
    assert len(signs.nearest(vectors[0], np.arange(50), 200)) == 50


QUESTIONS = [
    "How long does customs take to decide on an application in the European Union?",
    "solvency of the applicant",
    "seal inspection of containers before loading",
    "mutual recognition with Japan",
    "fees for the certificate",
]


@pytest.mark.parametrize("jurisdictions", [None, frozenset({"EU", "GB", "US", "CN", "SG", "HK"})])
def test_a_first_look_by_signs_changes_little(
    shipped_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jurisdictions: frozenset[str] | None
) -> None:
    index = Index.open(shipped_index)
    exact = [[hit.passage.id for hit in index.search(q, 5, Filter(jurisdictions))] for q in QUESTIONS]
    SignCodes.write(tmp_path / "signs.npy", np.load(index.folder / "vectors.npy"))
    monkeypatch.setattr(index, "_signs", SignCodes(tmp_path / "signs.npy"))
    monkeypatch.setattr(search, "EXACT_LIMIT", 100)
    monkeypatch.setattr(search, "NEAREST", 300)
    narrowed = [[hit.passage.id for hit in index.search(q, 5, Filter(jurisdictions))] for q in QUESTIONS]
    same = sum(len(set(a) & set(b)) for a, b in zip(exact, narrowed, strict=True))
    assert same >= 0.9 * sum(map(len, exact))
    among = index.rows(Filter(jurisdictions))
    vector = index.embed([QUESTIONS[0]])[0]
    scores = index.dense(vector, among)
    assert len(scores) == len(among)
    assert 300 <= (scores != 0).sum() < len(among)
    assert scores.max() == pytest.approx((np.load(index.folder / "vectors.npy")[among] @ vector).max(), rel=1e-4)
    index.close()


def _held(folder: Path) -> dict[str, tuple[object, tuple[float, ...]]]:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(folder / "chroma"), settings=Settings(anonymized_telemetry=False))
    found = client.get_collection("passages", embedding_function=None).get(include=["embeddings", "metadatas"])
    rows = zip(found["ids"], found["metadatas"], found["embeddings"], strict=True)
    held = {name: (data["jurisdiction"], tuple(vector.round(3))) for name, data, vector in rows}
    client.close()
    return held


def test_an_update_brings_chroma_up_to_date_where_it_differs(tmp_path: Path) -> None:
    folder, index, anew = tmp_path / "rules", tmp_path / "index", tmp_path / "anew"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.md").write_text(
            f"Rule {number} binds the applicant.\n\nIt is kept for {number} years.", "utf-8"
        )
    build_index(index, files_of(folder))
    before = _held(current_version(index))
    (folder / "1.md").unlink()
    (folder / "2.md").write_text("Rule 2 binds nobody any more.", "utf-8")
    (folder / "9.md").write_text("Rule 9 is new.", "utf-8")
    build_index(index, files_of(folder), update=True)
    build_index(anew, files_of(folder))
    after = _held(current_version(index))
    assert after == _held(current_version(anew))
    assert len(after.keys() & before.keys()) == 4
    with (
        Path(current_version(index) / "vectors.npy").open("rb") as one,
        (current_version(anew) / "vectors.npy").open("rb") as two,
    ):
        assert np.array_equal(np.load(one), np.load(two))


def test_a_very_large_collection_is_not_kept_in_embedded_chroma(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "rule.md").write_text("\n\n".join(f"Rule {n} binds the applicant {n} times." for n in range(30)), "utf-8")
    for name in ("CHROMA_LIMIT", "EXACT_LIMIT"):
        monkeypatch.setattr(build, name, 20)
    build_index(tmp_path / "index", files_of(folder))
    version = current_version(tmp_path / "index")
    assert not (version / "chroma").exists()
    assert (version / "signs.npy").exists()
    index = Index.open(tmp_path / "index")
    assert index.search("rule 7", 1, Filter())[0].passage.text.startswith("Rule 7 ")
    index.close()
