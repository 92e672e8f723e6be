"""The steps of a language model among those of the pipeline: reading the question, and writing the answer.

The extractive answer is always made first. It stands whenever the model fails, rests, or writes too little that holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from assistant.answer import Event
from assistant.conclude import marked
from assistant.context import Context, Section, Statement, Step, Support
from assistant.language import detect
from assistant.llm.check import Reviewer, as_sections
from assistant.llm.limits import Account, Caller
from assistant.llm.models import LlmError, open_model
from assistant.llm.prompts import prompt
from assistant.llm.tracing import inside, step_span
from assistant.llm.translation import NAMES, translatable
from assistant.llm.understand import apply, declined, read, retrieve_parts, worth_reading
from assistant.llm.write import drafts, tokens_of
from assistant.settings import Settings
from corpus.programmes import programmes
from indexing.passages import Passage

log = logging.getLogger(__name__)

Steps = tuple[tuple[str, Step], ...]

GIVEN = 6
"""Passages that the model gets for one programme."""
GIVEN_EACH = 3
"""For each of several programmes."""

_callers: dict[tuple[Any, ...], Caller] = {}
_opening = threading.Lock()


@dataclass(frozen=True, slots=True)
class Models:
    """What an answer's steps share."""

    writer: Caller
    second: Caller | None


def callers(settings: Settings) -> Models:
    """The models that the settings name, opened once for the process.

    Raises:
        LlmError: one of them cannot be opened.

    """
    assert settings.llm is not None
    second = _caller(settings.llm_check_model, settings) if settings.llm_check_model else None
    return Models(_caller(settings.llm, settings), second)


def _caller(name: str, settings: Settings) -> Caller:
    fields = [field for field in type(settings).model_fields if field.startswith(("llm_", "trace_"))]
    key: tuple[Any, ...] = (name, *(str(getattr(settings, field)) for field in fields))
    if settings.llm_api_key:
        key = (*key, hash(settings.llm_api_key.get_secret_value()))
    with _opening:
        if key not in _callers:
            _callers[key] = Caller(open_model(name, settings), settings)
        return _callers[key]


def warm(settings: Settings) -> None:
    """Open the models ahead of the first question: importing a provider's package takes seconds."""
    try:
        callers(settings)
    except LlmError as error:
        log.warning("language model not used: %s", error)


def with_model(steps: Steps, settings: Settings) -> Steps:
    """The pipeline's steps with the model's: `read` after `guard`, `write` after `verify`. Each has a span."""
    added: dict[str, tuple[str, Step]] = {
        "guard": ("read", _read),
        "retrieve": ("parts", _parts),
        "verify": ("write", _write),
    }
    made: list[tuple[str, Step]] = []
    for name, step in steps:
        made.append((name, _spanned(name, step)))
        if name in added:
            made.append(added[name])
    return tuple(made)


def _spanned(name: str, step: Step) -> Step:
    def run(context: Context) -> Iterator[Event] | None:
        with step_span(name):
            return step(context)

    return run


def _models(context: Context) -> Models | None:
    try:
        return callers(context.settings)
    except LlmError as error:
        if not any(note["step"] == "open" for note in context.trace):
            context.trace.append({"step": "open", "outcome": "failed", "reasons": [str(error)]})
            log.warning("language model not used: %s", error)
        return None


def _read(context: Context) -> None:
    """Read the question with the model where the rules may see too little."""
    models = _models(context)
    if models is None or context.status is not None or not worth_reading(context):
        return
    account = Account()
    with step_span("read") as span:
        apply(read(models.writer, context, account, inside(span)), context)
    _book(models.writer, context, account)


def _parts(context: Context) -> None:
    """Search for each part of a compound question."""
    read_as = next((note for note in context.trace if note["step"] == "understand"), {})
    if read_as.get("parts"):
        retrieve_parts(context, tuple(read_as["parts"]))


def _write(context: Context) -> Iterator[Event] | None:
    """Write the answer with the model, in place of the extractive one."""
    models = _models(context)
    if models is None:
        context.notices.append(_not_written("The language model cannot be used."))
        return None
    supports = [s for section in context.sections for statement in section.statements for s in statement.support]
    if not supports or all(support.passage.status == "gap" for support in supports):
        return None  # nothing is held: no model may fill that
    given = tokens_of(_given(context))
    return _written(context, models, given) if given else None


def _given(context: Context) -> list[Passage]:
    """Passages for the model: those of the extractive answer first, then the next best; none that gives orders."""
    most = GIVEN if len(context.jurisdictions) == 1 else GIVEN_EACH
    chosen: list[Passage] = []
    for code in context.jurisdictions:
        own = [
            support.passage
            for section in context.sections
            for statement in section.statements
            for support in statement.support
            if support.passage.jurisdiction == code
        ]
        next_best = [hit.passage for hit in context.hits.get(code, []) if hit.passage.status == "verified"]
        taken = [p for p in dict.fromkeys([*own, *next_best]) if p.status == "verified" and p.language == "en"][:most]
        for passage in taken:
            if declined(passage.text, context) == "injection":
                context.trace.append(
                    {
                        "step": "write",
                        "outcome": "withheld",
                        "passage": passage.id,
                        "reasons": ["reads like an instruction"],
                    }
                )
            else:
                chosen.append(passage)
    return chosen


