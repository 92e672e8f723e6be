"""Time-outs, retries, the breaker, concurrency, the cache, accounts: each outage leaves the extractive answer."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from pydantic import SecretStr
from web.support import eventually

from assistant.answer import Answer, Event, Question
from assistant.llm.limits import BREAK_AFTER, BREAK_S, Account, Breaker, Caller, check
from assistant.llm.models import LlmError, open_model
from assistant.llm.steps import callers
from assistant.service import Assistant
from assistant.settings import Settings
from tests.llm.cases import EU_TIME, TRUE
from tests.llm.scripted import Reply, ScriptedServer, answer, token_of

TEXT, WORDS = TRUE[EU_TIME][0], "120 days"


def truth(request: dict[str, Any]) -> str:
    """A true sentence with its token, as the model would write it."""
    return answer((TEXT, [token_of(request, WORDS)]))


def assert_extractive(given: Answer) -> None:
    """The provisions themselves, with a word on why."""
    assert given.status == "answered"
    assert given.composer == "extractive"
    assert "120 days" in given.answer
    assert any("These are the provisions themselves." in notice for notice in given.notices)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 418, 422, 429, 500, 502, 503, 529])
def test_http_error_gives_the_extractive_answer(status: int, writer: Assistant, server: ScriptedServer) -> None:
    server.requests.clear()
    server.script = lambda request: Reply(status=status, headers={"retry-after": "0"})
    given = writer.ask(Question(EU_TIME))
    assert_extractive(given)
    tries = len(server.requests)
    assert tries == (3 if status == 429 or status >= 500 else 2 if status in (400, 422) else 1)
    reasons = [reason for note in writer.trace(given.id) for reason in note.get("reasons", [])]
    assert any("'scripted'" in reason and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_error_is_tried_again(status: int, writer: Assistant, server: ScriptedServer) -> None:
    replies = iter([Reply(status=status)])
    server.script = lambda request: next(replies, None) or Reply(truth(request))
    assert writer.ask(Question(EU_TIME)).composer == "scripted"


def test_a_server_that_refuses_options_is_asked_without(writer: Assistant, server: ScriptedServer) -> None:
    server.requests.clear()
    server.script = lambda r: Reply(status=400) if "response_format" in r else Reply(f"{TEXT} [{token_of(r, WORDS)}]")
    assert writer.ask(Question(EU_TIME)).composer == "scripted"
    assert "temperature" not in server.requests[-1]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(text='{"sentences": [{"text": "Customs must de', stall_after=20),
        Reply(text="x", stall_after=0),
        Reply(text='{"sentences": [{"text": "Customs must decide within 90', cut_after=30),
        Reply(text="x", cut_after=0),
        Reply(text="Customs decide ", endless="and decide "),
        Reply(text='{"sentences": [', endless=' {"text": "Customs decide within 90 days.", "cites": ["P1"]},'),
        Reply(text="", endless=" "),
        Reply(text="", endless="\n"),
        Reply(body="not json at all", headers={"content-type": "text/plain"}),
        Reply(body='{"choices": []}'),
        Reply(body="data: {broken\n\n", headers={"content-type": "text/event-stream"}),
    ],
    ids=["stall", "silence", "cut", "cut-at-once", "words", "objects", "spaces", "lines", "text", "choice", "broken"],
)
def test_a_broken_stream_gives_the_extractive_answer(
    reply: Reply, small_index: Any, llm_settings: Settings, server: ScriptedServer
) -> None:
    server.script = lambda request: reply
    quick = Assistant(llm_settings.model_copy(update={"llm_timeout_s": 1.5}))
    assert_extractive(quick.ask(Question(EU_TIME)))
    eventually(lambda: not server.open, seconds=5)  # no call goes on that nobody waits for


def test_a_sentence_before_the_stall_stays_and_the_provisions_follow(
    llm_settings: Settings, server: ScriptedServer
) -> None:
    def script(request: dict[str, Any]) -> Reply:
        whole = truth(request)
        return Reply(whole[:-2] + ', {"text": "The fee is EUR 5', stall_after=len(whole) + 12)

    server.script = script
    given = Assistant(llm_settings.model_copy(update={"llm_timeout_s": 1.5})).ask(Question(EU_TIME))
    assert given.answer.startswith(TEXT)
    assert "EUR" not in given.answer
    assert "Trader Portal" in given.answer
    assert any("incomplete" in notice for notice in given.notices)


def test_first_sentence_is_shown_before_the_model_has_ended(writer: Assistant, server: ScriptedServer) -> None:
    def script(request: dict[str, Any]) -> Reply:
        whole = truth(request)
        return Reply(whole[:-2] + ', {"text": "More', stall_after=len(whole), chunk=1)

    server.script = script
    server.left.clear()
    events = writer.stream(Question(EU_TIME))
    first = next(event for event in events if event.kind == "sentence")
    assert first.text == f"{TEXT} [1]"
    events.close()  # while the model is still writing
    assert server.left.wait(5), "the call was not cancelled"


def test_closing_while_nothing_came_yet_stops_the_call(writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: Reply(text="x", stall_after=0)
    server.left.clear()
    events = writer.stream(Question(EU_TIME))
    waiting = list(iter(lambda: next(events), Event("step", "write")))
    assert waiting[-1].kind == "step"
    next(events)
    events.close()
    assert server.left.wait(5)


def test_the_last_event_is_the_answer_and_holds_what_was_shown(writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: Reply(truth(request), chunk=3)
    *before, last = writer.stream(Question(EU_TIME))
    assert last.kind == "answer"
    assert last.answer is not None
    for event in before:
        if event.kind == "sentence":
            assert event.text in last.answer.answer


def test_breaker_rests_and_tries_once() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    for _ in range(BREAK_AFTER):
        breaker.enter("m")
        breaker.failed()
    with pytest.raises(LlmError, match="left alone"):
        breaker.enter("m")
    now[0] += BREAK_S + 1
    breaker.enter("m")
    with pytest.raises(LlmError):
        breaker.enter("m")  # one trial at a time
    breaker.succeeded()
    breaker.enter("m")


def test_a_failing_model_is_left_alone(writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: Reply(status=401)
    for _ in range(BREAK_AFTER):
        writer.ask(Question(EU_TIME))
    server.requests.clear()
    assert_extractive(writer.ask(Question(EU_TIME)))
    assert not server.requests


def test_concurrency_is_limited(llm_settings: Settings) -> None:
    server = ScriptedServer()  # of its own: no call of another test is still open there
    settings = llm_settings.model_copy(update={"llm_concurrency": 2, "llm_base_url": server.url, "llm_timeout_s": 30})
    caller = Caller(open_model("scripted", settings), settings)
    server.script = lambda request: Reply("word " * 10, pause=0.02)
    threads = [threading.Thread(target=caller.complete, args=([("human", f"question {n}")], "test")) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.close()
    assert server.most_together == 2


def test_answers_are_cached_per_question_and_index(writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: Reply(truth(request))
    first = writer.ask(Question(EU_TIME))
    server.requests.clear()
    again = writer.ask(Question(EU_TIME))
    assert again.answer == first.answer
    assert not server.requests
    writer.ask(Question("How many days do EU customs have to decide on an AEO application?"))
    assert server.requests


def test_the_cache_tells_apart_what_an_answer_depends_on(llm_settings: Settings, server: ScriptedServer) -> None:
    caller = Caller(open_model("scripted", llm_settings), llm_settings)
    server.script = lambda request: Reply("said")
    base = {"question": "q", "programme": "EU", "index": "i1", "prompt": "1"}

    def asked(**changed: str) -> int:
        parts = base | changed
        server.requests.clear()
        key = (parts["prompt"], parts["index"], parts["programme"])
        assert "".join(caller.stream([("human", parts["question"])], "write", cache_key=key)) == "said"
        return len(server.requests)

    assert asked() == 1
    assert asked() == 0
    assert [asked(**{name: "other"}) for name in base] == [1, 1, 1, 1]
    other = Caller(open_model("another", llm_settings), llm_settings)
    other._cache = caller._cache  # even where two models shared one
    server.requests.clear()
    "".join(other.stream([("human", "q")], "write", cache_key=("1", "i1", "EU")))
    assert server.requests


def test_a_broken_answer_is_not_cached(writer: Assistant, server: ScriptedServer) -> None:
    server.script = lambda request: Reply(truth(request), cut_after=30)
    writer.ask(Question(EU_TIME))
    server.script = lambda request: Reply(truth(request))
    assert writer.ask(Question(EU_TIME)).composer == "scripted"


def test_tokens_and_cost_are_booked(llm_settings: Settings, server: ScriptedServer) -> None:
    settings = llm_settings.model_copy(update={"llm_price_input": 2.0, "llm_price_output": 8.0})
    assistant = Assistant(settings)
    server.script = lambda request: Reply(truth(request))
    given = assistant.ask(Question(EU_TIME, asker="ana"))
    note = next(note for note in assistant.trace(given.id) if note["step"] == "account")
    assert note["input_tokens"] == 120
    assert note["output_tokens"] > 0
    assert not note["estimated"]
    assert note["cost"] == pytest.approx((120 * 2 + note["output_tokens"] * 8) / 1e6, abs=1e-6)
    accounts = callers(settings).writer.accounts
    assert accounts.of("ana").calls == 1
    assert accounts.of("ben") == Account()


def test_tokens_are_estimated_where_the_server_counts_none(llm_settings: Settings, server: ScriptedServer) -> None:
    caller = Caller(open_model("scripted", llm_settings), llm_settings)
    account = Account()
    server.script = lambda request: Reply("x" * 40, usage=False)
    caller.complete([("human", "y" * 400)], "test", account=account)
    assert (account.input_tokens, account.output_tokens, account.estimated) == (100, 10, True)


def test_doctor_says_what_is_wrong(llm_settings: Settings, server: ScriptedServer) -> None:
    server.script = lambda request: Reply("ready")
    assert check(llm_settings) == []
    server.script = lambda request: Reply(status=401)
    assert check(llm_settings) == [
        "the provider refused the key for 'scripted'; check AEO_LLM_API_KEY or the provider's own variable"
    ]
    server.script = lambda request: Reply(status=404)
    assert "no model 'scripted'" in check(llm_settings)[0]


@pytest.mark.parametrize(
    ("llm", "words"),
    [
        ("anthropic:some-model", "pip install 'aeo-assistant[anthropic]'"),
        ("mistralai:some-model", "pip install 'aeo-assistant[mistral]'"),
        ("cohere:some-model", "pip install langchain-cohere"),
        ("nobody:some-model", "no provider that LangChain knows"),
        ("some-model", "names no provider"),
        ("gguf:/nowhere/model.gguf", "there is no file"),
        ("openai:some-model", "AEO_LLM_API_KEY"),
    ],
)
def test_a_model_that_cannot_be_opened(
    llm: str, words: str, llm_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = llm_settings.model_copy(update={"llm": llm, "llm_base_url": None})
    (line,) = check(settings)
    assert words in line
    assert "\n" not in line
    assert_extractive(Assistant(settings).ask(Question(EU_TIME)))


def test_an_address_where_nobody_listens(llm_settings: Settings) -> None:
    settings = llm_settings.model_copy(update={"llm_base_url": "http://127.0.0.1:9/v1"})
    assert "could not be reached" in check(settings)[0]
    started = time.monotonic()
    assert_extractive(Assistant(settings).ask(Question(EU_TIME)))
    assert time.monotonic() - started < 60


def test_the_key_is_in_no_message(llm_settings: Settings, server: ScriptedServer) -> None:
    settings = Settings(
        index=llm_settings.index,
        database_url=llm_settings.database_url,
        llm="scripted",
        llm_base_url=server.url,
        llm_api_key=SecretStr("sk-secret"),
    )
    server.script = lambda request: Reply(status=401, body=json.dumps({"error": {"message": "bad key sk-secret"}}))
    assistant = Assistant(settings)
    given = assistant.ask(Question(EU_TIME))
    assert "sk-secret" not in json.dumps([given.to_json(), assistant.trace(given.id)]) + str(check(settings))
