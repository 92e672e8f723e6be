"""Draws the app's real blocks in the look of Slack: `cd tests && python -m slack.pictures ../docs/pictures`.

Needs Debian's chromium. The blocks come from the app itself, answering over a loopback Slack.
"""

from __future__ import annotations

import asyncio
import html
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from playwright.async_api import Browser, async_playwright

from assistant.service import Assistant
from assistant.settings import Settings
from corpus.loader import NOTES
from indexing.build import build_index
from indexing.sources import SHIPPED_VECTORS, note_files

from .conftest import SMALL, connected
from .server import APP_TOKEN, BOT_TOKEN, LoopbackSlack, Posted

Body = dict[str, Any]
DECISION = "How long does customs have to decide on an AEO application in the EU?"
NAMES = {"U1": "Ana Costa", "U7": "Jonas Weber"}

STYLE = """
*{box-sizing:border-box} body{margin:0;background:#fff;color:#1d1c1d;font:15px/1.46 Lato,'Noto Sans','Noto Sans CJK SC',sans-serif}
.pane{width:720px;padding:14px 20px 18px} .bar{font-weight:900;font-size:18px;padding:0 0 10px;border-bottom:1px solid #ddd;margin-bottom:10px}
.bar small{font-weight:400;color:#616061;font-size:13px;margin-left:8px}
.msg{display:flex;gap:10px;padding:7px 0} .face{width:36px;height:36px;border-radius:6px;flex:none;color:#fff;font-weight:700;
display:flex;align-items:center;justify-content:center;font-size:14px} .body{flex:1;min-width:0}
.who{font-weight:900} .app{background:#e8e8e8;color:#616061;font-size:10px;padding:1px 4px;border-radius:3px;font-weight:700;margin-left:5px}
.when{color:#616061;font-size:12px;margin-left:6px} .only{color:#616061;font-size:13px;margin-bottom:2px}
p{margin:0 0 8px} ul{margin:0 0 8px;padding-left:24px} li{margin:2px 0} blockquote{margin:0 0 8px;padding-left:12px;border-left:4px solid #ddd}
a{color:#1264a3;text-decoration:none} code{background:#f8f8f8;border:1px solid #ddd;border-radius:3px;padding:1px 3px;font-size:12px;color:#c01343}
.context{color:#616061;font-size:13px;margin:4px 0} .context div{margin:1px 0} .section{display:flex;gap:16px;justify-content:space-between;margin:4px 0 8px}
.actions{display:flex;flex-wrap:wrap;gap:8px;margin:8px 0} .button{border:1px solid rgba(29,28,29,.3);border-radius:8px;padding:5px 12px;font-weight:700;
font-size:13px;background:#fff;height:fit-content;white-space:nowrap} .primary{background:#007a5a;color:#fff;border-color:#007a5a} .danger{color:#e01e5a;border-color:#e01e5a}
.thumbs{display:flex;gap:6px;margin-top:6px;color:#616061;font-size:13px} .thumb{border:1px solid #ddd;border-radius:14px;padding:2px 10px}
.mention{background:#e8f5fa;color:#1264a3;border-radius:3px;padding:0 2px} hr{border:0;border-top:1px solid #ddd;margin:12px 0}
h1{font-size:20px;margin:4px 0 10px} .menu{border:1px solid rgba(29,28,29,.3);border-radius:6px;padding:5px 28px 5px 10px;min-width:210px;height:fit-content;
position:relative;font-size:14px} .menu:after{content:'⌄';position:absolute;right:10px;top:1px;color:#616061}
.modal{width:560px;border:1px solid #ccc;border-radius:8px;margin:14px;box-shadow:0 8px 30px rgba(0,0,0,.16)} .head{font-weight:900;font-size:20px;padding:16px 22px;border-bottom:1px solid #ddd;
display:flex;justify-content:space-between} .inner{padding:14px 22px} .foot{border-top:1px solid #ddd;padding:12px 22px;display:flex;gap:8px;justify-content:flex-end}
.prompts{display:flex;flex-direction:column;gap:6px;margin:8px 0} .prompt{border:1px solid #ddd;border-radius:18px;padding:5px 14px;width:fit-content;font-size:14px}
.status{color:#616061;font-size:13px;font-style:italic;margin:4px 46px} textarea{width:100%;height:70px;border:1px solid #868686;border-radius:4px;font:inherit;padding:8px;color:#868686}
"""


