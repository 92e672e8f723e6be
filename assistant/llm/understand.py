"""Reads a question with a model: completes follow-ups, finds programmes the rules missed, the language, and its parts.

Whatever the model says is taken only where it can be checked against the words of the conversation; the rest falls back
to the rules, one thing at a time.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from assistant.answer import QuestionError
from assistant.concepts import concepts_in
from assistant.context import Context
from assistant.guard import guard
from assistant.language import detect
from assistant.llm.limits import Account, Caller
from assistant.llm.models import LlmError
from assistant.llm.prompts import fenced, prompt
from assistant.llm.translation import base
from assistant.programmes import fold, mentions, programme_codes
from assistant.retrieve import retrieve
from assistant.verify import figures
from corpus.programmes import english_names, programmes, territory_names

MOST_PARTS = 3
ALIKE = 0.8
"""How alike the words of a question and a programme's name must be, for a misspelling of it (difflib ratio)."""

SCHEMA: dict[str, Any] = {
    "name": "question",
    "strict": True,
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "required": ["question", "programmes", "language", "parts"],
        "properties": {
            "question": {"type": "string"},
            "programmes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["code", "words"],
                    "properties": {"code": {"type": "string"}, "words": {"type": "string"}},
                },
            },
            "language": {"type": "string"},
            "parts": {"type": "array", "items": {"type": "string"}},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model read in a question, as far as it could be checked; empty where the rules stand."""

    text: str = ""
    programmes: tuple[str, ...] = ()
    language: str = ""
    parts: tuple[str, ...] = ()


def worth_reading(context: Context) -> bool:
    """Whether a model may see more than the rules: a follow-up, no programme, another language, several questions."""
    asked = context.question.text
    several = len(re.findall(r"[?？]", asked)) > 1 or len(asked.split()) > 30
    return bool(context.question.history) or not context.jurisdictions or context.language != "en" or several


def read(caller: Caller, context: Context, account: Account, parent: Any = None) -> Reading:
    """Ask the model, check what it says, and note both in the trace. Never raises: an outage leaves the rules alone."""
    earlier = "\n".join(f"- {fenced(turn.question)}" for turn in context.question.history)
    asked = prompt("understand")
    messages = asked.messages(
        most=str(MOST_PARTS),
        earlier=f"<earlier>\n{earlier}\n</earlier>" if earlier else "",
        question=fenced(context.question.text),
    )
    note: dict[str, Any] = {"step": "understand", "model": caller.model.name, "prompt": asked.version}
    try:
        said = _object(caller.complete(messages, "understand", SCHEMA, account=account, parent=parent))
    except (LlmError, ValueError) as error:
        context.trace.append({**note, "outcome": "rules", "reasons": [str(error)]})
        return Reading()
    reading, reasons = _checked(said, context)
    context.trace.append(
        {
            **note,
            "outcome": "model",
            "question": reading.text,
            "programmes": list(reading.programmes),
            "language": reading.language,
            "parts": list(reading.parts),
            "reasons": reasons,
        }
    )
    return reading


def _object(text: str) -> dict[str, Any]:
    """The first JSON object of a text.

    Raises:
        ValueError: there is none.

    """
    start = text.find("{")
    if start < 0:
        raise ValueError("the model answered out of form")
    try:
        value, _ = json.JSONDecoder().raw_decode(text, start)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError("the model answered out of form") from error
    return dict(value)


def _checked(said: dict[str, Any], context: Context) -> tuple[Reading, list[str]]:
    reasons: list[str] = []
    spoken = " ".join([*(turn.question for turn in context.question.history), context.question.text])
    text = said.get("question")
    text = _question(text, spoken, context, reasons) if isinstance(text, str) else ""
    listed = said.get("programmes")
    codes = [_programme(entry, spoken, context, reasons) for entry in (listed if isinstance(listed, list) else [])]
    language = said.get("language")
    language = language[:2].casefold() if isinstance(language, str) and re.match(r"[A-Za-z]{2}\b", language) else ""
    if language and not _plausible(language, context.question.text):
        reasons.append(f"language '{language}' does not fit the question")
        language = ""
    listed = said.get("parts")
    parts = [
        checked
        for part in (listed if isinstance(listed, list) else [])[:MOST_PARTS]
        if isinstance(part, str) and (checked := _question(part, spoken, context, reasons))
    ]
    return Reading(
        text, tuple(dict.fromkeys(c for c in codes if c)), language, tuple(parts if len(parts) > 1 else ())
    ), reasons


def _question(text: str, spoken: str, context: Context, reasons: list[str]) -> str:
    """The text, or "" where it asks what was not said (a figure, a programme) or what would be declined."""
    plain = " ".join(text.split())
    if not 3 <= len(plain) <= max(300, 2 * len(spoken)):
        reasons.append("a rewritten question of unlikely length")
        return ""
    if detect(plain) != "en":
        reasons.append("a rewritten question that is not in English")
        return ""
    own = {mention.code for mention in mentions(spoken)} | set(context.jurisdictions)
    own |= {code for turn in context.question.history for code in turn.jurisdictions}
    if figures(plain) - figures(spoken) - figures(context.text):
        reasons.append("a rewritten question with a figure that was not said")
        return ""
    if {mention.code for mention in mentions(plain)} - own:
        reasons.append("a rewritten question with a programme that was not said")
        return ""
    if declined(plain, context) is not None:
        reasons.append("a rewritten question that would be declined")
        return ""
    return plain


def declined(text: str, context: Context) -> str | None:
    """Why the guard would decline a text, or None."""
    asked = replace(context.question, text=text[: context.settings.max_question_chars])
    probe = replace(context, question=asked, language="en", status=None, reason=None)
    try:
        guard(probe)
    except QuestionError:
        return "unreadable"
    return probe.reason


def _programme(entry: Any, spoken: str, context: Context, reasons: list[str]) -> str | None:
    """A programme's code where the words given for it were said and name it, perhaps misspelt."""
    if not isinstance(entry, dict):
        return None
    code, words = str(entry.get("code", "")).upper(), " ".join(str(entry.get("words", "")).split())
    if code not in context.index.jurisdictions or len(words) < 2 or fold(words) not in fold(spoken):
        reasons.append(f"programme '{code[:8]}' whose words were not said, or that is not held")
        return None
    if code in programme_codes(mentions(words), frozenset(context.index.jurisdictions))[0]:
        return code
    names = [*territory_names().get(code, ()), *(programmes()[code].aliases if code in programmes() else ())]
    alike = max((difflib.SequenceMatcher(None, fold(words), fold(name)).ratio() for name in names), default=0.0)
    if alike >= ALIKE and len(words) > 3:
        return code
    reasons.append(f"programme '{code}' that its words do not name")
    return None


