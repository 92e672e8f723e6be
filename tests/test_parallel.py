"""Work spread over processes gives the same vectors; filtered searches score the same, however they are computed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

import indexing.cluster
from evals.scale import files_for, passages_of
from indexing.build import Manifest, build_index
from indexing.cluster import ClusterPool, ClusterUnavailable
from indexing.embedding import OnnxEmbedder
from indexing.parallel import CHUNK, ParallelEmbedder, embed_parallel
from indexing.sources import files_of
from indexing.store import PassageStore
from indexing.vectors import ExactVectors
from indexing.versions import current_version
from integrations.cli.main import aeo

TEXTS = [f"The applicant shall keep record {n} for {n % 9} years." for n in range(CHUNK * 2 + 5)]


def test_two_workers_give_the_same_vectors_in_the_same_order() -> None:
    assert np.array_equal(embed_parallel(TEXTS, 2, onnx=True), OnnxEmbedder().embed(TEXTS))


def test_an_index_built_by_two_workers_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(3):
        (folder / f"rule-{number}.md").write_text("\n\n".join(TEXTS[number::3]), "utf-8")
    folders = []
    for workers in (1, 2):
        build_index(tmp_path / str(workers), files_of(folder), workers=workers)
        folders.append(current_version(tmp_path / str(workers)))
    one, two = folders
    passages = [list(PassageStore(each / "passages.sqlite").all()) for each in folders]
    assert passages[0] == passages[1]
    assert Manifest.open(one).version == Manifest.open(two).version
    assert np.array_equal(np.load(one / "vectors.npy"), np.load(two / "vectors.npy"))


def test_any_pool_with_imap_will_do() -> None:
    """As Ray's `ray.util.multiprocessing.Pool` is one; threads stand in for it here."""
    with ThreadPool(2) as pool, ParallelEmbedder(2, onnx=True, pool=pool) as embedder:
        assert np.array_equal(embedder.embed(TEXTS), OnnxEmbedder().embed(TEXTS))
        assert embedder.embed([]).shape == (0, 384)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a Dask scheduler with two worker processes."""
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as running:
        yield running.scheduler_address


def test_an_index_built_by_a_cluster_is_the_same(tmp_path: Path, cluster: str) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number in range(3):
        (folder / f"rule-{number}.md").write_text("\n\n".join(TEXTS[number::3]), "utf-8")
    build_index(tmp_path / "here", files_of(folder))
    command = ["index", "build", "--source", str(folder), "--index", str(tmp_path / "there"), "--json"]
    built = CliRunner().invoke(aeo, command, env={"AEO_CLUSTER": cluster})
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout)["embedded"] == len(TEXTS)
    here, there = (current_version(tmp_path / name) for name in ("here", "there"))
    passages = [list(PassageStore(each / "passages.sqlite").all()) for each in (here, there)]
    assert passages[0] == passages[1]
    assert Manifest.open(here).version == Manifest.open(there).version
    assert np.array_equal(np.load(here / "vectors.npy"), np.load(there / "vectors.npy"))


def test_work_is_spread_over_the_workers_of_a_cluster(cluster: str) -> None:
    with ClusterPool(cluster) as pool:
        assert pool.workers == 2
        assert list(pool.imap(len, ["a", "bb", "ccc"])) == [1, 2, 3]
        assert len(set(pool.imap(_slow_process, range(8)))) == 2


def _slow_process(_: int) -> int:
    time.sleep(0.2)
    return os.getpid()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nowhere", "http://127.0.0.1:9"])
def test_a_scheduler_that_does_not_answer_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.cluster, "TIMEOUT_S", 1)
    with pytest.raises(ClusterUnavailable, match=f"no Dask scheduler answers at {address}"):
        ClusterPool(address)


def test_a_cluster_without_workers_or_without_dask_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        pytest.raises(ClusterUnavailable, match="has no workers"),
    ):
        ClusterPool(empty.scheduler_address)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterUnavailable, match="Dask is not installed"):
        ClusterPool("tcp://127.0.0.1:8786")


@pytest.mark.parametrize("share", [0.01, 0.15, 0.5, 1.0])
def test_exact_scores_do_not_depend_on_how_many_rows_are_asked_for(tmp_path: Path, share: float) -> None:
    generator = np.random.default_rng(1)
    matrix = generator.standard_normal((400, 384), dtype=np.float32)
    np.save(tmp_path / "vectors.npy", matrix)
    rows = np.sort(generator.choice(400, int(400 * share), replace=False))
    scores = ExactVectors(tmp_path / "vectors.npy").scores(matrix[7], rows)
    assert scores.shape == rows.shape
    assert np.allclose(scores, [matrix[row] @ matrix[7] for row in rows], atol=1e-3)


def test_the_generated_collection_is_the_same_each_time_but_for_its_change() -> None:
    files = files_for(2500)
    assert [sum(len(ps) for _, ps in file.read(file.path)) for file in files] == [1000, 1000, 500]
    plain, again, changed = (passages_of(0, 300, change) for change in (False, False, True))
    assert plain == again
    different = [old[0].id for old, new in zip(plain, changed, strict=True) if old != new]
    assert different == ["doc-0"]
    assert files_for(2500, changed=True)[0].digest != files[0].digest
    assert files_for(2500, changed=True)[1].digest == files[1].digest
