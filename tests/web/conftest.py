"""A small index and what runs over it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from assistant.settings import Settings
from corpus.loader import NOTES
from indexing.build import build_index
from indexing.sources import SHIPPED_VECTORS, note_files
from web.support import HOSTILE, RESTRICTED, GatedAssistant


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four programmes of the shipped guidance, a note for officers only, and one full of markup."""
    notes = tmp_path_factory.mktemp("notes")
    for code in ("eu", "gb", "jp", "us"):
        shutil.copytree(NOTES / code, notes / code)
    (notes / "eu" / "restricted.md").write_text(RESTRICTED, encoding="utf-8")
    (notes / "is").mkdir()
    (notes / "is" / "test.md").write_text(HOSTILE, encoding="utf-8")
    index = tmp_path_factory.mktemp("small") / "index"
    report = build_index(index, note_files(notes), shipped=SHIPPED_VECTORS)
    assert not report.problems
    return index


@pytest.fixture
def settings(small_index: Path, tmp_path: Path) -> Settings:
    """Settings over the small index and a database of the test's own."""
    return Settings(index=small_index, database_url=f"sqlite:///{tmp_path / 'aeo.sqlite3'}")


@pytest.fixture
def gated(settings: Settings) -> GatedAssistant:
    """The assistant whose answers can be held up."""
    return GatedAssistant(settings)
