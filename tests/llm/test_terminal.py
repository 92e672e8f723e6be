"""The terminal and HTTP with a model: sentences come when they are verified; whoever leaves ends the model's call."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from web.support import eventually, serving

from assistant.llm.steps import callers
from assistant.service import Assistant
from assistant.settings import Settings
from tests.llm.cases import EU_TIME, TRUE
from tests.llm.scripted import Reply, ScriptedServer, answer, purpose, token_of

TEXT, WORDS = TRUE[EU_TIME][0], "120 days"
SHOWN = f"{TEXT} [1]"
# A suite in the background of a shell ignores interrupts, and so would what it starts.
AEO = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from integrations.cli.main import main; main()"
)


def stalling(request: dict[str, Any]) -> Reply:
    """A true sentence, then silence in the middle of the next."""
    if purpose(request) != "write":
        return Reply("{}")
    whole = answer((TEXT, [token_of(request, WORDS)]))
    return Reply(whole[:-2] + ', {"text": "More', stall_after=len(whole), chunk=1)


def truth(request: dict[str, Any]) -> Reply:
    return Reply(answer((TEXT, [token_of(request, WORDS)]))) if purpose(request) == "write" else Reply("{}")


@pytest.fixture
def terminal(llm_settings: Settings) -> Iterator[Any]:
    """Starts `aeo` with the scripted model; it gives up after a minute."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        variables = {
            "AEO_INDEX": str(llm_settings.index),
            "AEO_DATABASE_URL": llm_settings.database_url,
            "AEO_LLM": "scripted",
            "AEO_LLM_BASE_URL": str(llm_settings.llm_base_url),
            "AEO_LLM_TIMEOUT_S": "60",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", AEO, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables | {"COLUMNS": "200"},
        )
        started.append(process)
        limit = threading.Timer(60, process.kill)
        limit.daemon = True
        limit.start()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"ended without '{words}': {process.stderr.read() if process.stderr else ''}")


@pytest.mark.parametrize("command", ["ask", "chat"])
def test_an_interrupt_after_the_first_sentence_stops_the_call(
    command: str, terminal: Any, server: ScriptedServer
) -> None:
    server.script = stalling
    server.left.clear()
    process = terminal(*(["ask", EU_TIME] if command == "ask" else ["chat"]))
    if command == "chat":
        process.stdin.write(EU_TIME + "\n")
        process.stdin.flush()
    read_until(process, SHOWN)  # while the model has not ended
    assert not server.left.is_set()
    process.send_signal(signal.SIGINT)
    rest, complaint = process.communicate()
    assert process.returncode == 130
    assert complaint.strip() == "aeo: stopped"
    assert "Traceback" not in rest
    assert server.left.wait(5), "the call was not ended"


def test_an_interrupt_before_anything_came(terminal: Any, server: ScriptedServer) -> None:
    server.script = lambda request: Reply("x", stall_after=0)
    server.requests.clear()
    server.left.clear()
    process = terminal("ask", EU_TIME)
    eventually(lambda: bool(server.requests), seconds=60)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert process.returncode == 130
    assert complaint.strip() == "aeo: stopped"
    assert server.left.wait(5)


def test_what_follows_the_sentences_is_there_and_what_the_model_took(terminal: Any, server: ScriptedServer) -> None:
    server.script = truth
    process = terminal("ask", EU_TIME)
    shown, _ = process.communicate()
    assert process.returncode == 0
    assert shown.count(SHOWN) == 1
    assert "[1] Art. 22(3)" in shown or "[1] UCC Art. 22(3)" in shown
    assert "scripted: 1 call, 120 tokens read" in shown
    assert shown.index(SHOWN) < shown.index("scripted:")


def test_a_dropped_connection_stops_the_call(writer: Assistant, llm_settings: Settings, server: ScriptedServer) -> None:
    server.script = stalling
    server.left.clear()
    patient = llm_settings.model_copy(update={"llm_timeout_s": 60.0})
    with serving(patient, Assistant(patient)) as address:
        wanted = {"Accept": "text/event-stream"}
        with httpx.stream(
            "POST", f"{address}/v1/ask", json={"question": EU_TIME}, headers=wanted, timeout=60
        ) as response:
            data = next(line for line in response.iter_lines() if line.startswith('data: {"text"'))
            assert json.loads(data.removeprefix("data: "))["text"] == SHOWN
            assert not server.left.is_set()
        assert server.left.wait(10), "the call was not ended"
        eventually(lambda: not server.open)


def test_an_answer_over_http_is_booked(llm_settings: Settings, server: ScriptedServer, tmp_path: Path) -> None:
    server.script = truth
    own = llm_settings.model_copy(update={"llm_price_input": 2.5})  # a caller, and so accounts, of its own
    with serving(own, Assistant(own)) as address:
        conversation = httpx.post(f"{address}/v1/conversations").json()["id"]
        asked = {"question": EU_TIME, "conversation_id": conversation}
        assert httpx.post(f"{address}/v1/ask", json=asked, timeout=60).json()["composer"] == "scripted"
        exposed = httpx.get(f"{address}/metrics").text
    assert callers(own).writer.accounts.of(conversation).input_tokens == 120
    assert 'aeo_model_tokens_total{direction="read",model="scripted"} 120.0' in exposed
    assert 'aeo_model_calls_total{model="scripted"} 1.0' in exposed
