"""Asks a model for an answer over passages, and reads its sentences as they come, as JSON or as plain text."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from assistant.llm.limits import Account, Caller
from assistant.llm.models import LlmError
from assistant.llm.prompts import fenced, prompt
from indexing.passages import Passage
from indexing.sentences import sentence_spans

MOST_SENTENCES = 8
"""Asked for."""
MOST_DRAFTS = 16
"""Read; what comes after is not."""
MOST_CHARS = 12_000
"""Of one answer; what comes after is not read."""

SCHEMA: dict[str, Any] = {
    "name": "answer",
    "strict": True,
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "required": ["sentences"],
        "properties": {
            "sentences": {
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["text", "cites"],
                    "properties": {
                        "text": {"type": "string"},
                        "cites": {"type": "array", "items": {"type": "string"}},
                    },
                },
            }
        },
    },
}


def _schema(translated: bool) -> dict[str, Any]:
    if not translated:
        return SCHEMA
    schema: dict[str, Any] = json.loads(json.dumps(SCHEMA))
    item = schema["schema"]["properties"]["sentences"]["items"]
    item["properties"]["translation"] = {"type": "string"}
    item["required"].append("translation")
    return schema


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence as the model wrote it: nothing of it is to be believed."""

    text: str
    tokens: tuple[str, ...]
    translation: str = ""


def tokens_of(passages: Sequence[Passage]) -> dict[str, Passage]:
    """Short tokens for passages: P1, P2 and so on."""
    return {f"P{number}": passage for number, passage in enumerate(passages, start=1)}


def drafts(
    caller: Caller,
    question: str,
    audience: str,
    given: dict[str, Passage],
    language: str | None,
    cache_key: tuple[str, ...],
    account: Account,
    parent: Any = None,
) -> Generator[Draft | None]:
    """Sentences of the model as they are complete; None now and then while none is.

    `language` is the name of the language to translate into, or None for English.

    Raises:
        LlmError: the model gave no answer, or broke off. The drafts that came before stand.

    """
    asked = prompt("write")
    messages = asked.messages(
        most=str(MOST_SENTENCES),
        translate=asked.parts["translate"].rstrip().format(language=language) if language else "",
        example=', "translation": "…"' if language else "",
        audience=audience,
        passages="\n".join(_block(token, passage) for token, passage in given.items()),
        question=fenced(question),
    )
    parser = DraftParser()
    read = 0
    stream = caller.stream(messages, "write", _schema(bool(language)), cache_key, account, parent)
    try:
        for part in stream:
            read += len(part)
            yield from parser.feed(part)
            yield None
            if parser.count >= MOST_DRAFTS or read > MOST_CHARS:
                return
    except LlmError:
        parser.broken()
        raise
    finally:
        stream.close()
    yield from parser.close()


def _block(token: str, passage: Passage) -> str:
    heading = fenced(f"{passage.programme or passage.jurisdiction}, {passage.reference}")
    opening = f'<passage token="{token}" programme="{passage.jurisdiction}" from="{heading}">'
    return f"{opening}\n{fenced(passage.text)}\n</passage>"


_MARKS = re.compile(r"(?:\s*(?:[\[【](?:\s*P?\d{1,3}\s*[,;、]?)+\s*[\]】]|\((?:\s*P\d{1,3}\s*[,;]?)+\s*\)))+")
_LIST_MARK = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")


