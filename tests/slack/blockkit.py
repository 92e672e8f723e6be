"""Block Kit's published limits, as a validator: what a loopback Slack refuses (docs/slack.md lists the sources)."""

from __future__ import annotations

from typing import Any

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MARKDOWN_TOTAL = 12_000
MESSAGE_TOTAL = 13_200
"""Seen by users of the real service (bolt-js#2509), documented nowhere."""

IN_MESSAGES = {
    "section",
    "divider",
    "image",
    "actions",
    "context",
    "context_actions",
    "header",
    "markdown",
    "rich_text",
}
IN_VIEWS = {"section", "divider", "image", "actions", "context", "input", "header", "rich_text"}


def faults(blocks: list[dict[str, Any]], surface: str = "message") -> list[str]:
    """One line for each violation."""
    found: list[str] = []
    most = MESSAGE_BLOCKS if surface == "message" else VIEW_BLOCKS
    if not 1 <= len(blocks) <= most:
        found.append(f"{len(blocks)} blocks, at most {most}")
    allowed = IN_MESSAGES if surface == "message" else IN_VIEWS
    for number, block in enumerate(blocks):
        kind = block.get("type")
        if kind not in allowed:
            found.append(f"block {number}: {kind} in a {surface}")
            continue
        found += [f"block {number} ({kind}): {fault}" for fault in globals()[f"_{kind}"](block)]
        if len(block.get("block_id", "")) > 255:
            found.append(f"block {number}: block_id over 255")
    total = sum(len(block["text"]) for block in blocks if block.get("type") == "markdown")
    if total > MARKDOWN_TOTAL:
        found.append(f"{total} characters of Markdown, at most {MARKDOWN_TOTAL}")
    return found


def view_faults(view: dict[str, Any]) -> list[str]:
    found = faults(view.get("blocks") or [], "view")
    if view.get("type") not in ("modal", "home"):
        found.append(f"view of type {view.get('type')}")
    if view.get("type") == "modal":
        found += [f"title: {fault}" for fault in _text(view.get("title"), 24, "plain_text")]
        for name in ("close", "submit"):
            if name in view:
                found += [f"{name}: {fault}" for fault in _text(view[name], 24, "plain_text")]
        inputs = any(block["type"] == "input" for block in view["blocks"])
        if inputs and "submit" not in view:
            found.append("inputs without submit")
    if len(view.get("private_metadata", "")) > 3000:
        found.append("private_metadata over 3000")
    return found


def _text(text: Any, most: int, kind: str | None = None) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in ("plain_text", "mrkdwn"):
        return ["no text object"]
    found = [] if kind in (None, text["type"]) else [f"{text['type']} instead of {kind}"]
    if not 1 <= len(text.get("text", "")) <= most:
        found.append(f"{len(text.get('text', ''))} characters, 1 to {most}")
    return found


def _section(block: dict[str, Any]) -> list[str]:
    found = _text(block.get("text"), 3000)
    return found + (_element(block["accessory"]) if "accessory" in block else [])


def _header(block: dict[str, Any]) -> list[str]:
    return _text(block.get("text"), 150, "plain_text")


def _divider(_: dict[str, Any]) -> list[str]:
    return []


def _markdown(block: dict[str, Any]) -> list[str]:
    return [] if 1 <= len(block.get("text", "")) <= MARKDOWN_TOTAL else ["Markdown of 0 or over 12000 characters"]


def _context(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements") or []
    found = [] if 1 <= len(elements) <= 10 else [f"{len(elements)} elements, 1 to 10"]
    for element in elements:
        found += _text(element, 3000)
    return found


def _actions(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements") or []
    found = [] if 1 <= len(elements) <= 25 else [f"{len(elements)} elements, 1 to 25"]
    for element in elements:
        found += _element(element)
    identifiers = [element.get("action_id") for element in elements]
    return found if len(set(identifiers)) == len(identifiers) else [*found, "action_id twice"]


def _context_actions(block: dict[str, Any]) -> list[str]:
    elements = block.get("elements") or []
    found = [] if 1 <= len(elements) <= 5 else [f"{len(elements)} elements, 1 to 5"]
    for element in elements:
        if element.get("type") != "feedback_buttons":
            found.append(f"{element.get('type')} in context_actions")
            continue
        for name in ("positive_button", "negative_button"):
            button = element.get(name) or {}
            found += _text(button.get("text"), 75, "plain_text")
            found += [] if 1 <= len(button.get("value", "")) <= 2000 else ["value of 0 or over 2000"]
    return found


def _input(block: dict[str, Any]) -> list[str]:
    return _text(block.get("label"), 2000, "plain_text") + _element(block.get("element") or {})


def _rich_text(block: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for part in block.get("elements") or [{}]:
        if part.get("type") not in ("rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"):
            found.append(f"{part.get('type')} in rich_text")
        for element in part.get("elements") or []:
            if element.get("type") == "text" and not element.get("text"):
                found.append("empty text")
    return found


def _element(element: dict[str, Any]) -> list[str]:
    kind = element.get("type")
    found = [] if len(element.get("action_id", "")) <= 255 else ["action_id over 255"]
    if kind == "button":
        found += _text(element.get("text"), 75, "plain_text")
        found += [] if len(element.get("value", "")) <= 2000 else ["value over 2000"]
        found += [] if element.get("style") in (None, "primary", "danger") else [f"style {element['style']}"]
    elif kind == "static_select":
        groups = element.get("option_groups")
        lists = [group["options"] for group in groups] if groups else [element.get("options") or []]
        found += [] if not groups or len(groups) <= 100 else ["over 100 groups"]
        for options in lists:
            found += [] if 1 <= len(options) <= 100 else [f"{len(options)} options, 1 to 100"]
            for option in options:
                found += _text(option.get("text"), 75)
                found += [] if 1 <= len(option.get("value", "")) <= 150 else ["option value of 0 or over 150"]
        initial = element.get("initial_option")
        if initial is not None and not any(initial in options for options in lists):
            found.append("initial_option is none of the options")
    elif kind == "plain_text_input":
        found += [] if element.get("max_length", 1) <= 3000 else ["max_length over 3000"]
        if "placeholder" in element:
            found += _text(element["placeholder"], 150, "plain_text")
    else:
        found.append(f"element {kind}")
    return found
