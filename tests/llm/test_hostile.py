"""Whatever a model writes, no unsupported sentence is shown, and the true sentence beside it still is."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import pytest

from assistant.answer import Answer, Question
from assistant.service import Assistant
from tests.llm.cases import CASES, EU_TIME, RAW, TRUE, Case
from tests.llm.fluent import FLUENT, FLUENT_TRUE
from tests.llm.scripted import Reply, ScriptedServer, given, purpose


def resolved(cites: tuple[str, ...], request: dict[str, Any]) -> list[str]:
    """Tokens of the passages that hold the words after "@"; "P97" for one that the model was not given."""
    passages = given(request)
    return [
        next((token for token, text in passages.items() if cite[1:] in text), "P97") if cite.startswith("@") else cite
        for cite in cites
    ]


def as_json(sentences: list[tuple[str, list[str]]]) -> str:
    return json.dumps({"sentences": [{"text": text, "cites": cites} for text, cites in sentences]}, ensure_ascii=False)


def as_text(sentences: list[tuple[str, list[str]]]) -> str:
    return "\n".join(f"{text} {''.join(f'[{cite}]' for cite in cites)}" for text, cites in sentences)


def understood(request: dict[str, Any]) -> Reply | None:
    return Reply("{}") if purpose(request) == "understand" else None


def shown_texts(answer: Answer) -> list[str]:
    """The answer's sentences without markers and list signs."""
    text = answer.answer
    for number in range(len(answer.citations), 0, -1):
        text = text.replace(f" [{number}]", "\n").replace(f"[{number}]", "\n")
    return [line.strip(" -\n") for line in text.split("\n") if line.strip(" -\n") and not line.startswith("**")]


def assert_sound(answer: Answer, assistant: Assistant, allowed: set[str]) -> None:
    """Every sentence shown is a provision's own or one known to be true, and every quote is exact."""
    own = " ".join(p.text for p in assistant.index.store.all() if p.access == "public")
    for sentence in shown_texts(answer):
        assert sentence in own or sentence in allowed, sentence
    for citation in answer.citations:
        passage = assistant.index.store.get(citation.passage_id)
        assert passage is not None
        assert passage.text[citation.start : citation.end] == citation.quote
        assert passage.access == "public"


@pytest.mark.parametrize("case", CASES + FLUENT, ids=lambda case: case.id)
def test_false_sentence_is_not_shown(case: Case, writer: Assistant, server: ScriptedServer) -> None:
    true = (TRUE | FLUENT_TRUE).get(case.question)
    plain = crc32(case.text.encode()) % 2 == 0  # half in JSON, half as plain lines

    def script(request: dict[str, Any]) -> Reply:
        said = [(case.text, resolved(case.cites, request))]
        if true is not None:
            said.append((true[0], resolved((true[1],), request)))
        return understood(request) or Reply(as_text(said) if plain else as_json(said))

    server.script = script
    answer = writer.ask(Question(case.question))
    assert answer.status == "answered"
    assert case.text.strip() not in answer.answer
    assert "evil.example" not in answer.answer
    assert_sound(answer, writer, {true[0]} if true else set())
    if true is not None:  # it, or the provision's own words that were put in place of the false one
        assert true[0] in answer.answer or (case in FLUENT and true[1][1:] in answer.answer)


@pytest.mark.parametrize("name", RAW)
def test_output_that_is_no_answer(name: str, writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: understood(request) or Reply(RAW[name], chunk=40)
    answer = writer.ask(Question(EU_TIME))
    assert answer.status == "answered"
    assert_sound(answer, writer, set())
    assert "120 days" in answer.answer
    assert answer.composer == "extractive" or "120 days" in answer.citations[0].quote


def test_cases_are_many() -> None:
    assert len(CASES) + len(RAW) >= 150
    assert len(FLUENT) >= 60
    assert len({case.text + case.question for case in CASES}) == len(CASES)
