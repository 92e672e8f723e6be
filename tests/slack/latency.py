"""Measures 200 questions of 50 users in a minute: `cd tests && python -m slack.latency [SECONDS]`.

Times are taken at the loopback Slack, which shares the process and so the processor with the app.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from assistant.service import Assistant
from assistant.settings import Settings
from corpus.loader import NOTES
from indexing.build import build_index
from indexing.sources import SHIPPED_VECTORS, note_files

from .conftest import SMALL, connected
from .server import APP_TOKEN, BOT_TOKEN, Body, LoopbackSlack

QUESTION = "How long does customs have to decide on an AEO application in the EU?"


async def measure(seconds: float, folder: Path) -> None:
    index = folder / "index"
    build_index(index, [file for file in note_files(NOTES) if file.name in SMALL], shipped=SHIPPED_VECTORS)
    settings = Settings(
        index=index,
        database_url=f"sqlite:///{folder / 'db.sqlite3'}",
        slack_bot_token=BOT_TOKEN,
        slack_app_token=APP_TOKEN,
    )
    sent: dict[str, float] = {}
    acknowledged: list[float] = []
    async with LoopbackSlack() as slack, connected(slack, settings, Assistant(settings)):

        async def ask(number: int) -> Body:
            await asyncio.sleep(number * seconds / 200)
            message = slack.message(QUESTION, user=f"U{number % 50}")
            sent[message["ts"]] = time.perf_counter()
            acknowledged.append(await slack.event(message))
            return message

        messages = await asyncio.gather(*(ask(number) for number in range(200)))
        for message in messages:
            assert "120 days" in (await slack.answer(message["channel"], message["ts"])).shown
        sign: dict[str, float] = {}
        whole: dict[str, float] = {}
        for call in slack.calls:
            thread = call.arguments.get("thread_ts") or ""
            if call.method in ("assistant.threads.setStatus", "chat.startStream", "chat.postMessage"):
                sign.setdefault(thread, call.at)
            if call.method == "chat.postMessage":
                whole[thread] = call.at
            if call.method == "chat.stopStream":
                whole[slack.messages[call.arguments["channel"], call.arguments["ts"]].thread_ts] = call.at
    show("acknowledged", acknowledged)
    show("first sign", [sign[thread] - at for thread, at in sent.items()])
    show("whole answer", [whole[thread] - at for thread, at in sent.items()])


def show(name: str, values: list[float]) -> None:
    percentiles = statistics.quantiles(values, n=100)
    print(f"{name:14}" + "".join(f"  p{p} {percentiles[p - 1] * 1000:7.1f} ms" for p in (50, 95, 99)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0, Path(name)))
