"""From question to answer: the steps, in order."""

from __future__ import annotations

import time
from collections.abc import Iterator

from assistant.answer import Event, Question
from assistant.compose import compose
from assistant.conclude import conclude, support_of
from assistant.context import Context, Step
from assistant.guard import guard
from assistant.retrieve import retrieve
from assistant.settings import Settings
from assistant.understand import scope, understand
from assistant.verify import verify
from indexing.search import Index

STEPS: tuple[tuple[str, Step], ...] = (
    ("understand", understand),
    ("guard", guard),
    ("scope", scope),
    ("retrieve", retrieve),
    ("compose", compose),
    ("verify", verify),
    ("support", support_of),
)


def answer_question(
    question: Question, index: Index, settings: Settings, steps: tuple[tuple[str, Step], ...] = STEPS
) -> Iterator[Event]:
    """Run the steps until one sets a status; events as they happen, the whole answer last.

    Raises:
        QuestionError: the question is empty, too long, or no text.
    """
    context = Context(question=question, index=index, settings=settings)
    timings: dict[str, float] = {}
    for name, step in steps:
        yield Event("step", name)
        started = time.perf_counter()
        step(context)
        timings[name] = round((time.perf_counter() - started) * 1000, 2)
        if context.status is not None:
            break
    answer = conclude(context, timings)
    for sentence in answer.answer.split("\n\n"):
        yield Event("sentence", sentence)
    yield Event("answer", answer=answer)
