"""A small real index, a loopback Slack, and the real app connected to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.answer import Event, Question
from assistant.service import Assistant
from assistant.settings import Settings
from corpus.loader import NOTES
from indexing.build import build_index
from indexing.search import Index
from indexing.sources import SHIPPED_VECTORS, note_files
from integrations.slack.app import run_socket_mode

from .server import APP_TOKEN, BOT_TOKEN, SECRET, LoopbackSlack

SMALL = ("notes/eu/application.md", "notes/gb/programme.md", "notes/jp/programme.md")


@pytest.fixture(scope="session")
def slack_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three programmes of the shipped guidance."""
    folder = tmp_path_factory.mktemp("slack") / "index"
    build_index(folder, [file for file in note_files(NOTES) if file.name in SMALL], shipped=SHIPPED_VECTORS)
    return folder


@pytest.fixture(scope="session")
def opened_index(slack_index: Path) -> Iterator[Index]:
    opened = Index.open(slack_index)
    opened.search("authorized economic operator", 1)
    yield opened
    opened.close()


class SlowAssistant(Assistant):
    """Hands out paragraphs slowly, as a language model would."""

    pause = 0.0

    def stream(self, question: Question) -> Iterator[Event]:
        import time

        for event in super().stream(question):
            if event.kind == "sentence":
                time.sleep(self.pause)
            yield event


@pytest.fixture
def slack_settings(slack_index: Path, tmp_path: Path) -> Settings:
    return Settings(
        index=slack_index,
        database_url=f"sqlite:///{tmp_path / 'aeo.sqlite3'}",
        slack_bot_token=BOT_TOKEN,
        slack_app_token=APP_TOKEN,
        slack_signing_secret=SECRET,
    )


@pytest.fixture
def slack_assistant(slack_settings: Settings, opened_index: Index) -> SlowAssistant:
    assistant = SlowAssistant(slack_settings)
    assistant._index = opened_index  # opened once for all tests
    return assistant


@pytest.fixture
async def slack() -> AsyncIterator[LoopbackSlack]:
    async with LoopbackSlack() as server:
        yield server


@contextlib.asynccontextmanager
async def connected(
    slack: LoopbackSlack, settings: Settings, assistant: Assistant, **changes: Any
) -> AsyncIterator[None]:
    """The app over Socket Mode, from connecting to the end of its shutdown."""
    settings = settings.model_copy(update={"slack_api_url": slack.api_url, **changes})
    stop = asyncio.Event()
    sockets = len(slack.sockets)
    running = asyncio.create_task(run_socket_mode(settings, assistant, stop, ping_interval=0.5))
    waiting = asyncio.create_task(slack.until(lambda: len(slack.sockets) > sockets))
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        waiting.cancel()
        running.result()
    try:
        yield
    finally:
        stop.set()
        await running


@pytest.fixture
async def app(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: Assistant
) -> AsyncIterator[LoopbackSlack]:
    """The loopback Slack with the app connected."""
    async with connected(slack, slack_settings, slack_assistant):
        yield slack
