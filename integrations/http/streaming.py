"""An answer as server-sent events while it is made."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Generator
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from assistant.answer import Event
from integrations.http.metrics import Metrics
from integrations.http.problems import problem_of

MEDIA_TYPE = "text/event-stream"
_AGAIN_S = 0.05


class EventStream(StreamingResponse):
    """Sends `first` and what `rest` yields. However the connection ends, `rest` is closed with it."""

    def __init__(self, first: Event, rest: Generator[Event], metrics: Metrics) -> None:
        self._first = first
        self._rest = rest
        self._metrics = metrics
        self._finished = False
        super().__init__(self._frames(), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; a reader who leaves cancels this call."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._closed():  # a server that stops cancels us while a step is at work in another thread
                threading.Thread(target=self._close, daemon=True).start()
            if not self._finished:
                self._metrics.stopped()

    def _closed(self) -> bool:
        """Whether the answer could be ended: not while one of its steps is at work."""
        try:
            self._rest.close()
        except ValueError:
            return False
        return True

    def _close(self) -> None:
        while not self._closed():
            time.sleep(_AGAIN_S)

    async def _frames(self) -> AsyncIterator[str]:
        event: Event | None = self._first
        try:
            while event is not None:
                if event.answer is not None:
                    self._finished = True
                    self._metrics.answered(event.answer, event.trace)
                yield _frame(*_content(event))
                event = await run_in_threadpool(next, self._rest, None)
        except Exception as error:
            self._finished = True
            yield _frame("error", problem_of(error).to_json())


def _content(event: Event) -> tuple[str, dict[str, Any]]:
    if event.answer is not None:
        return "answer", event.answer.to_json()
    return event.kind, {"name" if event.kind == "step" else "text": event.text}


def _frame(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