def mrkdwn(text: str) -> str:
    """Slack's own markup, as far as the app uses it."""
    text = re.sub(r"<(https?://[^|>]+)\|([^>]*)>", r'<a href="\1">\2</a>', text)
    text = re.sub(r"<@(\w+)>", lambda m: f'<span class="mention">@{NAMES.get(m.group(1), m.group(1))}</span>', text)
    text = text.replace(":information_source:", "ℹ️")
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"(?<!\w)\*([^*\n]+)\*(?!\w)", r"<b>\1</b>", text)
    return re.sub(r"(?<!\w)_([^_\n]+)_(?!\w)", r"<i>\1</i>", text).replace("\n", "<br>")


def element(part: Body) -> str:
    kind = part["type"]
    if kind == "button":
        return f'<span class="button {part.get("style", "")}">{html.escape(part["text"]["text"])}</span>'
    if kind == "static_select":
        shown = part.get("initial_option", {}).get("text", part["placeholder"])["text"]
        return f'<span class="menu">{html.escape(shown)}</span>'
    if kind == "plain_text_input":
        return f"<textarea>{html.escape(part['placeholder']['text'])}</textarea>"
    up, down = part["positive_button"]["text"]["text"], part["negative_button"]["text"]["text"]
    return f'<span class="thumb">👍 {html.escape(up)}</span><span class="thumb">👎 {html.escape(down)}</span>'


def block(part: Body) -> str:
    kind = part["type"]
    if kind == "markdown":
        return MarkdownIt("commonmark").render(part["text"])
    if kind == "context":
        return '<div class="context">' + "".join(f"<div>{mrkdwn(e['text'])}</div>" for e in part["elements"]) + "</div>"
    if kind == "section":
        side = element(part["accessory"]) if "accessory" in part else ""
        return f'<div class="section"><div>{mrkdwn(part["text"]["text"])}</div>{side}</div>'
    if kind == "header":
        return f"<h1>{html.escape(part['text']['text'])}</h1>"
    if kind == "divider":
        return "<hr>"
    if kind == "input":
        return f"<p><b>{html.escape(part['label']['text'])}</b></p>{element(part['element'])}"
    if kind == "rich_text":
        words = part["elements"][0]["elements"]
        shown = "".join(f"<b>{html.escape(w['text'])}</b>" if w.get("style") else html.escape(w["text"]) for w in words)
        return f"<p>{shown}</p>"
    return (
        f'<div class="{"thumbs" if kind == "context_actions" else "actions"}">'
        + "".join(map(element, part["elements"]))
        + "</div>"
    )


def person(text: str, who: str = "Ana Costa", colour: str = "#4a154b") -> str:
    initials = "".join(word[0] for word in who.split())
    return (
        f'<div class="msg"><div class="face" style="background:{colour}">{initials}</div><div class="body">'
        f'<span class="who">{who}</span><span class="when">10:24</span><div>{mrkdwn(text)}</div></div></div>'
    )


def bot(message: Posted) -> str:
    shown = "".join(map(block, message.blocks))
    if message.by_stream:
        shown = MarkdownIt("commonmark").render(message.text) + shown
    elif not message.blocks:
        shown = f"<p>{mrkdwn(message.text)}</p>"
    only = '<div class="only">👁 Only visible to you</div>' if message.ephemeral_for else ""
    return (
        f'<div class="msg"><div class="face" style="background:#1d3d5c">AEO</div><div class="body">{only}'
        f'<span class="who">AEO guidance</span><span class="app">APP</span><span class="when">10:24</span>'
        f"{shown}</div></div>"
    )


def pane(title: str, note: str, *inside: str) -> str:
    return f'<div class="pane"><div class="bar">{title}<small>{note}</small></div>{"".join(inside)}</div>'


def modal(view: Body) -> str:
    foot = f'<span class="button">{view["close"]["text"]}</span>'
    foot += f'<span class="button primary">{view["submit"]["text"]}</span>' if "submit" in view else ""
    inside = "".join(map(block, view["blocks"]))
    return (
        f'<div class="modal"><div class="head">{view["title"]["text"]}<span>×</span></div>'
        f'<div class="inner">{inside}</div>'
        f'<div class="foot">{foot}</div></div>'
    )


