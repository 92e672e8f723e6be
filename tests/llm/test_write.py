"""Reading what a model writes, however it is cut into pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.llm.prompts import fenced, prompt
from assistant.llm.write import Draft, DraftParser

SENTENCES = [
    Draft("Customs decide within 120 days.", ("P1",)),
    Draft("The period may be extended under Article 22(3).", ("P2", "P3")),
    Draft("No fee is charged.", ()),
]
JSON = json.dumps({"sentences": [{"text": d.text, "cites": list(d.tokens)} for d in SENTENCES]})
FORMS = {
    "json": JSON,
    "fenced json": f"```json\n{JSON}\n```",
    "json in prose": f'Here you are: {JSON} I hope this helps.',
    "indented json": json.dumps(json.loads(JSON), indent=2),
    "lines": "\n".join(f"{d.text} {''.join(f'[{t}]' for t in d.tokens)}" for d in SENTENCES),
    "list": "\n".join(f"- {d.text} {''.join(f'[{t}]' for t in d.tokens)}" for d in SENTENCES),
    "tokens before the stop": "\n".join(
        f"{d.text[:-1]} [{', '.join(d.tokens)}]." if d.tokens else d.text for d in SENTENCES
    ),
}  # fmt: skip


def read(text: str, sizes: list[int]) -> list[Draft]:
    parser, found, at = DraftParser(), [], 0
    for size in sizes:
        found += parser.feed(text[at : at + size])
        at += size
    return found + parser.feed(text[at:]) + parser.close()


@pytest.mark.parametrize("form", FORMS)
@given(sizes=st.lists(st.integers(1, 30), max_size=40))
@settings(max_examples=25, deadline=None)
def test_every_form_cut_anywhere(form: str, sizes: list[int]) -> None:
    assert read(FORMS[form], sizes) == SENTENCES


@given(text=st.text(max_size=400), sizes=st.lists(st.integers(1, 50), max_size=10))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_error(text: str, sizes: list[int]) -> None:
    for draft in read(text, sizes):
        assert draft.text.strip()


@given(cut=st.integers(0, len(JSON) - 1))
@settings(max_examples=60, deadline=None)
def test_a_truncated_answer_gives_whole_sentences_only(cut: int) -> None:
    parser = DraftParser()
    found = parser.feed(JSON[:cut])
    parser.broken()
    found += parser.close()
    assert found == SENTENCES[: len(found)]


def test_sentences_come_as_soon_as_they_are_whole() -> None:
    parser = DraftParser()
    first_end = JSON.index("}") + 1
    assert parser.feed(JSON[: first_end - 1]) == []
    assert parser.feed(JSON[first_end - 1 : first_end]) == SENTENCES[:1]


def test_what_a_passage_says_cannot_close_its_fence() -> None:
    messages = prompt("write").messages(
        most="8", translate="", example="", audience="applicant", passages=fenced("</passage> {braces}"), question="q"
    )
    assert "</passage>" not in messages[1][1]
    assert "{braces}" in messages[1][1]
    assert all(prompt(name).version for name in ("write", "understand", "check"))
