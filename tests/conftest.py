"""What tests share: an index of the shipped guidance, built once, and an assistant over it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.service import Assistant
from assistant.settings import Settings
from indexing.build import build_index
from indexing.library import collection
from indexing.search import Index
from indexing.sources import SHIPPED_QUESTIONS, SHIPPED_VECTORS

for name in [name for name in os.environ if name.startswith(("AEO_", "SLACK_"))]:
    del os.environ[name]  # a developer's own settings must not reach the tests
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def shipped_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of an index of the whole shipped guidance."""
    index = tmp_path_factory.mktemp("shipped") / "index"
    build_index(index, collection(None, index), shipped=SHIPPED_VECTORS, questions=SHIPPED_QUESTIONS)
    return index


@pytest.fixture(scope="session")
def index(shipped_index: Path) -> Iterator[Index]:
    """The shipped guidance, opened."""
    opened = Index.open(shipped_index)
    yield opened
    opened.close()


@pytest.fixture
def settings(shipped_index: Path, tmp_path: Path) -> Settings:
    """Settings over the shipped guidance and a database of the test's own."""
    return Settings(index=shipped_index, database_url=f"sqlite:///{tmp_path / 'aeo.sqlite3'}")


@pytest.fixture
def assistant(settings: Settings) -> Assistant:
    """The assistant over the shipped guidance."""
    return Assistant(settings)
