"""Calls of a model within limits: time, retries, concurrency, a circuit breaker, accounts, and a cache of answers.

All calls of the process run on one event loop in a thread of its own, so that closing an answer cancels its call at
once, whatever the call waits for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from assistant.llm.models import LlmError, Model, explain, open_model, status_of
from assistant.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context as Parent

Messages = Sequence[tuple[str, str]]
"""Role ("system" or "human") and text."""

ATTEMPTS = 3
LONGEST_WAIT_S = 8.0
"""Between two attempts."""
STALL_SHARE = 0.5
"""Share of the call's time after which silence between two tokens ends it."""
BREAK_AFTER = 3
"""Failures in a row after which the model is left alone."""
BREAK_S = 30.0
CACHED = 256
"""Answers kept."""
ASKERS = 10_000
"""Askers whose accounts are kept."""
PULSE_S = 0.5
"""How often a waiting stream hands control back, so that it can be closed."""
CHARS_PER_TOKEN = 4
"""For the accounts, where the provider counts no tokens."""


@dataclass(slots=True)
class Account:
    """What calls of a model took."""

    calls: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False
    """Whether some tokens were not counted by the provider but estimated from the text."""
    cost: float = 0.0
    """In the currency of the prices set."""

    def add(self, other: Account) -> None:
        """Add what another account holds."""
        self.calls += other.calls
        self.cached += other.cached
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.estimated |= other.estimated
        self.cost += other.cost

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "calls": self.calls,
            "cached": self.cached,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "estimated": self.estimated,
            "cost": round(self.cost, 6),
        }


class Accounts:
    """Totals per asker since the process began; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, Account] = OrderedDict()

    def book(self, asker: str, account: Account) -> None:
        """Add to an asker's total."""
        with self._lock:
            self._of.setdefault(asker, Account()).add(account)
            self._of.move_to_end(asker)
            while len(self._of) > ASKERS:
                self._of.popitem(last=False)

    def of(self, asker: str) -> Account:
        """An asker's total."""
        with self._lock:
            total = Account()
            total.add(self._of.get(asker, Account()))
            return total


@dataclass(slots=True)
class Breaker:
    """Lets a failing model rest: open for `BREAK_S` seconds after `BREAK_AFTER` failures in a row, then one trial."""

    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, name: str) -> None:
        """Begin a call.

        Raises:
            LlmError: the model rests.

        """
        with self._lock:
            if self.failures < BREAK_AFTER:
                return
            now = self.clock()
            if now < self.until:
                raise LlmError(f"'{name}' failed {self.failures} times in a row and is left alone for a moment")
            self.until = now + BREAK_S  # this call is the trial; others wait for its outcome

    def succeeded(self) -> None:
        """A call went well."""
        with self._lock:
            self.failures = 0

    def failed(self) -> None:
        """A call failed."""
        with self._lock:
            self.failures += 1
            self.until = self.clock() + BREAK_S


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="aeo-llm", daemon=True).start()
    return loop


