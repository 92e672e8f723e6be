"""Notes with awkward content, an assistant whose answers can be held up, and a real server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import uvicorn

from assistant.answer import Event, Question
from assistant.service import Assistant
from assistant.settings import Settings
from integrations.http.app import create_app

OFFICER_WORDS = "zirconium walrus"
"""Stands in the restricted note and nowhere else."""

_FRONT = """---
id: {id}
jurisdiction: {code}
programme: {programme}
title: {title}
publisher: Test Publisher
instrument: Test Act
url: https://example.org/test
source_type: official
as_of: "2026-10"
kind: restatement
language: en
access: {access}
sources:
  act:
    title: Test Act
    short: Test Act
    url: https://example.org/test
    type: official
    as_of: "2026-10"
    undated: true
---
"""

RESTRICTED = (
    _FRONT.format(id="eu-restricted", code="EU", programme="EU AEO", title="Handbook for EU officers", access="officer")
    + f"""
# Handbook for EU officers

## Validation

- At an EU AEO validation visit an officer examines the {OFFICER_WORDS} register before the financial solvency
  records of the applicant. [@act, section 1]
"""
)

HOSTILE_SENTENCE = (
    "In Iceland the AEO certificate of 𠮷 Ltd shows <img src=x onerror=document.title='hit'> & <b>tags</b>."
)
HOSTILE = (
    _FRONT.format(id="is-test", code="IS", programme="Icelandic AEO", title="Icelandic <i>marks</i>", access="public")
    + f"""
# Icelandic marks

## Validity and monitoring

- {HOSTILE_SENTENCE} In Iceland the AEO certificate is valid for seven years. [@act, section 2]
"""
)


class GatedAssistant(Assistant):
    """The real assistant; while `gate` is not set, its answers stop after their first sentence."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.gate = threading.Event()
        self.gate.set()
        self.closed = threading.Event()
        """Set when a stream ended before its answer."""

    def stream(self, question: Question) -> Generator[Event]:
        """As the real one, held up after the first sentence until the gate is set."""
        events = super().stream(question)
        whole = False
        try:
            for event in events:
                whole = event.answer is not None
                yield event
                while event.kind == "sentence" and not self.gate.wait(0.05):
                    yield Event("step", "verify")  # a sign of life, as between the sentences of a language model
        finally:
            events.close()
            if not whole:
                self.closed.set()


@contextmanager
def serving(settings: Settings, assistant: Assistant) -> Iterator[str]:
    """The address of a server on a free port, as long as the block lasts."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings, assistant), port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)


def eventually(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
