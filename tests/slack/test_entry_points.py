"""Every way in: direct messages, mentions, the command, the shortcut, the assistant's pane, the home tab, clicks."""

from __future__ import annotations

import asyncio

from assistant.service import Assistant

from .server import LoopbackSlack, buttons_of, texts_of

DECISION = "How long does customs have to decide on an AEO application in the EU?"


async def test_direct_message_is_answered_in_its_thread_with_sources(app: LoopbackSlack) -> None:
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    assert "within 120 days" in answer.shown
    assert "UCC Art. 22(3)" in answer.shown
    assert "as of 2020-01-01" in answer.shown
    assert {"passages", "feedback"} <= set(buttons_of(answer.blocks))
    assert app.made("assistant.threads.setStatus")[0].arguments["loading_messages"]
    assert not [call for call in app.calls if call.error]


async def test_follow_up_in_the_thread_keeps_the_programme(app: LoopbackSlack) -> None:
    first = app.message(DECISION)
    await app.event(first)
    await app.answer("DU1", first["ts"])
    await app.event(app.message("and in Japan?", thread_ts=first["ts"]))
    second = await app.answer("DU1", first["ts"], count=2)
    assert "Japan AEO" in second.shown


async def test_mention_reads_what_the_thread_said_before(app: LoopbackSlack) -> None:
    root = app.person_says("C1", "We are a forwarder in London and think about AEO in the United Kingdom.", user="U7")
    await app.event(app.mention("<@U0BOT> how long does the decision take?", thread_ts=root))
    answer = await app.answer("C1", root)
    assert "UK AEO" in answer.shown
    started = app.made("chat.startStream")[0].arguments
    assert (started["recipient_user_id"], started["recipient_team_id"]) == ("U1", "T0001")


async def test_mention_outside_a_thread_starts_one(app: LoopbackSlack) -> None:
    message = app.mention(f"<@U0BOT> {DECISION}")
    await app.event(message)
    assert "120 days" in (await app.answer("C1", message["ts"])).shown
    assert not app.made("conversations.replies")


async def test_command_answers_only_the_asker_and_is_shared_once(app: LoopbackSlack) -> None:
    await app.envelope("slash_commands", app.command(DECISION))
    answer = await app.answer("C1")
    assert answer.ephemeral_for == "U1"
    click = app.click(answer, "share")
    await asyncio.gather(app.envelope("interactive", click), app.envelope("interactive", click))
    shared = await app.answer("C1", count=2)
    assert shared.ephemeral_for == ""
    assert "120 days" in shared.shown
    assert "<@U1> asked" in shared.shown
    await app.until(lambda: app.made("response_url.delete"))
    assert len(app.replies("C1")) == 2


async def test_command_without_question_explains_itself(app: LoopbackSlack) -> None:
    await app.envelope("slash_commands", app.command("  "))
    assert "/aeo How long" in (await app.answer("C1")).text


async def test_shortcut_answers_the_message_privately(app: LoopbackSlack) -> None:
    await app.envelope("interactive", app.shortcut("Who may apply for UK AEO?"))
    answer = await app.answer("C1")
    assert answer.ephemeral_for == "U1"
    assert "UK AEO" in answer.shown
    assert "share" in buttons_of(answer.blocks)


def thread_event(kind: str, viewed: str = "") -> dict[str, object]:
    thread = {"user_id": "U1", "channel_id": "DU1", "thread_ts": "1790000000.000001", "context": {"channel_id": viewed}}
    return {"type": kind, "assistant_thread": thread, "event_ts": "1"}


async def test_assistant_pane_greets_and_suggests(app: LoopbackSlack) -> None:
    await app.event(thread_event("assistant_thread_started"))
    await app.until(lambda: app.prompts)
    assert "Authorized Economic Operator" in app.replies("DU1", "1790000000.000001")[0].text
    assert app.prompts[0]["thread_ts"] == "1790000000.000001"
    assert app.prompts[0]["prompts"][0]["message"] == "Who may apply for AEO in the EU?"


async def test_agent_messages_tab_greets_once_and_suggests_without_thread(app: LoopbackSlack) -> None:
    for _ in range(2):
        await app.event({"type": "app_home_opened", "user": "U1", "channel": "DU1", "tab": "messages"})
    await app.until(lambda: len(app.prompts) == 2)
    assert len(app.replies("DU1")) == 1
    assert "thread_ts" not in app.prompts[0]


async def test_suggestions_follow_the_default_programme(app: LoopbackSlack) -> None:
    await app.envelope("interactive", home_click("set_programme", "JP"))
    await app.until(lambda: app.homes)
    await app.event(thread_event("assistant_thread_context_changed"))
    await app.until(lambda: app.prompts)
    assert "Japan AEO" in app.prompts[0]["prompts"][0]["message"]


def home_click(action: str, value: str, user: str = "U1") -> dict[str, object]:
    return {
        "type": "block_actions",
        "user": {"id": user, "team_id": "T0001"},
        "team": {"id": "T0001"},
        "container": {"type": "view", "view_id": "V1"},
        "trigger_id": "t",
        "actions": [
            {
                "type": "static_select",
                "action_id": action,
                "block_id": "b",
                "selected_option": {"value": value},
                "action_ts": "1",
            }
        ],
    }


