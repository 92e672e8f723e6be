"""A Slack on loopback: the Web API methods that the app uses, response URLs, and Socket Mode's WebSocket.

It refuses what the documentation says that Slack refuses: missing scopes, wrong arguments, blocks beyond their limits,
updates of messages that still stream, expired triggers, more calls than a method's tier grants.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
import urllib.parse
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from . import blockkit

Body = dict[str, Any]

TEAM, BOT_USER, BOT_ID = "T0001", "U0BOT", "B0BOT"
BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-loopback", "xapp-loopback", "signing-secret"
SCOPES = [
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "chat:write",
    "commands",
    "groups:history",
    "im:history",
]

NEEDS = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "chat.startStream": "chat:write",
    "chat.appendStream": "chat:write",
    "chat.stopStream": "chat:write",
    "assistant.threads.setStatus": "chat:write",
    "assistant.threads.setSuggestedPrompts": "assistant:write",
    "conversations.replies": "channels:history",
    "usergroups.users.list": "usergroups:read",
}
TIERS = {
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.appendStream": 100,
    "chat.update": 50,
    "conversations.replies": 50,
    "assistant.threads.setSuggestedPrompts": 100,
}
"""Calls a minute and workspace: tiers 2, 4 and 3."""


@dataclass
class Call:
    method: str
    arguments: Body
    at: float
    error: str = ""


@dataclass
class Posted:
    """A message as a reader would see it."""

    channel: str
    ts: str
    thread_ts: str = ""
    text: str = ""
    blocks: list[Body] = field(default_factory=list)
    streaming: bool = False
    by_stream: bool = False
    user: str = BOT_USER
    bot: bool = True
    ephemeral_for: str = ""
    edits: int = 0

    @property
    def shown(self) -> str:
        """Text and all that blocks show, joined."""
        pieces = [] if self.blocks and not self.by_stream else [self.text]
        return "\n".join([*pieces, *texts_of(self.blocks)])


def texts_of(value: Any) -> list[str]:
    """All texts in blocks, in order."""
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            return [value["text"]]
        return [text for item in value.values() for text in texts_of(item)]
    return []


def buttons_of(blocks: list[Body]) -> dict[str, Body]:
    """Clickable elements by action id."""
    found = {}
    for block in blocks:
        for element in [*(block.get("elements") or []), *([block["accessory"]] if "accessory" in block else [])]:
            if "action_id" in element:
                found[element["action_id"]] = element
    return found


class LoopbackSlack:
    """Start with `async with LoopbackSlack() as slack`; the app is given `slack.api_url`."""

    def __init__(self) -> None:
        self.scopes = list(SCOPES)
        self.calls: list[Call] = []
        self.messages: dict[tuple[str, str], Posted] = {}
        self.deleted: list[Posted] = []
        self.views: list[Body] = []
        self.homes: dict[str, Body] = {}
        self.prompts: list[Body] = []
        self.absent_from: set[str] = set()
        self.groups: dict[str, list[str]] = {}
        self.acks: dict[str, float] = {}
        self.ack_payloads: dict[str, Any] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.latency = 0.0
        self._failures: dict[str, deque[tuple[str, float]]] = defaultdict(deque)
        self._granted: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._triggers: dict[str, float] = {}
        self._urls: dict[str, tuple[str, str, int]] = {}
        self._ids = itertools.count(1)
        self._changed = asyncio.Condition()
        self._acked: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def __aenter__(self) -> LoopbackSlack:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/respond/{key}", self._respond)
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.api_url = f"{self.base}/api/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop_sockets()
        await self._runner.cleanup()

    # What tests arrange

    def fail(self, method: str, *outcomes: str | float) -> None:
        """The next calls of a method: an error's name, "ok", "drop" (the connection), or seconds of Retry-After."""
        for outcome in outcomes:
            limited = isinstance(outcome, int | float)
            self._failures[method].append(("ratelimited", float(outcome)) if limited else (str(outcome), 0.0))

    def person_says(self, channel: str, text: str, thread_ts: str = "", user: str = "U1") -> str:
        """A message in a channel, without any event."""
        ts = self.new_ts()
        self.messages[channel, ts] = Posted(channel, ts, thread_ts, text, user=user, bot=False)
        return ts

    def new_ts(self) -> str:
        return f"{1_790_000_000 + next(self._ids) // 1000}.{next(self._ids):06d}"

    def new_trigger(self, age: float = 0.0) -> str:
        trigger = f"trigger.{next(self._ids)}"
        self._triggers[trigger] = time.monotonic() - age
        return trigger

    def new_response_url(self, channel: str, user: str) -> str:
        key = f"{next(self._ids)}"
        self._urls[key] = (channel, user, 0)
        return f"{self.base}/respond/{key}"

    # What tests look at

    def made(self, method: str, *, failed: bool | None = None) -> list[Call]:
        return [call for call in self.calls if call.method == method and failed in (None, bool(call.error))]

    def replies(self, channel: str, thread_ts: str = "") -> list[Posted]:
        """The app's messages, in order."""
        return [
            message
            for (place, _), message in sorted(self.messages.items())
            if place == channel and message.bot and (not thread_ts or message.thread_ts == thread_ts)
        ]

    async def until(self, holds: Callable[[], Any], seconds: float = 10.0) -> Any:
        """Wait until something holds; the truth that it gave."""
        async with asyncio.timeout(seconds):
            async with self._changed:
                await self._changed.wait_for(lambda: bool(holds()))
        return holds()

    async def answer(self, channel: str, thread_ts: str = "", count: int = 1) -> Posted:
        """The last of `count` finished messages of the app in a thread."""
        found = await self.until(lambda: self._finished(channel, thread_ts, count))
        return found[count - 1]

    def _finished(self, channel: str, thread_ts: str, count: int) -> list[Posted]:
        finished = [m for m in self.replies(channel, thread_ts) if not m.streaming]
        return finished if len(finished) >= count else []

    # Events and clicks, over Socket Mode

    async def event(
        self, event: Body, *, event_id: str = "", retry: int = 0, socket: int = 0, team: str = TEAM
    ) -> float:
        """Deliver an event; seconds until it was acknowledged."""
        return await self.envelope(
            "events_api", event_body(event, event_id or f"Ev{next(self._ids)}", team), retry, socket
        )

    async def envelope(self, kind: str, payload: Body, retry: int = 0, socket: int = 0) -> float:
        """Deliver a payload, again where it is not acknowledged in three seconds, as Slack does."""
        started = time.perf_counter()
        for attempt in range(retry, retry + 4):
            await self.until(lambda: len(self.sockets) > max(socket, 0))
            identifier = f"env-{next(self._ids)}"
            sent = {"envelope_id": identifier, "type": kind, "payload": payload}
            sent |= {"accepts_response_payload": kind != "events_api", "retry_attempt": attempt, "retry_reason": ""}
            try:
                await self.sockets[socket].send_json(sent)
                async with asyncio.timeout(3):
                    await self._acked[identifier].wait()
                return self.acks[identifier] - started
            except (TimeoutError, ConnectionError):
                continue
        raise AssertionError(f"{kind} was not acknowledged")

    def message(self, text: str, user: str = "U1", channel: str = "", thread_ts: str = "", **more: Any) -> Body:
        """A direct message event."""
        channel = channel or f"D{user}"
        ts = self.person_says(channel, text, thread_ts, user)
        event = {"type": "message", "channel_type": "im", "channel": channel, "user": user, "text": text, "ts": ts}
        return event | ({"thread_ts": thread_ts} if thread_ts else {}) | more

    def mention(self, text: str, user: str = "U1", channel: str = "C1", thread_ts: str = "", **more: Any) -> Body:
        event = self.message(text, user, channel, thread_ts, **more)
        return {**event, "type": "app_mention"} | {"channel_type": "channel"}

    def command(self, text: str, user: str = "U1", channel: str = "C1") -> Body:
        return {
            "command": "/aeo",
            "text": text,
            "user_id": user,
            "team_id": TEAM,
            "channel_id": channel,
            "trigger_id": self.new_trigger(),
            "response_url": self.new_response_url(channel, user),
            "api_app_id": "A1",
        }

    def shortcut(self, text: str, user: str = "U1", channel: str = "C1") -> Body:
        return {
            "type": "message_action",
            "callback_id": "ask_about_message",
            "trigger_id": self.new_trigger(),
            "user": {"id": user},
            "team": {"id": TEAM},
            "channel": {"id": channel},
            "message": {"type": "message", "text": text, "ts": self.new_ts(), "user": "U9"},
            "response_url": self.new_response_url(channel, user),
        }

    def click(
        self, message: Posted, action_id: str, user: str = "U1", choose: str = "up", trigger_age: float = 0
    ) -> Body:
        """The payload of a click on a message's button."""
        element = buttons_of(message.blocks)[action_id]
        if element["type"] == "feedback_buttons":
            value = element["positive_button" if choose == "up" else "negative_button"]["value"]
        else:
            value = element["value"]
        ephemeral = bool(message.ephemeral_for)
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": ephemeral,
        }
        shown = {"ts": message.ts, "blocks": message.blocks} | (
            {"thread_ts": message.thread_ts} if message.thread_ts else {}
        )
        return {
            "type": "block_actions",
            "user": {"id": user, "team_id": TEAM},
            "team": {"id": TEAM},
            "channel": {"id": message.channel},
            "container": container,
            "message": {} if ephemeral else shown,
            "trigger_id": self.new_trigger(trigger_age),
            "response_url": self.new_response_url(message.channel, user),
            "actions": [
                {"type": element["type"], "action_id": action_id, "block_id": "b", "value": value, "action_ts": "1"}
            ],
        }

    async def ask_to_reconnect(self) -> None:
        """What Slack sends before it refreshes a connection."""
        for socket in list(self.sockets):
            await socket.send_json(
                {"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "loopback"}}
            )

    async def drop_sockets(self) -> None:
        """The connections go away, as they do on Slack's side now and then."""
        for socket in self.sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self.sockets.clear()

    # The protocol

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {"type": "hello", "num_connections": len(self.sockets) + 1, "connection_info": {"app_id": "A1"}}
        )
        self.sockets.append(socket)
        await self._notify()
        async for received in socket:
            if received.type == aiohttp.WSMsgType.TEXT:
                body = json.loads(received.data)
                self.acks[body["envelope_id"]] = time.perf_counter()
                self.ack_payloads[body["envelope_id"]] = body.get("payload")
                self._acked[body["envelope_id"]].set()
        if socket in self.sockets:
            self.sockets.remove(socket)
        return socket

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or arguments.pop("token", "")
        call = Call(method, arguments, time.perf_counter())
        self.calls.append(call)
        if self.latency:
            await asyncio.sleep(self.latency)
        headers = {"x-oauth-scopes": ",".join(self.scopes)}
        status, result = 200, self._planned(method) or self._refusal(method, token)
        if result is not None and result["error"] == "drop":
            call.error = "drop"
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if result is None:
            handler = getattr(self, "_" + method.replace(".", "_"), None)
            result = handler(arguments) if handler else {"ok": False, "error": "unknown_method"}
        if result.get("error") == "ratelimited":
            status, headers["Retry-After"] = 429, str(int(result.pop("retry_after", 1)))
        call.error = result.get("error", "")
        await self._notify()
        return web.json_response(result, status=status, headers=headers)

    def _planned(self, method: str) -> Body | None:
        if not self._failures[method]:
            return None
        outcome, retry_after = self._failures[method].popleft()
        return None if outcome == "ok" else {"ok": False, "error": outcome, "retry_after": retry_after}

    def _refusal(self, method: str, token: str) -> Body | None:
        if method == "oauth.v2.access":
            return None
        if method == "apps.connections.open":
            return None if token == APP_TOKEN else _error("invalid_auth")
        if token != BOT_TOKEN:
            return _error("invalid_auth")
        if method in NEEDS and NEEDS[method] not in self.scopes:
            return _error("missing_scope") | {"needed": NEEDS[method]}
        granted, now = self._granted[method, TEAM], time.monotonic()
        while granted and granted[0] < now - 60:
            granted.popleft()
        if method in TIERS and len(granted) >= TIERS[method]:
            return _error("ratelimited") | {"retry_after": 30}
        granted.append(now)
        return None

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # Methods

    def _auth_test(self, _: Body) -> Body:
        return {
            "ok": True,
            "team": "Loopback",
            "team_id": TEAM,
            "user": "aeo",
            "user_id": BOT_USER,
            "bot_id": BOT_ID,
            "url": "",
        }

    def _apps_connections_open(self, _: Body) -> Body:
        return {"ok": True, "url": f"ws://127.0.0.1:{self.port}/socket"}

    def _chat_postMessage(self, arguments: Body) -> Body:
        if error := self._unwritable(arguments) or _message_error(arguments):
            return error
        return self._post(arguments)

    def _post(self, arguments: Body, **more: Any) -> Body:
        channel, ts = arguments["channel"], self.new_ts()
        message = Posted(
            channel, ts, arguments.get("thread_ts") or "", arguments.get("text") or "", arguments.get("blocks") or []
        )
        for name, value in more.items():
            setattr(message, name, value)
        self.messages[channel, ts] = message
        return {"ok": True, "channel": channel, "ts": ts}

    def _chat_postEphemeral(self, arguments: Body) -> Body:
        if "user" not in arguments:
            return _error("user_not_in_channel")
        if error := self._unwritable(arguments) or _message_error(arguments):
            return error
        return self._post(arguments, ephemeral_for=arguments["user"])

    def _chat_update(self, arguments: Body) -> Body:
        message = self.messages.get((arguments["channel"], arguments["ts"]))
        if message is None:
            return _error("message_not_found")
        if message.streaming:
            return _error("streaming_state_conflict")
        if error := _message_error(arguments):
            return error
        message.text, message.blocks = arguments.get("text") or "", arguments.get("blocks") or []
        message.by_stream = False
        message.edits += 1
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def _chat_delete(self, arguments: Body) -> Body:
        message = self.messages.pop((arguments["channel"], arguments["ts"]), None)
        if message is None:
            return _error("message_not_found")
        self.deleted.append(message)
        return {"ok": True}

    def _chat_startStream(self, arguments: Body) -> Body:
        if error := self._unwritable(arguments):
            return error
        if not arguments.get("thread_ts"):
            return _error("invalid_thread_ts")
        if not arguments["channel"].startswith("D") and not arguments.get("recipient_user_id"):
            return _error("missing_recipient_user_id")
        if len(arguments.get("markdown_text", "")) > 12_000:
            return _error("msg_too_long")
        return self._post(arguments | {"text": arguments.get("markdown_text", "")}, streaming=True, by_stream=True)

    def _chat_appendStream(self, arguments: Body) -> Body:
        message = self.messages.get((arguments["channel"], arguments["ts"]))
        if message is None or not message.streaming:
            return _error("message_not_in_streaming_state")
        if not 1 <= len(arguments.get("markdown_text", "")) <= 12_000:
            return _error("invalid_arguments")
        message.text += arguments["markdown_text"]
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def _chat_stopStream(self, arguments: Body) -> Body:
        message = self.messages.get((arguments["channel"], arguments["ts"]))
        if message is None or not message.streaming:
            return _error("message_not_in_streaming_state")
        if len(arguments.get("markdown_text", "")) > 12_000:
            return _error("msg_too_long")
        blocks = arguments.get("blocks") or []
        if blocks and (found := blockkit.faults(blocks)):
            return _error("invalid_blocks") | {"response_metadata": {"messages": found}}
        message.text += arguments.get("markdown_text", "")
        message.blocks, message.streaming = blocks, False
        return {"ok": True, "channel": message.channel, "ts": message.ts}

    def _assistant_threads_setStatus(self, arguments: Body) -> Body:
        missing = [name for name in ("channel_id", "thread_ts", "status") if name not in arguments]
        if missing or len(arguments.get("loading_messages") or []) > 10:
            return _error("invalid_arguments")
        return {"ok": True}

    def _assistant_threads_setSuggestedPrompts(self, arguments: Body) -> Body:
        prompts = arguments.get("prompts") or []
        if not 1 <= len(prompts) <= 4 or any({"title", "message"} - set(prompt) for prompt in prompts):
            return _error("invalid_arguments")
        self.prompts.append(arguments)
        return {"ok": True}

    def _conversations_replies(self, arguments: Body) -> Body:
        channel, ts = arguments["channel"], arguments["ts"]
        if channel in self.absent_from:
            return _error("not_in_channel")
        latest = arguments.get("latest") or "9"
        thread = [
            {"ts": m.ts, "text": m.text, "user": m.user} | ({"bot_id": BOT_ID} if m.bot else {})
            for (place, _), m in sorted(self.messages.items())
            if place == channel and ts in (m.ts, m.thread_ts) and m.ts < latest and not m.ephemeral_for
        ]
        start, limit = int(arguments.get("cursor") or 0), min(int(arguments.get("limit", 1000)), 1000)
        more = start + limit < len(thread)
        page = {"ok": True, "messages": thread[start : start + limit], "has_more": more}
        return page | {"response_metadata": {"next_cursor": str(start + limit) if more else ""}}

    def _usergroups_users_list(self, arguments: Body) -> Body:
        users = self.groups.get(arguments["usergroup"])
        return {"ok": True, "users": users} if users is not None else _error("no_such_subteam")

    def _views_open(self, arguments: Body) -> Body:
        opened = self._triggers.pop(arguments["trigger_id"], None)
        if opened is None:
            return _error("exchanged_trigger_id")
        if time.monotonic() - opened > 3:
            return _error("trigger_expired")
        view = arguments["view"] if isinstance(arguments["view"], dict) else json.loads(arguments["view"])
        if found := blockkit.view_faults(view):
            return _error("invalid_arguments") | {"response_metadata": {"messages": found}}
        self.views.append(view)
        return {"ok": True, "view": view}

    def _views_publish(self, arguments: Body) -> Body:
        view = arguments["view"] if isinstance(arguments["view"], dict) else json.loads(arguments["view"])
        if found := blockkit.view_faults(view):
            return _error("invalid_arguments") | {"response_metadata": {"messages": found}}
        self.homes[arguments["user_id"]] = view
        return {"ok": True, "view": view}

    def _unwritable(self, arguments: Body) -> Body | None:
        if not arguments.get("channel"):
            return _error("channel_not_found")
        return _error("not_in_channel") if arguments["channel"] in self.absent_from else None

    async def _respond(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        channel, user, used = self._urls.get(key, ("", "", 5))
        if used >= 5:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        self._urls[key] = (channel, user, used + 1)
        body = await request.json()
        if body.get("delete_original"):
            self.calls.append(Call("response_url.delete", body, time.perf_counter()))
        elif error := _message_error(body):
            self.calls.append(Call("response_url", body, time.perf_counter(), error["error"]))
            return web.json_response(error, status=400)
        else:
            self.calls.append(Call("response_url", body, time.perf_counter()))
            hidden = "" if body.get("response_type") == "in_channel" else user
            self._post(body | {"channel": channel}, ephemeral_for=hidden)
        await self._notify()
        return web.Response(text="ok")


def event_body(event: Body, event_id: str, team: str = TEAM) -> Body:
    return {
        "type": "event_callback",
        "team_id": team,
        "api_app_id": "A1",
        "event_id": event_id,
        "event_time": int(time.time()),
        "authorizations": [{"team_id": team, "user_id": BOT_USER, "is_bot": True}],
        "event": event,
    }


def signed(
    payload: Body | str, *, form: bool = False, age: float = 0, secret: str = SECRET
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request from Slack: JSON for events, forms for clicks and commands."""
    if isinstance(payload, dict) and form:
        payload = urllib.parse.urlencode(payload if "command" in payload else {"payload": json.dumps(payload)})
    text = payload if isinstance(payload, str) else json.dumps(payload)
    timestamp = str(int(time.time() - age))
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{text}".encode(), hashlib.sha256).hexdigest()
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    headers = {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}
    return text.encode(), headers


async def _arguments(request: web.Request) -> Body:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**dict(await request.post()), **dict(request.query)}


def _error(code: str) -> Body:
    return {"ok": False, "error": code}


def _message_error(arguments: Body) -> Body | None:
    blocks = arguments.get("blocks") or []
    if not blocks and not arguments.get("text"):
        return _error("no_text")
    if len(arguments.get("text") or "") > 40_000:
        return _error("msg_too_long")
    if blocks:
        if found := blockkit.faults(blocks):
            return _error("invalid_blocks") | {"response_metadata": {"messages": found}}
        if sum(map(len, texts_of(blocks))) > blockkit.MESSAGE_TOTAL:
            return _error("msg_blocks_too_long")
    return None
