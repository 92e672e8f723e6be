"""Builds that are killed at any instant leave the last good version served."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from corpus.loader import NOTES
from indexing.build import build_index, verify_index
from indexing.search import Index
from indexing.sources import SHIPPED_VECTORS, note_files
from indexing.versions import IndexBusy, IndexMissing, IndexUnusable, current_version, writing

KILLS = 50


def _build(index: str, notes: str) -> None:
    build_index(Path(index), note_files(Path(notes)), shipped=SHIPPED_VECTORS)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    shutil.copytree(NOTES / "hk", folder / "hk")
    return folder


def test_fifty_kills_leave_a_whole_index(tmp_path: Path, notes: Path) -> None:
    index = tmp_path / "index"
    _build(str(index), str(notes))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["indexing.build", "indexing.sources", "chromadb"])
    started = time.perf_counter()
    whole = context.Process(target=_build, args=(str(index), str(notes)))
    whole.start()
    whole.join()
    duration = time.perf_counter() - started
    chance = random.Random(20261122)
    killed = tries = 0
    while killed < KILLS:
        tries += 1
        assert tries <= 4 * KILLS, "builds end before they can be killed"
        (notes / "hk" / "extra.md").write_text(_note(tries), encoding="utf-8")
        process = context.Process(target=_build, args=(str(index), str(notes)))
        started = time.perf_counter()
        process.start()
        process.join(chance.uniform(0, duration))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        else:  # the machine is quicker than it was: aim earlier
            duration = min(duration, time.perf_counter() - started)
        process.join()
        opened = Index.open(index)
        assert opened.store.documents()
        opened.close()
    assert verify_index(index) == []
    _build(str(index), str(notes))
    assert not list(index.glob(".building-*"))
    assert len(list((index / "versions").iterdir())) <= 2


def _note(number: int) -> str:
    head = (NOTES / "hk").glob("*.md").__next__().read_text(encoding="utf-8").split("\n---\n")[0]
    head = "\n".join(f"id: extra-{number}" if line.startswith("id:") else line for line in head.split("\n"))
    key = next(line.strip().rstrip(":") for line in head.split("sources:\n")[1].split("\n") if line.startswith("  "))
    return f"{head}\n---\n# Extra\n\n## Contact\n\n- Sentence number {number} of a test. [@{key}]\n"


def test_only_one_process_builds(tmp_path: Path) -> None:
    with writing(tmp_path / "index"), pytest.raises(IndexBusy, match="another process"), writing(tmp_path / "index"):
        pass


def test_no_index_yet(tmp_path: Path) -> None:
    with pytest.raises(IndexMissing, match="aeo index build"):
        current_version(tmp_path / "none")


def test_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnusable, match="--index"), writing(tmp_path / "file"):
        pass
