"""What the Slack app does on each event, command, click and form.

Slack is acknowledged first (by Bolt, or by `ack` as a handler's first statement). Then the event is claimed in the
store, so that one process handles it once; then the question waits in a bounded queue.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

from aiohttp import ClientConnectionError
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from assistant.answer import Answer, Audience, Citation, Event, Question, QuestionError, Turn
from assistant.service import Assistant
from assistant.settings import Settings
from corpus.programmes import Programme
from indexing.versions import IndexMissing, IndexUnusable
from integrations.slack import blocks
from integrations.slack.access import Officers, Rules
from integrations.slack.blocks import Profile
from integrations.slack.delivery import LiveMessage, Place, StreamBudget, Undeliverable, Workers, error_code
from integrations.slack.store import SlackStore
from integrations.slack.text import addresses, escaped, question_text, shortened
from integrations.slack.words import say

log = logging.getLogger(__name__)

Body = dict[str, Any]

ANSWERING_THREADS = 4
WORKERS = 16
"""Answers under way: most of their time they wait for Slack."""
CONTEXT_MESSAGES = 6
"""Messages of a thread, from the newest, that a mention is read against."""
CONTEXT_CHARS = 1000
"""Longer messages are no context."""
CONTEXT_PAGES = 5
"""Pages of 200 replies that are read of a thread."""
SIGN_AFTER = 1.0
"""Seconds after which somebody who waits for an ephemeral answer is told so."""

_ANSWERABLE = frozenset(("file_share", "thread_broadcast"))
"""Subtypes of messages that a person wrote; all others are edits, deletions, bots and notices."""
_NO_CONTEXT = frozenset(("injection", "personal_data", "out_of_scope"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it came in."""

    text: str
    place: Place
    claims: tuple[str, ...]
    conversation: str
    respond: AsyncRespond | None = None
    """For ephemeral answers; otherwise the answer goes into the thread."""
    mention_ts: str = ""
    """Set for a mention inside a channel's thread, whose messages are then read."""
    chosen: bool = False
    """Asked with a button, so that nobody sees the question unless we show it."""


