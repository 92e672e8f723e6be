"""Counts and durations for Prometheus. Nothing of what was asked is kept."""

from __future__ import annotations

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
        self._stopped = Counter("aeo_streams_stopped", "Answers that the reader stopped", registry=self._registry)

    def answered(self, answer: Answer) -> None:
        """Count an answer and the time of its steps."""
        self._answers.labels(answer.status, answer.reason or "").inc()
        for step, milliseconds in answer.timings_ms.items():
            self._steps.labels(step).observe(milliseconds / 1000)

    def stopped(self) -> None:
        """Count a stream that was given up before its answer was whole."""
        self._stopped.inc()

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)
