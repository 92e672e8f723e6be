"""Spans of steps and calls: there, and without prompts unless asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from assistant.answer import Question
from assistant.llm import tracing
from assistant.service import Assistant
from assistant.settings import Settings
from tests.llm.cases import EU_TIME, TRUE
from tests.llm.scripted import Reply, ScriptedServer, answer, token_of


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize("asked_for", [False, True])
def test_prompts_only_where_asked_for(
    asked_for: bool, spans: InMemorySpanExporter, llm_settings: Settings, server: ScriptedServer
) -> None:
    server.script = lambda request: Reply(answer((TRUE[EU_TIME][0], [token_of(request, "120 days")])))
    Assistant(llm_settings.model_copy(update={"trace_prompts": asked_for})).ask(Question(EU_TIME))
    finished = spans.get_finished_spans()
    names = [span.name for span in finished]
    assert {"aeo.step.understand", "aeo.step.retrieve", "aeo.step.write", "chat scripted"} <= set(names)
    call = next(span for span in finished if span.name == "chat scripted")
    step = next(span for span in finished if span.name == "aeo.step.write")
    assert call.parent is not None
    assert call.parent.span_id == step.context.span_id
    assert call.attributes is not None
    assert call.attributes["gen_ai.usage.input_tokens"] == 120
    held = str([dict(span.attributes or {}) for span in finished])
    assert ("120 days" in held) is asked_for


def test_a_failed_call_names_the_kind_of_error_only(
    spans: InMemorySpanExporter, writer: Assistant, server: ScriptedServer
) -> None:
    server.script = lambda request: Reply(status=401)
    writer.ask(Question(EU_TIME))
    call = next(span for span in spans.get_finished_spans() if span.name == "chat scripted")
    assert not call.status.is_ok
    assert "scripted" not in (call.status.description or "")
