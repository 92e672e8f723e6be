"""Telemetry of model calls: a span per call, through LangChain's callbacks, with OpenTelemetry's names for it.

Without an OpenTelemetry SDK set up by the operator these spans go nowhere. Prompts and answers are left out unless
`AEO_TRACE_PROMPTS` asks for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from opentelemetry import trace
from opentelemetry.context import Context as Parent
from opentelemetry.trace import Span, Status, StatusCode

_tracer = trace.get_tracer("aeo.assistant")


@contextmanager
def step_span(name: str, **attributes: str | int | float | bool) -> Iterator[Span]:
    """A span for one step of the pipeline. Not made current: a step may hand control back while it works."""
    span = _tracer.start_span(f"aeo.step.{name}", attributes=attributes)
    try:
        yield span
    except Exception as error:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()


def inside(span: Span) -> Parent:
    """What spans that belong under `span` name as their parent."""
    return trace.set_span_in_context(span)


class CallSpans(AsyncCallbackHandler):
    """One span per call of a chat model."""

    def __init__(self, model: str, purpose: str, prompts: bool, parent: Parent | None) -> None:
        self._model = model
        self._purpose = purpose
        self._prompts = prompts
        self._parent = parent
        self._open: dict[UUID, Span] = {}

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Begin the call's span."""
        span = _tracer.start_span(
            f"chat {self._model}",
            context=self._parent,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": self._model,
                "aeo.purpose": self._purpose,
            },
        )
        if self._prompts:
            said = [{"role": m.type, "content": str(m.content)} for batch in messages for m in batch]
            span.set_attribute("gen_ai.input.messages", json.dumps(said, ensure_ascii=False))
        self._open[run_id] = span

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """End it, with the tokens that the provider counted."""
        span = self._open.pop(run_id, None)
        if span is None:
            return
        written = response.generations[0][0] if response.generations and response.generations[0] else None
        usage = getattr(getattr(written, "message", None), "usage_metadata", None)
        if usage:
            span.set_attribute("gen_ai.usage.input_tokens", usage["input_tokens"])
            span.set_attribute("gen_ai.usage.output_tokens", usage["output_tokens"])
        if self._prompts and written is not None:
            span.set_attribute("gen_ai.output.messages", written.text)
        span.end()

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """End it as failed, with the kind of the error only: its text may quote the prompt."""
        span = self._open.pop(run_id, None)
        if span is not None:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            span.end()