def _written(context: Context, models: Models, given: dict[str, Passage]) -> Iterator[Event]:
    """Show each sentence as soon as it holds; then what it left out; then, where that is too little, the provisions."""
    account, second_account = Account(), Account()
    reviewer = Reviewer(context, given, models.second, second_account)
    show = _Shower(context)
    failure = ""
    verdicts = []
    wanted = context.language != "en" and models.second is not None and translatable(context.language)
    language = NAMES[context.language] if wanted else None
    key = (prompt("write").version, context.index.version, ",".join(context.jurisdictions))
    with step_span("write", **{"aeo.model": models.writer.model.name}) as span:
        stream = drafts(models.writer, context.text, context.audience, given, language, key, account, inside(span))
        try:
            with closing(stream):
                for draft in stream:
                    if draft is None:
                        yield Event("step", "write")
                        continue
                    verdict = reviewer.review(draft)
                    verdicts.append(verdict)
                    context.trace.append(verdict.to_trace())
                    if verdict.statement is not None:
                        yield from show(verdict.statement)
        except LlmError as error:
            failure = str(error)
            log.warning("language model: %s", failure)
        finally:
            _note(context, models, account, second_account, failure, given)
        shown = [verdict for verdict in verdicts if verdict.statement is not None]
        span.set_attribute("aeo.sentences.shown", len(shown))
        span.set_attribute("aeo.sentences.dropped", len(verdicts) - len(shown))
    if not shown:
        context.notices.append(_not_written(_why_nothing(failure, bool(verdicts))))
        return
    for statement in reviewer.omitted():
        context.trace.append(
            {"step": "write", "outcome": "appended", "shown": statement.text, "reasons": ["left out by the model"]}
        )
        yield from show(statement)
    if failure or _too_little(context, reviewer.statements, len(shown), len(verdicts)):
        context.notices.append("The model's answer was incomplete; the provisions themselves follow it.")
        for statement in _remaining(context.sections, reviewer.statements):
            reviewer.statements.append(statement)
            yield from show(statement)
    context.sections = as_sections(show.statements, _titles(context))
    context.streamed = True
    if any(verdict.outcome in ("kept", "attributed") for verdict in shown):
        context.composer = models.writer.model.name
    else:
        context.notices.append(_not_written(_why_nothing(failure, wrote=True)))
    context.notices += _language_notices(context, [verdict.statement.text for verdict in shown if verdict.statement])


class _Shower:
    """Turns statements into events with the markers that the whole answer will have."""

    def __init__(self, context: Context) -> None:
        self.statements: list[Statement] = []
        self._numbers: dict[tuple[str, int, int], int] = {}
        self._supports: list[Support] = []
        self._titles = _titles(context)
        self._several = len(context.jurisdictions) > 1

    def __call__(self, statement: Statement) -> Iterator[Event]:
        title = self._titles[statement.support[0].passage.jurisdiction]
        before = self._titles[self.statements[-1].support[0].passage.jurisdiction] if self.statements else ""
        if not self.statements or title != before or len(self.statements) == 1:
            statement = replace(statement, leads=True)
        if self._several and title != before:
            yield Event("sentence", f"**{title}**")
        self.statements.append(statement)
        yield Event("sentence", ("- " if statement.bullet else "") + marked(statement, self._numbers, self._supports))


def _titles(context: Context) -> dict[str, str]:
    held = programmes()
    return {code: held[code].name if code in held else code for code in context.jurisdictions}


def _too_little(context: Context, statements: list[Statement], shown: int, written: int) -> bool:
    """Most was dropped, or a programme asked about, or every provision that fits best, is missing from the answer."""
    cited = {support.passage.id for statement in statements for support in statement.support}
    answered = {support.passage.jurisdiction for statement in statements for support in statement.support}
    best = {s.support[0].passage.id for section in context.sections for s in section.statements if s.support}
    wanted = {
        s.support[0].passage.jurisdiction for section in context.sections for s in section.statements if s.support
    }
    return shown * 2 < written or not cited & best or bool(wanted - answered)


def _remaining(sections: tuple[Section, ...], given: list[Statement]) -> list[Statement]:
    """Statements of the extractive answer whose words support nothing yet; what they add is appended already."""
    quoted = {(s.passage.id, s.start, s.end) for statement in given for s in statement.support}
    return [
        replace(statement, leads=False, bullet=True)
        for section in sections
        for statement in section.statements
        if not any((s.passage.id, s.start, s.end) in quoted for s in statement.support)
    ]


def _why_nothing(failure: str, wrote: bool) -> str:
    if failure:
        return "The language model gave no answer."
    return (
        "No sentence of the language model held against the provisions."
        if wrote
        else "The language model found no answer."
    )


def _not_written(why: str) -> str:
    return f"{why} These are the provisions themselves."


def _language_notices(context: Context, texts: list[str]) -> list[str]:
    if context.language == "en":
        return []
    name = NAMES.get(context.language, context.language)
    translated = [detect(text) == context.language for text in texts]
    if any(translated):
        line = f"Unofficial translation into {name} by a language model; the quoted words of the provisions count."
        return [line] if all(translated) else [line, "Sentences whose translation could not be checked are in English."]
    return [f"The answer is in English: no translation into {name} could be checked."]


def _book(caller: Caller, context: Context, account: Account) -> None:
    caller.accounts.book(context.question.asker, account)
    if account.calls or account.cached:
        context.trace.append({"step": "account", "model": caller.model.name, **account.to_json()})


def _note(
    context: Context, models: Models, account: Account, second: Account, failure: str, given: dict[str, Passage]
) -> None:
    context.trace.append(
        {
            "step": "write",
            "outcome": "failed" if failure else "ended",
            "model": models.writer.model.name,
            "prompt": prompt("write").version,
            "passages": {token: passage.id for token, passage in given.items()},
            "reasons": [failure] if failure else [],
        }
    )
    _book(models.writer, context, account)
    if models.second is not None:
        _book(models.second, context, second)
