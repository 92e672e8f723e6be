"""Getting messages into Slack: patience where Slack asks for it, streaming, and a way out when streaming fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientConnectionError, ClientConnectorError
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState
from slack_sdk.web.async_client import AsyncWebClient

from integrations.slack.blocks import PART, Block, Message, markdown
from integrations.slack.text import harmless_markdown

log = logging.getLogger(__name__)

LONGEST_WAIT = 60
"""Seconds of Retry-After that are worth waiting for."""
UPDATE_EVERY = 2.0
"""Seconds between two `chat.update` of one message: 30 a minute of the 50 that its tier grants a workspace."""
STREAMS_PER_MINUTE = 15
"""Streams begun per workspace; the tier of `chat.startStream` and `chat.stopStream` grants 20."""

_WORTH_WAITING = frozenset(
    (
        "chat.postMessage",
        "chat.update",
        "chat.stopStream",
        "chat.postEphemeral",
        "chat.delete",
        "views.publish",
        "auth.test",
    )
)
_NOT_TWICE = frozenset(("chat.postMessage", "chat.postEphemeral", "chat.startStream", "chat.appendStream"))
_NOWHERE = frozenset(
    (
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "account_inactive",
        "token_revoked",
        "invalid_auth",
        "restricted_action",
    )
)


class Undeliverable(Exception):
    """The place is gone: the channel is archived, or the assistant was removed from it or from the workspace."""


class RetryPolicy(AsyncRetryHandler):
    """Waits for Retry-After where the result matters, and repeats a broken connection where that cannot post twice."""

    def __init__(self) -> None:
        super().__init__(max_retry_count=4)

    async def _can_retry_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        method = request.url.rpartition("/")[2]
        if response is not None and response.status_code == 429:
            return method in _WORTH_WAITING and _retry_after(response) <= LONGEST_WAIT
        if isinstance(error, ClientConnectorError):
            return state.current_attempt < 2  # nothing was sent
        return isinstance(error, ClientConnectionError) and method not in _NOT_TWICE and state.current_attempt < 2

    async def prepare_for_next_attempt_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> None:
        """Sleep as long as Slack asks; after a broken connection, briefly."""
        limited = response is not None and response.status_code == 429
        await asyncio.sleep(_retry_after(response) if limited and response else 0.2 * (state.current_attempt + 1))
        state.next_attempt_requested = True
        state.increment_current_attempt()


def _retry_after(response: HttpResponse) -> float:
    for name, value in response.headers.items():
        if name.lower() == "retry-after":
            with contextlib.suppress(ValueError):
                return max(0.0, float(value[0] if isinstance(value, list) else value))
    return 1.0


def web_client(api_url: str, token: str | None = None) -> AsyncWebClient:
    """A client of the Web API at `api_url`."""
    return AsyncWebClient(token=token, base_url=api_url, timeout=20, retry_handlers=[RetryPolicy()])


def error_code(error: SlackApiError) -> str:
    """Slack's name of an error; "ratelimited" for a 429."""
    response: Any = error.response
    if getattr(response, "status_code", 200) == 429:
        return "ratelimited"
    data = getattr(response, "data", response)
    return str(data.get("error", "unknown")) if isinstance(data, dict) else "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer goes, and to whom."""

    team: str
    channel: str
    user: str
    thread_ts: str = ""
    """Empty for ephemeral answers."""


class StreamBudget:
    """How many streams a workspace may still begin this minute; shared by all answers of the process."""

    def __init__(self) -> None:
        self._begun: dict[str, deque[float]] = defaultdict(deque)
        self._paused: dict[str, float] = {}

    def take(self, team: str) -> bool:
        """Whether one more may begin now."""
        now = time.monotonic()
        begun = self._begun[team]
        while begun and begun[0] < now - 60:
            begun.popleft()
        if len(begun) >= STREAMS_PER_MINUTE or self._paused.get(team, 0) > now:
            return False
        begun.append(now)
        return True

    def pause(self, team: str) -> None:
        """Slack said that there were too many."""
        self._paused[team] = time.monotonic() + LONGEST_WAIT


