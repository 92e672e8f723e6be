"""Counts and durations for Prometheus. Nothing of what was asked is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from assistant.answer import Answer

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One registry per application, so that several can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._answers = Counter("aeo_answers", "Answers given", ["status", "reason"], registry=self._registry)
        self._steps = Histogram(
            "aeo_step_seconds", "Time of each step of an answer", ["step"], registry=self._registry, buckets=_SECONDS
        )
        self._calls = Counter("aeo_model_calls", "Calls of a language model", ["model"], registry=self._registry)
        self._tokens = Counter(
            "aeo_model_tokens", "Tokens read and written by it", ["model", "direction"], registry=self._registry
        )
        self._cost = Counter("aeo_model_cost", "What they cost at the prices set", ["model"], registry=self._registry)
        self._stopped = Counter("aeo_streams_stopped", "Answers that the reader stopped", registry=self._registry)

    def answered(self, answer: Answer, trace: Iterable[dict[str, Any]] = ()) -> None:
        """Count an answer, the time of its steps, and what a language model took for it."""
        self._answers.labels(answer.status, answer.reason or "").inc()
        for step, milliseconds in answer.timings_ms.items():
            self._steps.labels(step).observe(milliseconds / 1000)
        for note in trace:
            if note["step"] == "account":
                self._calls.labels(note["model"]).inc(note["calls"])
                self._tokens.labels(note["model"], "read").inc(note["input_tokens"])
                self._tokens.labels(note["model"], "written").inc(note["output_tokens"])
                self._cost.labels(note["model"]).inc(note["cost"])

    def stopped(self) -> None:
        """Count a stream that was given up before its answer was whole."""
        self._stopped.inc()

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)
