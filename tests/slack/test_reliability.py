"""One answer per question, whatever Slack, the network and the users do."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
from pathlib import Path

import pytest

from assistant.settings import Settings
from integrations.slack.app import SlackConfigurationError
from integrations.slack.store import SlackStore

from .conftest import SlowAssistant, connected
from .server import APP_TOKEN, BOT_TOKEN, LoopbackSlack

DECISION = "How long does customs have to decide on an AEO application in the EU?"


@pytest.mark.parametrize("retries", [1, 2, 5])
async def test_repeated_event_is_answered_once(app: LoopbackSlack, retries: int) -> None:
    message = app.message(DECISION)
    await app.event(message, event_id="EvSame")
    for retry in range(retries):
        await app.event(message, event_id="EvSame", retry=retry + 1)
    await app.answer("DU1", message["ts"])
    await asyncio.sleep(0.3)
    assert len(app.replies("DU1", message["ts"])) == 1


async def test_concurrent_repetitions_are_answered_once(app: LoopbackSlack) -> None:
    message = app.message(DECISION)
    await asyncio.gather(*(app.event(message, event_id="EvSame", retry=retry) for retry in range(6)))
    await app.answer("DU1", message["ts"])
    await asyncio.sleep(0.3)
    assert len(app.replies("DU1", message["ts"])) == 1


async def test_one_message_as_two_kinds_of_event_is_answered_once(app: LoopbackSlack) -> None:
    mention = app.mention(f"<@U0BOT> {DECISION}", channel="D9")
    await asyncio.gather(app.event(mention), app.event({**mention, "type": "message", "channel_type": "im"}))
    await app.answer("D9", mention["ts"])
    await asyncio.sleep(0.3)
    assert len(app.replies("D9", mention["ts"])) == 1


async def test_after_a_restart_old_events_stay_answered(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    message = slack.message(DECISION)
    for _ in range(2):
        async with connected(slack, slack_settings, slack_assistant):
            await slack.event(message, event_id="EvSame")
            await slack.answer("DU1", message["ts"])
            await asyncio.sleep(0.1)
    assert len(slack.replies("DU1", message["ts"])) == 1


PROCESS = """
import asyncio, sys
from pathlib import Path
from assistant.settings import Settings
from integrations.slack.app import run_socket_mode
asyncio.run(run_socket_mode(Settings()))
"""


async def test_two_processes_share_the_store(slack: LoopbackSlack, slack_settings: Settings) -> None:
    environment = os.environ | {
        "AEO_INDEX": str(slack_settings.index),
        "AEO_DATABASE_URL": slack_settings.database_url,
        "AEO_SLACK_API_URL": slack.api_url,
        "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, env=environment, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        await slack.until(lambda: len(slack.sockets) == 2, seconds=60)
        messages = [slack.message(DECISION, user=f"U{number}") for number in range(12)]
        await asyncio.gather(
            *(
                slack.event(message, event_id=f"Ev{number}", retry=retry, socket=(number + retry) % 2)
                for retry in range(5)
                for number, message in enumerate(messages)
            )
        )
        for message in messages:
            await slack.answer(message["channel"], message["ts"])
        await asyncio.sleep(0.5)
        assert [len(slack.replies(message["channel"], message["ts"])) for message in messages] == [1] * 12
    finally:
        for process in processes:
            process.terminate()
        ended = [await process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended


async def test_retry_after_is_honoured(app: LoopbackSlack) -> None:
    app.fail("chat.startStream", "restricted_method")
    app.fail("chat.postMessage", 1)
    message = app.message(DECISION)
    await app.event(message)
    assert "120 days" in (await app.answer("DU1", message["ts"])).shown
    refused, taken = app.made("chat.postMessage")
    assert taken.at - refused.at >= 1.0


async def test_limited_streams_are_posted_whole_and_not_tried_again(app: LoopbackSlack) -> None:
    app.fail("chat.startStream", 30)
    for _ in range(2):
        message = app.message(DECISION)
        await app.event(message)
        assert "120 days" in (await app.answer("DU1", message["ts"])).shown
    assert len(app.made("chat.startStream")) == 1
    assert len(app.made("chat.postMessage")) == 2


@pytest.mark.parametrize("failing", ["message_not_in_streaming_state", "drop", "internal_error"])
async def test_stream_that_fails_at_the_third_append_ends_whole(
    app: LoopbackSlack, slack_assistant: SlowAssistant, failing: str
) -> None:
    slack_assistant.pause = 0.3
    app.fail("chat.appendStream", "ok", "ok", failing)
    message = app.message("Compare the AEO criteria and validity in the EU and the United Kingdom and Japan")
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    slack_assistant.pause = 0.0
    await app.until(lambda: answer.edits)
    kept = slack_assistant.conversations.recent_answers(1)[0]
    assert len(app.made("chat.appendStream")) == 3
    assert kept["answer"] in answer.shown
    assert "…" not in answer.blocks[0]["text"]
    assert len(app.replies("DU1", message["ts"])) == 1


async def test_stream_that_cannot_be_repaired_is_replaced(app: LoopbackSlack, slack_assistant: SlowAssistant) -> None:
    slack_assistant.pause = 0.6
    app.fail("chat.appendStream", "internal_error")
    app.fail("chat.stopStream", "internal_error")
    message = app.message(DECISION)
    await app.event(message)
    await app.until(lambda: app.deleted)
    assert app.deleted[0].streaming
    answer = await app.answer("DU1", message["ts"])
    assert slack_assistant.conversations.recent_answers(1)[0]["answer"] in answer.shown


async def test_stop_that_fails_leaves_no_half_answer(app: LoopbackSlack, slack_assistant: SlowAssistant) -> None:
    app.fail("chat.stopStream", "internal_error")
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    await app.until(lambda: answer.edits)
    assert slack_assistant.conversations.recent_answers(1)[0]["answer"] in answer.shown


async def test_socket_lost_during_an_answer(app: LoopbackSlack, slack_assistant: SlowAssistant) -> None:
    slack_assistant.pause = 0.1
    message = app.message(DECISION)
    await app.event(message)
    await app.drop_sockets()
    assert "120 days" in (await app.answer("DU1", message["ts"])).shown
    await app.until(lambda: app.sockets)
    await app.event(message, event_id="EvAgain", retry=1)
    another = app.message(DECISION)
    await app.event(another)
    await app.answer("DU1", another["ts"])
    assert len(app.replies("DU1", message["ts"])) == 1


async def test_slack_refreshes_the_connection(app: LoopbackSlack) -> None:
    first = app.sockets[0]
    await app.ask_to_reconnect()
    await app.until(lambda: app.sockets and app.sockets[-1] is not first)
    await asyncio.sleep(0.1)
    message = app.message(DECISION)
    await app.event(message, socket=-1)
    assert "120 days" in (await app.answer("DU1", message["ts"])).shown


async def test_shutdown_finishes_what_was_begun(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    slack_assistant.pause = 0.1
    async with connected(slack, slack_settings, slack_assistant):
        messages = [slack.message(DECISION, user=f"U{number}") for number in range(6)]
        await asyncio.gather(*(slack.event(message) for message in messages))
        await slack.until(lambda: len(slack.made("assistant.threads.setStatus")) == 6)
    for message in messages:
        [answer] = slack.replies(message["channel"], message["ts"])
        assert not answer.streaming
        assert "120 days" in answer.shown


async def test_full_queue_is_said_kindly(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    slack_assistant.pause = 0.1
    async with connected(slack, slack_settings, slack_assistant, slack_queue=1):
        messages = [slack.message(DECISION, user=f"U{number}") for number in range(40)]
        await asyncio.gather(*(slack.event(message) for message in messages))
        answers = [await slack.answer(message["channel"], message["ts"]) for message in messages]
    busy = [answer for answer in answers if "Please ask again in a minute" in answer.shown]
    assert busy
    assert all("120 days" in answer.shown for answer in answers if answer not in busy)
    assert len(busy) < len(messages)


async def test_limits_per_user_and_workspace(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    async with connected(slack, slack_settings, slack_assistant, slack_user_per_minute=2, slack_team_per_minute=3):
        shown = []
        for user in ("U1", "U1", "U1", "U2", "U3"):
            message = slack.message(DECISION, user=user)
            await slack.event(message)
            shown.append((await slack.answer(message["channel"], message["ts"])).shown)
    assert ["120 days" in text for text in shown] == [True, True, False, True, False]
    assert "more than 2 questions" in shown[2]
    assert "Please ask again in a minute" in shown[4]


async def test_bots_edits_and_the_app_itself_are_ignored(app: LoopbackSlack) -> None:
    for more in (
        {"bot_id": "B9"},
        {"user": "U0BOT"},
        {"subtype": "message_changed"},
        {"subtype": "message_deleted"},
        {"subtype": "bot_message"},
        {"hidden": True},
    ):
        await app.event({**app.message(DECISION), **more})
    await app.event({**app.message(DECISION), "channel_type": "channel", "channel": "C1"})
    last = app.message(DECISION)
    await app.event(last)
    await app.answer("DU1", last["ts"])
    await asyncio.sleep(0.2)
    assert len(app.replies("DU1")) == 1
    assert not app.replies("C1")


async def test_removed_from_the_channel(app: LoopbackSlack, caplog: pytest.LogCaptureFixture) -> None:
    app.absent_from.add("C1")
    root = app.person_says("C1", "We think about AEO in the EU.")
    await app.event(app.mention("<@U0BOT> how long?", thread_ts=root))
    await app.until(lambda: app.made("chat.startStream", failed=True))
    message = app.message(DECISION)
    await app.event(message)
    await app.answer("DU1", message["ts"])
    assert not app.replies("C1")
    assert "Traceback" not in caplog.text


async def test_failure_is_one_friendly_line_with_a_reference(
    app: LoopbackSlack,
    slack_assistant: SlowAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: object) -> object:
        raise RuntimeError("secret detail of the machinery")

    monkeypatch.setattr(slack_assistant, "stream", broken)
    message = app.message(DECISION)
    await app.event(message)
    shown = (await app.answer("DU1", message["ts"])).shown
    assert shown.startswith("Sorry, I could not answer that.")
    assert "secret" not in shown
    reference = shown.split("reference ")[1].rstrip(".\n").split(".")[0]
    assert reference in caplog.text
    await app.envelope("slash_commands", app.command(DECISION))
    assert "Sorry" in (await app.answer("C1")).shown


async def test_failure_midway_replaces_the_half_answer(
    app: LoopbackSlack, slack_assistant: SlowAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = slack_assistant.stream

    def breaking(question):
        for event in real(question):
            if event.kind == "answer":
                raise RuntimeError("lost")
            yield event

    slack_assistant.pause = 0.1
    monkeypatch.setattr(slack_assistant, "stream", breaking)
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    await app.until(lambda: answer.edits)
    assert answer.shown.startswith("Sorry")
    assert "120 days" not in answer.shown


async def test_missing_index_is_said_in_one_line(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant, tmp_path: Path
) -> None:
    async with connected(slack, slack_settings, slack_assistant):
        slack_assistant.settings = slack_settings.model_copy(update={"index": tmp_path / "none"})
        message = slack.message(DECISION)
        await slack.event(message)
        assert "aeo index build" in (await slack.answer("DU1", message["ts"])).shown


async def test_wrong_tokens_are_reported_at_once(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    from pydantic import SecretStr

    for changes in ({"slack_app_token": SecretStr("xapp-wrong")}, {"slack_bot_token": SecretStr("xoxb-wrong")}):
        with pytest.raises(SlackConfigurationError, match=next(iter(changes)).upper()):
            async with connected(slack, slack_settings, slack_assistant, **changes):
                pass
    slack.api_url = "http://127.0.0.1:9/api/"
    with pytest.raises(SlackConfigurationError, match="cannot be reached"):
        async with connected(slack, slack_settings, slack_assistant):
            pass


async def test_200_questions_of_50_users_none_lost_none_doubled(app: LoopbackSlack, record_property) -> None:
    """A minute's load in eight seconds: acknowledged, signed and answered quickly enough for a minute's."""
    app.latency = 0.005
    sent: dict[str, float] = {}
    messages = []
    acknowledged: list[float] = []

    async def ask(number: int) -> None:
        await asyncio.sleep(number * 0.04)
        message = app.message(DECISION, user=f"U{number % 50}")
        messages.append(message)
        sent[message["ts"]] = asyncio.get_running_loop().time()
        acknowledged.append(await app.event(message))
        if number % 3 == 0:
            await app.event(message, event_id=f"EvRetry{number}", retry=1)

    await asyncio.gather(*(ask(number) for number in range(200)))
    for message in messages:
        await app.answer(message["channel"], message["ts"])
    counts = [len(app.replies(message["channel"], message["ts"])) for message in messages]
    assert counts == [1] * 200
    assert all("120 days" in app.replies(m["channel"], m["ts"])[0].shown for m in messages)
    record_property("ack_p99_ms", round(statistics.quantiles(acknowledged, n=100)[98] * 1000, 1))


def test_store_takes_each_key_once_from_many_threads(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    url = f"sqlite:///{tmp_path / 's.sqlite3'}"
    stores = [SlackStore(url), SlackStore(url)]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: stores[n % 2].claim(f"k{n // 8}"), range(160)))
    assert sum(taken) == 20


def test_events_and_states_are_forgotten_in_time(tmp_path: Path) -> None:
    from datetime import timedelta

    from integrations.slack import store as module

    store = SlackStore(f"sqlite:///{tmp_path / 's.sqlite3'}")
    assert store.claim("a")
    assert not store.claim("a")
    store.prune()
    assert not store.claim("a")
    module.REMEMBER_EVENTS, kept = timedelta(0), module.REMEMBER_EVENTS
    try:
        store.prune()
    finally:
        module.REMEMBER_EVENTS = kept
    assert store.claim("a")