class LiveMessage:
    """One message in a thread that grows while the answer is written, and ends whole, however it gets there.

    It is streamed; if streaming cannot begin, it is posted at the end; if streaming fails midway, it is updated.

    Raises:
        Undeliverable: from `grow` and `finish`.
        SlackApiError, aiohttp.ClientError: from `finish`, when nothing helps.
    """

    def __init__(
        self, client: AsyncWebClient, place: Place, budget: StreamBudget, after: asyncio.Task[None] | None = None
    ) -> None:
        self._after = after  # the status: shown later than the answer, it would stay
        self._client = client
        self._place = place
        self._budget = budget
        self._mode = "unborn"  # then "stream", "update" or "whole"
        self._ts = ""
        self._wanted = ""
        self._shown = ""
        self._full = False
        self._updated = 0.0

    async def grow(self, paragraphs: list[str]) -> None:
        """Show more of the answer; what does not fit into one message waits for `finish`."""
        for paragraph in paragraphs if not self._full else ():
            longer = f"{self._wanted}\n\n{paragraph}" if self._wanted else paragraph
            if len(longer) > PART:
                self._full = True
                break
            self._wanted = longer
        if self._wanted == self._shown:
            return
        if self._mode == "unborn":
            await self._begin()
        elif self._mode == "stream":
            await self._append()
        elif self._mode == "update" and time.monotonic() - self._updated >= UPDATE_EVERY:
            await self._attempt(self._update([markdown(self._wanted + " …")], self._wanted))

    async def finish(self, message: Message) -> None:
        """Make the message whole."""
        if self._mode == "unborn" and len(message.text) > 1:
            self._wanted = message.text.partition("\n\n")[0]
            await self._begin()
        if self._mode == "stream" and message.text.startswith(self._shown) and await self._stop(message):
            return
        if self._ts:
            if await self._attempt(self._update(message.blocks, message.notification)):
                return
            await self._post(message)
            await self._attempt(self._client.chat_delete(channel=self._place.channel, ts=self._ts))
            return
        await self._post(message)

    async def abandon(self, line: str) -> None:
        """Put one line in the place of what was shown, or post it."""
        if self._mode == "unborn":
            self._mode = "whole"
        await self.finish(Message(line, []))

    async def _begin(self) -> None:
        if not self._place.thread_ts or not self._budget.take(self._place.team):
            self._mode = "whole"
            return
        await self._ready()
        try:
            begun = await self._client.chat_startStream(
                channel=self._place.channel,
                thread_ts=self._place.thread_ts,
                recipient_team_id=self._place.team,
                recipient_user_id=self._place.user,
                markdown_text=harmless_markdown(self._wanted),
            )
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            self._note(error)
            self._mode = "whole"
            return
        self._mode, self._ts, self._shown = "stream", str(begun["ts"]), self._wanted

    async def _append(self) -> None:
        added = self._wanted[len(self._shown) :]
        try:
            await self._client.chat_appendStream(
                channel=self._place.channel, ts=self._ts, markdown_text=harmless_markdown(added)
            )
            self._shown = self._wanted
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            if isinstance(error, SlackApiError) and error_code(error) == "ratelimited":
                return  # it comes with the next piece
            self._note(error)
            await self._leave_stream()

    async def _stop(self, message: Message) -> bool:
        """End the stream with what is missing and the blocks below; whether that worked."""
        missing = message.text[len(self._shown) :]
        try:
            await self._client.chat_stopStream(
                channel=self._place.channel,
                ts=self._ts,
                markdown_text=harmless_markdown(missing) or None,
                blocks=message.tail or None,
            )
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            self._note(error)
            await self._leave_stream()
            return False
        return True

    async def _leave_stream(self) -> None:
        """Streaming failed: from here on, the message is updated. Slack refuses updates while it still streams."""
        self._mode, self._updated = "update", time.monotonic()
        await self._attempt(self._client.chat_stopStream(channel=self._place.channel, ts=self._ts))

    async def _update(self, blocks: list[Block], text: str) -> None:
        self._updated = time.monotonic()
        if self._mode == "stream":  # what was shown is not how the answer begins
            await self._leave_stream()
        await self._client.chat_update(channel=self._place.channel, ts=self._ts, text=text, blocks=blocks)

    async def _post(self, message: Message) -> None:
        await self._ready()
        try:
            await self._client.chat_postMessage(
                channel=self._place.channel,
                thread_ts=self._place.thread_ts or None,
                text=message.notification,
                blocks=message.blocks,
                unfurl_links=False,
                unfurl_media=False,
            )
        except SlackApiError as error:
            self._note(error)
            raise

    async def _ready(self) -> None:
        if self._after is not None:
            await self._after

    async def _attempt(self, call: Awaitable[object]) -> bool:
        try:
            await call
        except (SlackApiError, ClientConnectionError, TimeoutError) as error:
            log.info("slack: %s", error if not isinstance(error, SlackApiError) else error_code(error))
            return False
        return True

    def _note(self, error: Exception) -> None:
        """Remember what an error means for later.

        Raises:
            Undeliverable: no message can get there.
        """
        code = error_code(error) if isinstance(error, SlackApiError) else type(error).__name__
        log.info("slack: %s", code)
        if code == "ratelimited":
            self._budget.pause(self._place.team)
        if code in _NOWHERE:
            raise Undeliverable(code) from error


class Workers:
    """A bounded queue and the tasks that empty it."""

    def __init__(self, count: int, bound: int) -> None:
        self._queue: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue(bound)
        self._count = count
        self._tasks: list[asyncio.Task[None]] = []
        self._open = True

    def start(self) -> None:
        """Begin to work."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._count)]

    def submit(self, job: Callable[[], Awaitable[None]]) -> bool:
        """Queue a job; False when the queue is full or closing."""
        if not self._open:
            return False
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            return False
        return True

    async def close(self, grace: float) -> None:
        """Take no more jobs, and finish those that were taken, for at most `grace` seconds."""
        self._open = False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), grace)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            job = await self._queue.get()
            try:
                await job()
            except Exception:
                log.exception("slack: a job failed")
            finally:
                self._queue.task_done()