class Handlers:
    """Everything that the app reacts to; `register` connects it to Bolt."""

    def __init__(self, assistant: Assistant, store: SlackStore, settings: Settings) -> None:
        self._assistant = assistant
        self._store = store
        self._settings = settings
        self._rules = Rules.of(settings)
        self._officers = Officers(self._rules.officer_groups)
        self._budget = StreamBudget()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = ThreadPoolExecutor(ANSWERING_THREADS, "slack-answer")
        self.workers = Workers(WORKERS, settings.slack_queue)
        # Messages of others are understood without a language model: only their subject is used.
        self._reader = assistant if settings.llm is None else Assistant(settings.model_copy(update={"llm": None}))

    def register(self, app: AsyncApp) -> None:
        """Connect the handlers."""
        app.event("message")(self.on_message)
        app.event("app_mention")(self.on_mention)
        app.event("assistant_thread_started")(self.on_thread_started)
        app.event("assistant_thread_context_changed")(self.on_context_changed)
        app.event("app_context_changed")(_nothing)
        app.event("app_home_opened")(self.on_home_opened)
        app.command("/aeo")(self.on_command)
        app.shortcut("ask_about_message")(self.on_shortcut)
        app.action(_pattern("ask:"))(self.on_choice)
        app.action("more")(self.on_more)
        app.action("passages")(self.on_passages)
        app.action("share")(self.on_share)
        app.action("feedback")(self.on_feedback)
        app.action(_pattern("set_"))(self.on_setting)
        app.action("forget")(self.on_forget)
        app.view("comment")(self.on_comment)
        app.view_closed("comment")(self.on_comment_skipped)

    def warm_up(self) -> None:
        """Open the database, the index and the embedding model, so that the first questions wait for none of them."""
        self._assistant.conversations.exists("")
        self._assistant.search("authorized economic operator", 1)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Events

    async def on_message(self, event: Body, body: Body, client: AsyncWebClient, context: AsyncBoltContext) -> None:
        """A direct message, in the assistant's pane or the messages tab."""
        if event.get("channel_type") != "im" or not _from_person(event, context):
            return
        thread = event.get("thread_ts") or event["ts"]
        await self._accept(_asked_in_thread(event, body, context, thread), client)

    async def on_mention(self, event: Body, body: Body, client: AsyncWebClient, context: AsyncBoltContext) -> None:
        """A mention in a channel."""
        if not _from_person(event, context) or not addresses(event.get("text", ""), context.bot_user_id or ""):
            return
        thread = event.get("thread_ts") or event["ts"]
        asked = _asked_in_thread(event, body, context, thread)
        await self._accept(replace(asked, mention_ts=event["ts"] if event.get("thread_ts") else ""), client)

    async def on_thread_started(self, event: Body, body: Body, client: AsyncWebClient) -> None:
        """The assistant's pane was opened: a greeting and questions to start with."""
        thread = event["assistant_thread"]
        team = _team(body)
        if not await asyncio.to_thread(self._store.claim, _event_key(body)):
            return
        profile = await self._profile(client, team, thread["user_id"], _viewed_channel(thread))
        await client.chat_postMessage(
            channel=thread["channel_id"], thread_ts=thread["thread_ts"], text=say("greeting", profile.language)
        )
        await self._suggest(client, thread["channel_id"], thread["thread_ts"], profile)

    async def on_context_changed(self, event: Body, body: Body, client: AsyncWebClient) -> None:
        """The user looks at another channel: its programme decides which questions are suggested."""
        thread = event["assistant_thread"]
        if await asyncio.to_thread(self._store.claim, _event_key(body)):
            profile = await self._profile(client, _team(body), thread["user_id"], _viewed_channel(thread))
            await self._suggest(client, thread["channel_id"], thread["thread_ts"], profile)

    async def on_home_opened(self, event: Body, body: Body, client: AsyncWebClient) -> None:
        """The home tab is drawn; in the messages tab, suggestions, and the first time a greeting."""
        team, user = _team(body), event["user"]
        if event.get("tab") == "home":
            await self._draw_home(client, team, user)
        elif event.get("tab") == "messages" and await asyncio.to_thread(self._store.claim, _event_key(body)):
            profile = await self._profile(client, team, user)
            if await asyncio.to_thread(self._store.greet, team, user):
                await client.chat_postMessage(channel=event["channel"], text=say("greeting", profile.language))
            await self._suggest(client, event["channel"], None, profile)

    # Commands and shortcuts

    async def on_command(
        self, ack: AsyncAck, command: Body, respond: AsyncRespond, client: AsyncWebClient, context: AsyncBoltContext
    ) -> None:
        """`/aeo QUESTION`: an answer that only the asker sees."""
        await ack()
        text = question_text(command.get("text", ""), context.bot_user_id or "")
        if not text or text.casefold() in ("help", "?"):
            profile = await self._profile(client, command["team_id"], command["user_id"])
            await respond(text=say("usage", profile.language), response_type="ephemeral")
            return
        place = Place(command["team_id"], command["channel_id"], command["user_id"])
        claim = f"command:{command['trigger_id']}"
        await self._accept(Asked(text, place, (claim,), _conversation(claim), respond), client)

    async def on_shortcut(
        self, ack: AsyncAck, shortcut: Body, respond: AsyncRespond, client: AsyncWebClient, context: AsyncBoltContext
    ) -> None:
        """`Ask AEO about this`, on a message: an answer that only the asker sees."""
        await ack()
        text = question_text(shortcut["message"].get("text", ""), context.bot_user_id or "")
        place = Place(shortcut["team"]["id"], shortcut["channel"]["id"], shortcut["user"]["id"])
        claim = f"shortcut:{shortcut['trigger_id']}"
        await self._accept(Asked(text, place, (claim,), _conversation(claim), respond), client)

    # Clicks

    async def on_choice(
        self, ack: AsyncAck, body: Body, action: Body, respond: AsyncRespond, client: AsyncWebClient
    ) -> None:
        """A suggested question, or a choice that a clarification offered."""
        await ack()
        place, message_ts, ephemeral = _clicked(body)
        claim = f"ask:{place.channel}:{message_ts}:{action['action_id']}:{place.user}"
        conversation = _conversation(claim if ephemeral else f"{place.team}:{place.channel}:{place.thread_ts}")
        asked = Asked(
            action["value"], place, (claim,), conversation, respond if ephemeral else None, chosen=not ephemeral
        )
        await self._accept(asked, client)

    async def on_more(
        self, ack: AsyncAck, body: Body, action: Body, respond: AsyncRespond, client: AsyncWebClient
    ) -> None:
        """The next part of a long answer."""
        await ack()
        place, message_ts, ephemeral = _clicked(body)
        key, _, part = action["value"].rpartition("|")
        if not await asyncio.to_thread(self._store.claim, f"more:{place.channel}:{message_ts}:{action['value']}"):
            return
        profile = await self._profile(client, place.team, place.user, place.channel)
        answer = await self._kept(key)
        if answer is None:
            await respond(text=say("gone", profile.language), response_type="ephemeral", replace_original=False)
            return
        message = blocks.answer_message(
            answer, await self._names(), profile.language, part=int(part), sharing=ephemeral
        )
        if ephemeral:
            await respond(
                text=message.notification, blocks=message.blocks, response_type="ephemeral", replace_original=False
            )
        else:
            await client.chat_postMessage(
                channel=place.channel, thread_ts=place.thread_ts, text=message.notification, blocks=message.blocks
            )

    async def on_passages(
        self, ack: AsyncAck, body: Body, action: Body, respond: AsyncRespond, client: AsyncWebClient
    ) -> None:
        """The cited passages, with the quoted words marked."""
        await ack()
        place, _, _ = _clicked(body)
        profile = await self._profile(client, place.team, place.user, place.channel)
        answer = await self._kept(action["value"])
        if answer is None:
            await respond(text=say("gone", profile.language), response_type="ephemeral", replace_original=False)
            return
        identifiers = dict.fromkeys(citation.passage_id for citation in answer.citations)
        found = await asyncio.to_thread(lambda: {i: self._assistant.passage(i) for i in identifiers})
        held = {identifier: passage for identifier, passage in found.items() if passage is not None}
        await client.views_open(
            trigger_id=body["trigger_id"], view=blocks.passages_view(answer.citations, held, profile.language)
        )

    async def on_share(
        self, ack: AsyncAck, body: Body, action: Body, respond: AsyncRespond, client: AsyncWebClient
    ) -> None:
        """An ephemeral answer is shown to the channel, once."""
        await ack()
        place, _, _ = _clicked(body)
        profile = await self._profile(client, place.team, place.user, place.channel)
        answer = await self._kept(action["value"])
        if answer is None:
            await respond(text=say("gone", profile.language), response_type="ephemeral", replace_original=False)
        elif await asyncio.to_thread(self._store.claim, f"share:{place.channel}:{action['value']}"):
            shown = blocks.whole_message(answer, await self._names(), profile.language, place.user)
            await respond(
                text=escaped(shortened(answer.answer, 300)),
                blocks=shown,
                response_type="in_channel",
                replace_original=False,
            )
            await respond(delete_original=True)

    async def on_feedback(
        self, ack: AsyncAck, body: Body, action: Body, respond: AsyncRespond, client: AsyncWebClient
    ) -> None:
        """A thumb; down asks why, and is kept when that form is sent or closed."""
        await ack()
        place, _, _ = _clicked(body)
        thumb, _, key = action["value"].partition("|")
        if thumb == "down":
            await client.views_open(trigger_id=body["trigger_id"], view=blocks.comment_view(key))
        elif await self._keep_feedback(key, place.user, helpful=True):
            profile = await self._profile(client, place.team, place.user, place.channel)
            await respond(text=say("thanks", profile.language), response_type="ephemeral", replace_original=False)

    async def on_comment(self, ack: AsyncAck, body: Body, view: Body) -> None:
        """Why an answer was not helpful."""
        await ack()
        comment = view["state"]["values"]["comment"]["comment"].get("value") or ""
        await self._keep_feedback(view["private_metadata"], body["user"]["id"], helpful=False, comment=comment)

    async def on_comment_skipped(self, ack: AsyncAck, body: Body, view: Body) -> None:
        """A thumb down without a comment."""
        await ack()
        await self._keep_feedback(view["private_metadata"], body["user"]["id"], helpful=False)

    async def on_setting(self, ack: AsyncAck, body: Body, action: Body, client: AsyncWebClient) -> None:
        """A default chosen on the home tab."""
        await ack()
        team, user = _team(body), body["user"]["id"]
        field, chosen = action["action_id"].removeprefix("set_"), action["selected_option"]["value"]
        if field in ("programme", "audience", "language"):
            value = "" if chosen in ("none", "auto") else chosen
            await asyncio.to_thread(self._store.save_default, team, user, field, value)
            await self._draw_home(client, team, user)

    async def on_forget(self, ack: AsyncAck, body: Body, client: AsyncWebClient) -> None:
        """The user's list of questions is deleted."""
        await ack()
        team, user = _team(body), body["user"]["id"]
        await asyncio.to_thread(self._store.forget, team, user)
        await self._draw_home(client, team, user)

    # From a question to its answer

    async def _accept(self, asked: Asked, client: AsyncWebClient) -> None:
        """Claim a question, check that it may be asked, and queue it; say kindly why not."""
        place = asked.place
        if not await asyncio.to_thread(self._store.claim, *asked.claims):
            return
        if not self._rules.allow(place.team, place.channel, place.user):
            await self._tell(asked, client, say("not_here", await self._language(place)))
            return
        limits = self._settings.slack_user_per_minute, self._settings.slack_team_per_minute
        admission = await asyncio.to_thread(self._store.admit, place.team, place.user, asked.text, *limits)
        if admission == "user":
            await self._tell(asked, client, say("too_fast", await self._language(place), limit=limits[0]))
            return
        status: asyncio.Task[None] | None = None
        if admission == "team" or not self.workers.submit(lambda: self._answer(asked, client, status)):
            await self._tell(asked, client, say("busy", await self._language(place)))
        elif asked.respond is None:
            status = asyncio.create_task(self._show_status(client, place))

    async def _answer(self, asked: Asked, client: AsyncWebClient, status: asyncio.Task[None] | None) -> None:
        """Answer a question and deliver it; whatever happens, the asker gets one answer or one line."""
        reference = f"ref_{secrets.token_hex(4)}"
        place = asked.place
        live = LiveMessage(client, place, self._budget, after=status)
        lock = self._locks.setdefault(asked.conversation, asyncio.Lock())
        profile = Profile()
        try:
            async with lock:  # a thread's questions are answered in their order
                profile = await self._profile(client, place.team, place.user, place.channel)
                if asked.respond is not None:
                    await self._answer_privately(asked, asked.respond, profile)
                else:
                    await self._answer_in_thread(asked, client, live, profile)
            return
        except Undeliverable as error:
            log.warning("slack: %s: the answer has nowhere to go (%s)", reference, error)
            return
        except QuestionError as error:
            line = f"{str(error)[:1].upper()}{str(error)[1:]}."
        except (IndexMissing, IndexUnusable) as error:
            log.error("slack: %s: %s", reference, error)
            line = say("not_ready", profile.language, reference=reference)
        except Exception:
            log.exception("slack: %s", reference)
            line = say("failed", profile.language, reference=reference)
        try:
            if asked.respond is not None:
                await asked.respond(text=line, response_type="ephemeral", replace_original=False)
            else:
                await live.abandon(line)
        except (SlackApiError, ClientConnectionError, TimeoutError, Undeliverable) as error:
            log.warning("slack: %s: not even an apology could be delivered (%s)", reference, type(error).__name__)

    async def _answer_in_thread(
        self, asked: Asked, client: AsyncWebClient, live: LiveMessage, profile: Profile
    ) -> None:
        history = await self._thread_context(asked, client) if asked.mention_ts else ()
        names = await self._names()
        shown = [f"> {asked.text}"] if asked.chosen else []
        if shown:
            await live.grow(shown)
        async for sentences, answer in self._events(asked, profile, history):
            if answer is None:
                await live.grow(sentences)
                continue
            message = blocks.answer_message(answer, names, profile.language)
            if asked.chosen:
                message = replace(message, text=f"{shown[0]}\n\n{message.text}")
            await live.finish(message)

    async def _answer_privately(self, asked: Asked, respond: AsyncRespond, profile: Profile) -> None:
        waiting = asyncio.create_task(self._sign_of_life(respond, profile))
        try:
            async for _, answer in self._events(asked, profile, ()):
                if answer is not None:
                    waiting.cancel()
                    message = blocks.answer_message(answer, await self._names(), profile.language, sharing=True)
                    await respond(
                        text=message.notification,
                        blocks=message.blocks,
                        response_type="ephemeral",
                        replace_original=False,
                    )
        finally:
            waiting.cancel()

    async def _sign_of_life(self, respond: AsyncRespond, profile: Profile) -> None:
        await asyncio.sleep(SIGN_AFTER)
        await respond(
            text=f"AEO {say('thinking', profile.language)}", response_type="ephemeral", replace_original=False
        )

    async def _events(
        self, asked: Asked, profile: Profile, history: tuple[Turn, ...]
    ) -> AsyncIterator[tuple[list[str], Answer | None]]:
        """The answer as it is made: batches of paragraphs, then the whole.

        The pipeline runs in a thread; what it makes while Slack is being told is gathered into the next batch.
        """
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Event | BaseException] = asyncio.Queue()

        def run() -> None:
            try:
                for event in self._ask(asked, profile, history):
                    loop.call_soon_threadsafe(made.put_nowait, event)
            except BaseException as error:
                loop.call_soon_threadsafe(made.put_nowait, error)

        running = loop.run_in_executor(self._threads, run)
        while True:
            batch = [await made.get()]
            while not made.empty():
                batch.append(made.get_nowait())
            sentences: list[str] = []
            for event in batch:
                if isinstance(event, BaseException):
                    raise event
                if event.answer is not None:
                    await running
                    yield [], event.answer
                    return
                if event.kind == "sentence":
                    sentences.append(event.text)
            if sentences:
                yield sentences, None

    def _ask(self, asked: Asked, profile: Profile, history: tuple[Turn, ...]) -> Iterator[Event]:
        """Ask the assistant; again with the default programme, where the question alone did not say which is meant.

        A programme that the question names, or the conversation is about, comes before the default.
        """
        conversations = self._assistant.conversations
        audience: Audience | None = "officer" if profile.audience == "officer" else None
        if profile.audience == "applicant":
            audience = "applicant"
        asker = f"{asked.place.team}:{asked.place.user}"
        earlier = history or conversations.turns(asked.conversation)
        question = Question(asked.text, audience=audience, history=earlier, asker=asker)
        answer: Answer | None = None
        held: list[Event] = []
        composing = False
        for event in self._assistant.stream(question):
            answer = event.answer
            composing = composing or (event.kind == "step" and event.text == "compose")
            if profile.programme and event.kind == "sentence" and not composing:
                held.append(event)  # perhaps a clarification, which the default programme makes unnecessary
            elif answer is None:
                yield event
        assert answer is not None  # the last event of a stream holds the answer
        if profile.programme and answer.reason in ("ambiguous_programme", "out_of_scope"):
            for event in self._assistant.stream(replace(question, jurisdictions=(profile.programme,))):
                answer = event.answer
                if answer is None:
                    yield event
            assert answer is not None
        else:
            yield from held
        answer = replace(answer, conversation_id=asked.conversation)
        conversations.record(answer)
        yield Event("answer", answer=answer)

    async def _thread_context(self, asked: Asked, client: AsyncWebClient) -> tuple[Turn, ...]:
        """What was said in the thread before a mention, as earlier turns: the assistant's own, and what people wrote.

        People's messages are data: each is put to the assistant on its own, and only its programme and subject are
        used. What the assistant would not answer, such as an attempt to steer it, is left out.
        """
        place = asked.place
        own = await asyncio.to_thread(self._assistant.conversations.turns, asked.conversation)
        said: deque[tuple[bool, str]] = deque(maxlen=4 * CONTEXT_MESSAGES)
        cursor = ""
        try:
            for _ in range(CONTEXT_PAGES):
                page = await client.conversations_replies(
                    channel=place.channel, ts=place.thread_ts, limit=200, cursor=cursor or None, latest=asked.mention_ts
                )
                for message in page.get("messages") or []:
                    if message.get("ts") != asked.mention_ts:
                        said.append((bool(message.get("bot_id")), message.get("text") or ""))
                cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
                if not cursor:
                    break
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            log.info(
                "slack: a thread cannot be read (%s)", error_code(error) if isinstance(error, SlackApiError) else error
            )
            return own
        last_own = max((place for place, (bot, _) in enumerate(said) if bot), default=-1)
        before = [text for place, (bot, text) in enumerate(said) if not bot and place < last_own]
        after = [text for place, (bot, text) in enumerate(said) if not bot and place > last_own]
        kept = after[-CONTEXT_MESSAGES:]
        earlier = before[-(CONTEXT_MESSAGES - len(kept)) :] if len(kept) < CONTEXT_MESSAGES else []
        loop = asyncio.get_running_loop()
        read = [await loop.run_in_executor(self._threads, self._turns, texts) for texts in (earlier, kept)]
        return (*read[0], *own, *read[1])

    def _turns(self, messages: list[str]) -> list[Turn]:
        """What people wrote, as turns of a conversation."""
        turns: list[Turn] = []
        for message in messages:
            text = question_text(message)
            if not text or len(text) > CONTEXT_CHARS:
                continue
            try:
                understood = self._reader.ask(Question(text))
            except QuestionError:
                continue
            if understood.reason not in _NO_CONTEXT:
                turns.append(Turn(text, understood.answer, understood.status, understood.jurisdictions))
        return turns

    # Smaller parts

    async def _profile(self, client: AsyncWebClient, team: str, user: str, channel: str = "") -> Profile:
        own = await asyncio.to_thread(self._store.profile, team, user)
        return self._rules.profile(channel, own, await self._officers.include(client, team, user))

    async def _language(self, place: Place) -> str:
        return (await asyncio.to_thread(self._store.profile, place.team, place.user)).language

    async def _programmes(self) -> list[Programme]:
        """Programmes that the guidance holds; none, while there is no index."""
        try:
            return await asyncio.to_thread(self._assistant.programmes)
        except (IndexMissing, IndexUnusable):
            return []

    async def _names(self) -> dict[str, str]:
        return {programme.code: programme.name for programme in await self._programmes()}

    async def _kept(self, key: str) -> Answer | None:
        """An answer that was given before."""
        conversation, _, identifier = key.partition("|")
        stored = await asyncio.to_thread(self._assistant.conversations.answers, conversation)
        return next((_answer_of(fields) for fields in stored if fields["id"] == identifier), None)

    async def _keep_feedback(self, key: str, user: str, *, helpful: bool, comment: str = "") -> bool:
        """Keep a thumb as the web chat does; one per user, answer and direction."""
        answer_id = key.partition("|")[2]
        if not await asyncio.to_thread(self._store.claim, f"feedback:{answer_id}:{user}:{helpful}"):
            return False
        await asyncio.to_thread(self._assistant.conversations.add_feedback, answer_id, helpful, comment, "slack")
        return True

    async def _suggest(self, client: AsyncWebClient, channel: str, thread_ts: str | None, profile: Profile) -> None:
        """Suggest questions. Without a thread: the messages tab of the agent view, which takes none."""
        named = {programme.code: programme for programme in await self._programmes()}
        shown = {"channel_id": channel, "title": say("prompts_title", profile.language)}
        if thread_ts:
            shown["thread_ts"] = thread_ts
        try:
            await client.api_call(
                "assistant.threads.setSuggestedPrompts",
                json=shown | {"prompts": blocks.prompts(named.get(profile.programme))},
            )
        except SlackApiError as error:
            log.info("slack: no suggestions (%s)", error_code(error))

    async def _draw_home(self, client: AsyncWebClient, team: str, user: str) -> None:
        lock = self._locks.setdefault(f"home:{team}:{user}", asyncio.Lock())
        async with lock:  # what was read last is drawn last
            own = await asyncio.to_thread(self._store.profile, team, user)
            recent = await asyncio.to_thread(self._store.recent, team, user)
            await client.views_publish(user_id=user, view=blocks.home_view(own, await self._programmes(), recent))

    async def _show_status(self, client: AsyncWebClient, place: Place) -> None:
        """The first sign, at once; it goes when the answer comes. Not worth an error when it cannot be shown."""
        language = await self._language(place)
        loading = [f"{named}…" for named in say("loading", language).split("|")]
        try:
            await client.assistant_threads_setStatus(
                channel_id=place.channel,
                thread_ts=place.thread_ts,
                status=say("thinking", language),
                loading_messages=loading,
            )
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            log.info(
                "slack: no status (%s)", error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
            )

    async def _tell(self, asked: Asked, client: AsyncWebClient, line: str) -> None:
        """One line to the asker alone; in a direct message, in its thread."""
        place = asked.place
        try:
            if asked.respond is not None:
                await asked.respond(text=line, response_type="ephemeral", replace_original=False)
            elif place.channel.startswith("D"):
                await client.chat_postMessage(channel=place.channel, thread_ts=place.thread_ts, text=line)
            else:
                await client.chat_postEphemeral(
                    channel=place.channel, user=place.user, thread_ts=place.thread_ts, text=line
                )
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            log.info("slack: %s", error_code(error) if isinstance(error, SlackApiError) else type(error).__name__)