class DraftParser:
    """Reads JSON that is still being written, in fences or prose, or plain lines with tokens after each sentence."""

    def __init__(self) -> None:
        self.count = 0
        self._text = ""
        self._at = 0
        self._json: bool | None = None

    def feed(self, part: str) -> list[Draft]:
        """Sentences that are complete now."""
        self._text += part
        if self._json is None:
            self._json = _looks_like_json(self._text)
        if self._json is None:
            return []
        return self._counted(self._objects() if self._json else self._lines(final=False))

    def broken(self) -> None:
        """Forget an unfinished sentence: the model broke off in it."""
        self._text = self._text[: self._at]

    def close(self) -> list[Draft]:
        """What is left when the model has ended."""
        if self._json:
            return self._counted(self._objects())
        return self._counted(self._lines(final=True))

    def _counted(self, found: list[Draft]) -> list[Draft]:
        self.count += len(found)
        return found

    def _objects(self) -> list[Draft]:
        """Complete objects that have a text, wherever they stand."""
        found: list[Draft] = []
        decoder = json.JSONDecoder()
        while (start := self._text.find("{", self._at)) >= 0:
            try:
                value, end = decoder.raw_decode(self._text, start)
            except (json.JSONDecodeError, RecursionError):
                inner = self._text.find("{", start + 1)
                if inner >= 0 and '"sentences"' in self._text[start:inner]:
                    self._at = start + 1  # the object around the list
                    continue
                return found
            self._at = end
            items = value.get("sentences") if isinstance(value.get("sentences"), list) else [value]
            found += [draft for item in items for draft in _of_object(item)]
        return found

    def _lines(self, final: bool) -> list[Draft]:
        found: list[Draft] = []
        while True:
            stop = self._text.find("\n", self._at)
            if stop < 0:
                if final and self._text[self._at :].strip():
                    found += _of_line(self._text[self._at :])
                    self._at = len(self._text)
                else:
                    found += self._finished_sentences()
                return found
            found += _of_line(self._text[self._at : stop])
            self._at = stop + 1

    def _finished_sentences(self) -> list[Draft]:
        """Sentences of an unfinished line that end with tokens and are followed by more words."""
        rest = self._text[self._at :]
        ends = [m.end() for m in _MARKS.finditer(rest) if re.match(r"[.。]?\s+\S", rest[m.end() :])]
        if not ends:
            return []
        end = ends[-1]
        if rest[end : end + 1] in ".。":
            end += 1
        self._at += end
        return _of_line(rest[:end])


def _looks_like_json(text: str) -> bool | None:
    plain = text.lstrip()
    if not plain:
        return None
    if plain.startswith(("{", "[{", "[\n", "```")):
        return True
    if len(plain) < 40 and "\n" not in plain:
        return None if '{"' not in plain else True
    return '{"sentences"' in plain or '{"text"' in plain


def _of_object(item: Any) -> list[Draft]:
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        return []
    cites = item.get("cites", item.get("citations", []))
    cites = [cites] if isinstance(cites, str) else cites if isinstance(cites, list) else []
    tokens = [token for cite in cites if isinstance(cite, str) for token in _tokens(cite)]
    translation = item.get("translation")
    return _split(item["text"], tokens, translation if isinstance(translation, str) else "")


def _of_line(line: str) -> list[Draft]:
    text, _, translation = line.partition(" || ")
    plain = _LIST_MARK.sub("", text).strip().strip("`")
    drafts: list[Draft] = []
    start = 0
    for match in _MARKS.finditer(plain):
        end = match.end()
        drafts += _split(plain[start:end].strip(" .。"), [], translation.strip())
        start = end
    if plain[start:].strip(" .。*#"):
        drafts += _split(plain[start:], [], translation.strip())
    return drafts


def _split(text: str, tokens: list[str], translation: str) -> list[Draft]:
    """One draft per sentence; tokens inside the text count for its sentence, given ones for all."""
    pieces = [text[a:b] for a, b in sentence_spans(text)] or [text]
    joined: list[str] = []
    for piece in pieces:
        if joined and not _MARKS.sub("", piece).strip(" .。"):
            joined[-1] += f" {piece}"  # tokens after the full stop
        else:
            joined.append(piece)
    found: list[Draft] = []
    for piece in joined:
        own = list(dict.fromkeys([*tokens, *_tokens(" ".join(_MARKS.findall(piece)))]))
        plain = " ".join(_MARKS.sub("", piece).split()).strip("*_`")
        if not plain:
            continue
        if plain[-1] not in ".!?。！？:;":
            plain += "."
        alone = translation if len(joined) == 1 else ""
        found.append(Draft(plain, tuple(own), " ".join(_MARKS.sub("", alone).split())))
    return found


def _tokens(text: str) -> list[str]:
    """Tokens named in a text. A bare number in brackets is read as one too: models write [1] for [P1]."""
    return [f"P{int(m)}" for m in re.findall(r"\b[Pp]?(\d{1,3})\b", text)]