def _plausible(language: str, text: str) -> bool:
    """Whether the text may be in the language: the rules agree, or take it for English for want of signs."""
    by_rules = detect(text)
    if by_rules == "en":
        return not re.search(r"[\u0370-\uffff]", text) and language in _LATIN
    return base(by_rules) == language


_LATIN = frozenset(("de", "en", "es", "fr", "id", "it", "nl", "pt", "tr", "vi"))


def apply(reading: Reading, context: Context) -> None:
    """Take over what was read. A programme that the rules found is never replaced."""
    if reading.language and base(context.language) != reading.language:
        context.language = reading.language
    if reading.programmes and not context.jurisdictions:
        context.jurisdictions = reading.programmes
        names = " and ".join(english_names().get(code, code) for code in reading.programmes)
        context.notices.append(f"I understood your question to be about {names}.")
    if reading.text:
        context.text = reading.text
        context.concepts = tuple(concepts_in(reading.text)) or context.concepts


def retrieve_parts(context: Context, parts: tuple[str, ...]) -> None:
    """Passages for each part of the question, the parts taking turns, before those for the whole."""
    found = []
    for part in parts:
        probe = replace(context, text=part, concepts=tuple(concepts_in(part)) or context.concepts, hits={})
        retrieve(probe)
        found.append(probe.hits)
    for code in context.jurisdictions:
        ranked = [hits.get(code, []) for hits in [*found, context.hits]]
        mixed = [hits[i] for i in range(max(map(len, ranked), default=0)) for hits in ranked if i < len(hits)]
        context.hits[code] = list({hit.passage.id: hit for hit in reversed(mixed)}.values())[::-1]