async def _nothing() -> None:
    """An event that needs no more than its acknowledgement."""


def _pattern(prefix: str) -> Any:
    import re

    return re.compile(rf"^{re.escape(prefix)}")


def _from_person(event: Body, context: AsyncBoltContext) -> bool:
    """Whether a person wrote the message: no bot, no edit, no notice, not ourselves."""
    if event.get("bot_id") or event.get("hidden") or not event.get("user"):
        return False
    return event["user"] != context.bot_user_id and (not event.get("subtype") or event["subtype"] in _ANSWERABLE)


def _asked_in_thread(event: Body, body: Body, context: AsyncBoltContext, thread: str) -> Asked:
    team = _team(body)
    place = Place(team, event["channel"], event["user"], thread)
    # The same message can come as two kinds of event: it is claimed as a message too.
    claims = (_event_key(body), f"message:{team}:{event['channel']}:{event['ts']}")
    text = question_text(event.get("text", ""), context.bot_user_id or "")
    return Asked(text, place, claims, _conversation(f"{team}:{event['channel']}:{thread}"))


def _event_key(body: Body) -> str:
    return f"event:{body['event_id']}"


def _team(body: Body) -> str:
    """The workspace of an event or click, under any of the names that Slack gives it."""
    team = body.get("team_id") or (body.get("team") or {}).get("id") or (body.get("user") or {}).get("team_id")
    return str(team or "")


def _viewed_channel(thread: Body) -> str:
    return str((thread.get("context") or {}).get("channel_id") or "")


def _conversation(thread: str) -> str:
    """The conversation of a thread: the same in every process, and no names in it."""
    return f"conv_{hashlib.sha256(f'slack:{thread}'.encode()).hexdigest()[:20]}"


def _clicked(body: Body) -> tuple[Place, str, bool]:
    """Where a click happened: the place, the message, and whether the message is ephemeral."""
    container, message = body.get("container") or {}, body.get("message") or {}
    message_ts = str(container.get("message_ts") or message.get("ts") or "")
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    thread = str(message.get("thread_ts") or container.get("thread_ts") or message_ts)
    ephemeral = bool(container.get("is_ephemeral"))
    return Place(_team(body), channel, body["user"]["id"], "" if ephemeral else thread), message_ts, ephemeral


def _answer_of(fields: Body) -> Answer:
    """An answer from its stored JSON."""
    lists = {name: tuple(fields[name]) for name in ("jurisdictions", "notices", "suggestions")}
    return Answer(**{**fields, **lists, "citations": tuple(Citation(**citation) for citation in fields["citations"])})
