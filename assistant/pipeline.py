"""From question to answer: the steps, in order."""

from __future__ import annotations

import time
from collections.abc import Generator

from assistant.answer import Event, Question
from assistant.compose import compose
from assistant.conclude import conclude
from assistant.context import Context, Step
from assistant.guard import guard
from assistant.retrieve import retrieve
from assistant.settings import Settings
from assistant.support import answerable, supported
from assistant.understand import scope, understand
from assistant.verify import verify
from indexing.search import Index

STEPS: tuple[tuple[str, Step], ...] = (
    ("understand", understand),
    ("guard", guard),
    ("scope", scope),
    ("retrieve", retrieve),
    ("answerable", answerable),
    ("compose", compose),
    ("verify", verify),
    ("supported", supported),
)


def steps_for(settings: Settings) -> tuple[tuple[str, Step], ...]:
    """The steps that the settings ask for: with a language model set, its steps among the others."""
    if settings.llm is None:
        return STEPS
    from assistant.llm.steps import with_model

    return with_model(STEPS, settings)


def answer_question(
    question: Question, index: Index, settings: Settings, steps: tuple[tuple[str, Step], ...] | None = None
) -> Generator[Event]:
    """Run the steps until one sets a status; events as they happen, the whole answer last.

    Closing the iterator stops the step that is at work.

    Raises:
        QuestionError: the question is empty, too long, or no text.
    """
    context = Context(question=question, index=index, settings=settings)
    timings: dict[str, float] = {}
    for name, step in steps or steps_for(settings):
        yield Event("step", name)
        started = time.perf_counter()
        shown = step(context)
        if shown is not None:
            yield from shown
        timings[name] = round((time.perf_counter() - started) * 1000, 2)
        if context.status is not None:
            break
    answer = conclude(context, timings)
    if not context.streamed:
        for sentence in answer.answer.split("\n\n"):
            yield Event("sentence", sentence)
    yield Event("answer", answer=answer, trace=tuple(context.trace))