async def scenes(slack: LoopbackSlack) -> dict[str, str]:
    """The pages, by the name of their picture."""
    found: dict[str, str] = {}
    thread = {"user_id": "U1", "channel_id": "DU1", "thread_ts": "1790000000.000001", "context": {}}
    await slack.event({"type": "assistant_thread_started", "assistant_thread": thread})
    await slack.until(lambda: slack.prompts)
    greeting = slack.replies("DU1")[0]
    prompts = "".join(f'<span class="prompt">{html.escape(p["title"])}</span>' for p in slack.prompts[0]["prompts"])
    found["greeting"] = pane("AEO guidance", "assistant", bot(greeting), f'<div class="prompts">{prompts}</div>')

    message = slack.message(DECISION)
    await slack.event(message)
    answer = await slack.answer("DU1", message["ts"])
    found["answer"] = pane("AEO guidance", "direct message", person(DECISION), bot(answer))
    await slack.envelope("interactive", slack.click(answer, "feedback", choose="down"))
    await slack.until(lambda: slack.views)
    found["feedback"] = modal(slack.views[0])

    unclear = "How long does an AEO decision take?"
    message = slack.message(unclear, user="U2")
    await slack.event(message)
    found["clarify"] = pane(
        "AEO guidance", "direct message", person(unclear), bot(await slack.answer("DU2", message["ts"]))
    )

    said = "We are a forwarder in London and think about AEO in the United Kingdom."
    root = slack.person_says("C1", said, user="U7")
    await slack.event(slack.mention("<@U0BOT> how long does the decision take?", thread_ts=root))
    mention = '<span class="mention">@AEO guidance</span> how long does the decision take?'
    inside = (
        person(said, "Jonas Weber", "#2c6e49"),
        person("", "Ana Costa").replace("<div></div>", f"<div>{mention}</div>"),
    )
    found["thread"] = pane("Thread", "#customs", *inside, bot(await slack.answer("C1", root)))

    question = "How long does UK AEO take to decide on an application?"
    await slack.envelope("slash_commands", slack.command(question, channel="C2"))
    private = await slack.answer("C2")
    await slack.envelope("interactive", slack.click(private, "share"))
    shared = await slack.answer("C2", count=2)
    found["command"] = pane("#compliance", f"/aeo {question}", bot(private), bot(shared))

    compare = "Compare the AEO criteria in the EU and in the United Kingdom"
    message = slack.message(compare, user="U3")
    await slack.event(message)
    compared = await slack.answer("DU3", message["ts"])
    found["compare"] = pane("AEO guidance", "direct message", person(compare), bot(compared))
    await slack.envelope("interactive", slack.click(compared, "passages"))
    await slack.until(lambda: len(slack.views) > 1)
    shown = slack.views[1]["blocks"]
    partly = next(
        (n for n, b in enumerate(shown) if b["type"] == "rich_text" and len(b["elements"][0]["elements"]) > 1), 1
    )
    found["passages"] = modal({**slack.views[1], "blocks": shown[max(0, partly - 1) : partly + 4]})

    await slack.event({"type": "app_home_opened", "user": "U1", "channel": "DU1", "tab": "home"})
    await slack.until(lambda: slack.homes)
    found["home"] = pane("AEO guidance", "Home", "".join(map(block, slack.homes["U1"]["blocks"])))
    return found


async def draw(browser: Browser, name: str, page: str, folder: Path) -> None:
    tab = await browser.new_page(viewport={"width": 720, "height": 400}, device_scale_factor=1.5)
    await tab.set_content(f"<style>{STYLE}</style><div id=all style='display:inline-block'>{page}</div>")
    await tab.locator("#all").screenshot(path=folder / f"slack-{name}.png")
    await tab.close()


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        index = Path(name) / "index"
        build_index(index, [file for file in note_files(NOTES) if file.name in SMALL], shipped=SHIPPED_VECTORS)
        database = f"sqlite:///{name}/db.sqlite3"
        settings = Settings(index=index, database_url=database, slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN)
        async with LoopbackSlack() as slack, connected(slack, settings, Assistant(settings)):
            pages = await scenes(slack)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, page in pages.items():
            await draw(browser, name, page, folder)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
