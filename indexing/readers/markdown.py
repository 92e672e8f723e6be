"""Markdown and plain text as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from indexing.passages import DocumentError
from indexing.readers.blocks import Block, Content, clean, note_sign, table_rows

_FENCE = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_NOTE = re.compile(r"^\[\^([^\]\s]+)\]:[ \t]*(.*(?:\n(?:[ \t]+.*))*)$", re.MULTILINE)
_NOTE_SIGN = re.compile(r"\[\^([^\]\s]+)\]")

_TAG = re.compile(r"<!--.*?-->|<[^>]+>", re.DOTALL)


def decoded(path: Path) -> str:
    """The text of a UTF-8 file (with or without byte order mark).

    Raises:
        DocumentError: when it is in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def read_text(path: Path) -> Content:
    """Plain text: blank lines part its paragraphs."""
    paragraphs = re.split(r"\n\s*\n", decoded(path))
    return Content([Block("paragraph", text) for part in paragraphs if (text := clean(part))])


def read_markdown(path: Path) -> Content:
    """Markdown with optional YAML front matter, tables and footnotes ([^1])."""
    raw = decoded(path)
    properties: dict[str, str] = {}
    if fence := _FENCE.match(raw):
        properties = _front_matter(fence.group(1), path)
        raw = raw[fence.end() :]
    notes = [(match.group(1), clean(match.group(2))) for match in _NOTE.finditer(raw)]
    raw = _NOTE_SIGN.sub(lambda match: note_sign(match.group(1)), _NOTE.sub("", raw))
    blocks = list(_blocks(MarkdownIt("commonmark").enable("table").parse(raw)))
    blocks += [Block("footnote", text, marker=sign) for sign, text in notes if text]
    return Content(blocks, properties)


def _front_matter(text: str, path: Path) -> dict[str, str]:
    try:
        fields = yaml.load(text, Loader=yaml.BaseLoader)  # every scalar stays a string
    except yaml.YAMLError as error:
        raise DocumentError(f"{path.name}: front matter is not YAML; write 'name: value' lines in it") from error
    return {k: v for k, v in fields.items() if isinstance(v, str)} if isinstance(fields, dict) else {}


def _blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    lists: list[int | None] = []  # per open list: the next number, None for bullets
    marker: str | None = None  # of a list item whose first paragraph is still to come
    rows: list[list[str]] = []
    for token, before in zip(tokens, [None, *tokens], strict=False):
        match token.type:
            case "bullet_list_open":
                lists.append(None)
            case "ordered_list_open":
                lists.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                lists.pop()
            case "list_item_open":
                number = lists[-1]
                marker = "" if number is None else f"{token.info or number}{token.markup or '.'}"
            case "tr_open":
                rows.append([])
            case "table_close":
                yield from table_rows(rows, header=True)
                rows = []
            case "inline" | "fence" | "code_block" | "html_block":
                text = clean(_plain(token))
                if rows:
                    rows[-1].append(text)
                elif text and before and before.type == "heading_open":
                    yield Block("heading", text, level=int(before.tag[1]))
                elif text and marker is not None:
                    yield Block("item", text, level=len(lists), marker=marker)
                    marker = None
                elif text:
                    yield Block("paragraph", text, level=len(lists))


def _plain(token: Token) -> str:
    """A token's text without its markup."""
    if token.children is None:
        return _TAG.sub(" ", token.content) if token.type == "html_block" else token.content
    parts = []
    for child in token.children:
        if child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        elif child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
    return "".join(parts)