async def test_home_keeps_defaults_and_shows_last_questions(app: LoopbackSlack) -> None:
    message = app.message(DECISION)
    await app.event(message)
    await app.answer("DU1", message["ts"])
    await app.event({"type": "app_home_opened", "user": "U1", "channel": "DU1", "tab": "home"})
    await app.until(lambda: app.homes)
    shown = "\n".join(texts_of(app.homes["U1"]["blocks"]))
    assert DECISION in shown
    assert "I cannot" in shown
    for action, value in (("set_programme", "GB"), ("set_audience", "officer"), ("set_language", "fr")):
        await app.envelope("interactive", home_click(action, value))
    await app.until(lambda: "Posez-moi" in str(app.homes["U1"]))
    chosen = {
        element["action_id"]: element["initial_option"]["value"]
        for element in buttons_of(app.homes["U1"]["blocks"]).values()
        if "initial_option" in element
    }
    assert chosen == {"set_programme": "GB", "set_audience": "officer", "set_language": "fr"}
    click = home_click("forget", "all") | {"actions": [{"type": "button", "action_id": "forget", "value": "all"}]}
    await app.envelope("interactive", click)
    await app.until(lambda: DECISION not in str(app.homes["U1"]))


async def test_default_programme_answers_what_names_none_and_yields_to_what_names_one(app: LoopbackSlack) -> None:
    await app.envelope("interactive", home_click("set_programme", "GB"))
    await app.until(lambda: app.homes)
    message = app.message("How long does the decision take?")
    await app.event(message)
    assert "UK AEO" in (await app.answer("DU1", message["ts"])).shown
    message = app.message(DECISION)
    await app.event(message)
    assert "EU AEO" in (await app.answer("DU1", message["ts"])).shown


async def test_clarification_offers_programmes_as_buttons(app: LoopbackSlack) -> None:
    message = app.message("How long does an AEO decision take?")
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    labels = [element["text"]["text"] for name, element in buttons_of(answer.blocks).items() if name.startswith("ask:")]
    assert labels == ["EU AEO", "UK AEO", "Japan AEO"]
    click = app.click(answer, "ask:1")
    await asyncio.gather(app.envelope("interactive", click), app.envelope("interactive", click))
    second = await app.answer("DU1", message["ts"], count=2)
    assert "UK AEO" in second.shown
    await asyncio.sleep(0.2)
    assert len(app.replies("DU1", message["ts"])) == 2


async def test_passages_open_with_the_quoted_words_in_bold(app: LoopbackSlack, slack_assistant: Assistant) -> None:
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    await app.envelope("interactive", app.click(answer, "passages"))
    await app.until(lambda: app.views)
    conversation, _, _ = buttons_of(answer.blocks)["passages"]["value"].partition("|")
    kept = slack_assistant.conversations.answers(conversation)[0]
    rich = [block for block in app.views[0]["blocks"] if block["type"] == "rich_text"]
    bold = [e["text"] for block in rich for e in block["elements"][0]["elements"] if e.get("style", {}).get("bold")]
    for citation in kept["citations"]:
        assert any(citation["quote"] in text for text in bold)


async def test_feedback_is_stored_as_the_webs_is(app: LoopbackSlack, slack_assistant: Assistant) -> None:
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    down = app.click(answer, "feedback", choose="down")
    await app.envelope("interactive", down)
    await app.until(lambda: app.views)
    view = app.views[0]
    submission = {
        "type": "view_submission",
        "user": {"id": "U1", "team_id": "T0001"},
        "team": {"id": "T0001"},
        "view": view | {"id": "V1", "state": {"values": {"comment": {"comment": {"value": "Which form?"}}}}},
    }
    await app.envelope("interactive", submission)
    await app.until(lambda: True)
    async with asyncio.timeout(5):
        while not slack_assistant.conversations.unhelpful():
            await asyncio.sleep(0.02)
    [(question, comment, kept)] = slack_assistant.conversations.unhelpful()
    assert (question, comment) == (DECISION, "Which form?")
    assert "120 days" in kept["answer"]
    for _ in range(2):
        await app.envelope("interactive", app.click(answer, "feedback", choose="up"))
    await app.until(lambda: [m for m in app.replies("DU1") if "Thank you" in m.text])
    await asyncio.sleep(0.2)
    assert len([m for m in app.replies("DU1") if "Thank you" in m.text]) == 1


async def test_closed_comment_form_still_counts(app: LoopbackSlack, slack_assistant: Assistant) -> None:
    message = app.message(DECISION)
    await app.event(message)
    answer = await app.answer("DU1", message["ts"])
    await app.envelope("interactive", app.click(answer, "feedback", choose="down"))
    await app.until(lambda: app.views)
    closed = {
        "type": "view_closed",
        "user": {"id": "U1", "team_id": "T0001"},
        "team": {"id": "T0001"},
        "view": app.views[0] | {"id": "V1", "state": {"values": {}}},
        "is_cleared": False,
    }
    await app.envelope("interactive", closed)
    async with asyncio.timeout(5):
        while not slack_assistant.conversations.unhelpful():
            await asyncio.sleep(0.02)