class _Done:
    """Ends the queue of a call: with an error, or without."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Caller:
    """One model and its limits; safe to use from several threads."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.breaker = Breaker()
        self.accounts = Accounts()
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.llm_concurrency)
        self._cache: OrderedDict[str, str] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._refuses_options = False

    def complete(
        self,
        messages: Messages,
        purpose: str,
        schema: dict[str, Any] | None = None,
        account: Account | None = None,
        parent: Parent | None = None,
    ) -> str:
        """The whole text of one call; see `stream`."""
        return "".join(self.stream(messages, purpose, schema, account=account, parent=parent))

    def stream(
        self,
        messages: Messages,
        purpose: str,
        schema: dict[str, Any] | None = None,
        cache_key: tuple[str, ...] | None = None,
        account: Account | None = None,
        parent: Parent | None = None,
    ) -> Generator[str]:
        """The text as it comes; "" now and then while nothing comes. Closing the generator ends the call.

        `schema` asks for JSON where the model takes that request. With `cache_key`, a text that was written before for
        the same key, messages and model is given again. What the call took is added to `account`.

        Raises:
            LlmError: no answer, or only a part of one. The text that came before stays valid.

        """
        account = account if account is not None else Account()
        key = _digest(self.model.name, messages, cache_key) if cache_key is not None else None
        if key is not None and (known := self._cached(key)) is not None:
            account.add(Account(cached=1))
            yield known
            return
        self.breaker.enter(self.model.name)
        parts: list[str] = []
        try:
            for part in self._run(messages, purpose, schema, account, parent):
                parts.append(part)
                yield part
        except LlmError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        if key is not None:
            self._remember(key, "".join(parts))

    def _run(
        self, messages: Messages, purpose: str, schema: dict[str, Any] | None, account: Account, parent: Parent | None
    ) -> Generator[str]:
        arrived: queue.SimpleQueue[str | _Done] = queue.SimpleQueue()
        call = _Call(messages, purpose, schema, parent, time.monotonic() + self._settings.llm_timeout_s)
        future = asyncio.run_coroutine_threadsafe(self._pump(call, arrived), _loop())
        written = 0
        try:
            while True:
                try:
                    item = arrived.get(timeout=PULSE_S)
                except queue.Empty:
                    yield ""
                    continue
                if isinstance(item, _Done):
                    if item.error is not None:
                        raise LlmError(explain(item.error, self.model.name)) from item.error
                    return
                written += len(item)
                yield item
        finally:
            call.left = True
            future.cancel()
            account.add(self._taken(call, written))

    async def _pump(self, call: _Call, arrived: queue.SimpleQueue[str | _Done]) -> None:
        error: BaseException | None = None
        try:
            async with asyncio.timeout(self._settings.llm_timeout_s), self._slots:
                async for text in self._attempts(call):
                    arrived.put(text)
        except (asyncio.CancelledError, CancelledError):
            raise
        except Exception as caught:
            error = caught
        arrived.put(_Done(error))

    async def _attempts(self, call: _Call) -> AsyncIterator[str]:
        """Try again on 429 and 5xx, and once without options where those are refused; never after the first text."""
        begun = False
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: not begun and _passing(error)),
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                try:
                    async for text in self._once(call, bare=self._refuses_options):
                        begun = True
                        yield text
                except Exception as error:
                    if begun or self._refuses_options or status_of(error) not in (400, 415, 422):
                        raise
                    self._refuses_options = True
                    async for text in self._once(call, bare=True):
                        begun = True
                        yield text

    async def _once(self, call: _Call, bare: bool) -> AsyncIterator[str]:
        from assistant.llm.tracing import CallSpans

        model: Any = self.model.plain if bare else self.model.chat
        if call.schema is not None and self.model.structured and not bare:
            # In the body, and not as LangChain's own argument: that one raises where a text breaks off.
            asked = {"response_format": {"type": "json_schema", "json_schema": call.schema}}
            model = model.bind(extra_body={**self.model.body, **asked})
        spans = CallSpans(self.model.name, call.purpose, self._settings.trace_prompts, call.parent)
        chunks = model.astream(list(call.messages), config={"callbacks": [spans]})
        stall = self._settings.llm_timeout_s * STALL_SHARE
        ended = not self.model.structured  # only OpenAI's protocol says for certain that a text is whole
        try:
            while True:
                try:
                    async with asyncio.timeout(stall):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    if not ended:
                        raise ConnectionError("the stream broke off") from None
                    return
                # While chunks come without a pause, the client's layers may swallow a cancellation or a time-out.
                if call.left:
                    return
                if time.monotonic() > call.until:
                    raise TimeoutError
                ended = ended or bool(chunk.response_metadata.get("finish_reason"))
                if chunk.usage_metadata:
                    call.counted(chunk.usage_metadata["input_tokens"], chunk.usage_metadata["output_tokens"])
                if chunk.text:
                    yield str(chunk.text)
        finally:
            await chunks.aclose()

    def _taken(self, call: _Call, written: int) -> Account:
        read, wrote, estimated = call.input_tokens, call.output_tokens, False
        if not read and not wrote:
            read = sum(len(text) for _, text in call.messages) // CHARS_PER_TOKEN
            wrote, estimated = written // CHARS_PER_TOKEN, True
        cost = (read * self._settings.llm_price_input + wrote * self._settings.llm_price_output) / 1_000_000
        return Account(calls=1, input_tokens=read, output_tokens=wrote, estimated=estimated, cost=cost)

    def _cached(self, key: str) -> str | None:
        with self._cache_lock:
            if key in self._cache:
                self._cache.move_to_end(key)
            return self._cache.get(key)

    def _remember(self, key: str, text: str) -> None:
        with self._cache_lock:
            self._cache[key] = text
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)


@dataclass(slots=True)
class _Call:
    messages: Messages
    purpose: str
    schema: dict[str, Any] | None
    parent: Parent | None
    until: float
    """When its time is over, by the monotonic clock."""
    left: bool = False
    """Whether nobody waits for it any more."""
    input_tokens: int = 0
    output_tokens: int = 0

    def counted(self, read: int, wrote: int) -> None:
        """Some providers count in every chunk, some in the last: the highest count is the whole."""
        self.input_tokens = max(self.input_tokens, read)
        self.output_tokens = max(self.output_tokens, wrote)


def _digest(model: str, messages: Messages, key: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps([model, list(messages), key], ensure_ascii=False).encode()).hexdigest()


def _passing(error: BaseException) -> bool:
    """Whether the same request may do better in a moment."""
    status = status_of(error)
    return status is not None and (status == 429 or status >= 500)


_backoff = wait_random_exponential(multiplier=0.4, max=LONGEST_WAIT_S)


def _wait(state: RetryCallState) -> float:
    """Random and growing; at least what the provider asks for, within reason."""
    error = state.outcome.exception() if state.outcome else None
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        asked = float(headers.get("retry-after", 0))
    except ValueError:  # a date
        asked = 0.0
    return min(LONGEST_WAIT_S, max(asked, _backoff(state)))


def check(settings: Settings) -> list[str]:
    """What keeps the configured models from answering, one line each; empty when all is well. Calls each once."""
    faults: list[str] = []
    for name in dict.fromkeys(n for n in (settings.llm, settings.llm_check_model) if n):
        try:
            caller = Caller(open_model(name, settings), settings)
            caller.complete([("system", "Answer with one word."), ("human", "Say: ready")], "doctor")
        except LlmError as error:
            faults.append(str(error))
    return faults
