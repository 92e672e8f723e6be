"""A small index of its own notes, whose words the hostile cases twist, and a scripted model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web.support import eventually

from assistant.service import Assistant
from assistant.settings import Settings
from indexing.build import build_index
from indexing.sources import note_files
from tests.llm.scripted import ScriptedServer

NOTES = Path(__file__).parent / "notes"


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of an index of the notes beside these tests."""
    index = tmp_path_factory.mktemp("small") / "index"
    build_index(index, note_files(NOTES))
    return index


@pytest.fixture(scope="session")
def server() -> Iterator[ScriptedServer]:
    """The scripted model, one for all tests: its script is set by each."""
    running = ScriptedServer()
    yield running
    running.close()


@pytest.fixture(scope="session")
def llm_settings(small_index: Path, server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose model is the scripted one."""
    database = tmp_path_factory.mktemp("database") / "aeo.sqlite3"
    return Settings(
        index=small_index,
        database_url=f"sqlite:///{database}",
        llm="scripted",
        llm_base_url=server.url,
        llm_timeout_s=3,
    )


@pytest.fixture(scope="session")
def writer(llm_settings: Settings) -> Assistant:
    """The assistant whose answers the scripted model writes."""
    return Assistant(llm_settings)


@pytest.fixture(autouse=True)
def fresh_limits(server: ScriptedServer) -> Iterator[None]:
    """No test inherits the breaker, the cache, or an open call of another: a server notices late that one has left."""
    from assistant.llm import steps

    eventually(lambda: not server.open)

    for caller in steps._callers.values():
        caller.breaker.succeeded()
        caller._cache.clear()
        caller._refuses_options = False
    yield
