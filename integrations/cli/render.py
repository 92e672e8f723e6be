"""Answers as a terminal shows them."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

import click

from assistant.answer import Answer, Citation

_BOLD = re.compile(r"\*\*(.+?)\*\*")
_MARKERS = re.compile(r"(?:\[\d+\])+")


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 100)


def answer_text(answer: Answer) -> str:
    """The answer, its citations, notices and suggestions, wrapped for the terminal."""
    return "\n\n".join([paragraphs(answer.answer), *after_answer(answer)])


def after_answer(answer: Answer) -> list[str]:
    """What follows the answer's sentences: citations, notices, suggestions."""
    parts: list[str] = []
    if answer.citations:
        parts.append("\n".join(_citation(citation) for citation in answer.citations))
    parts += [click.style(wrapped(f"Note: {notice}"), fg="yellow") for notice in answer.notices]
    if answer.suggestions:
        title = "Choose:" if answer.status == "clarify" else "You could ask next:"
        parts.append("\n".join([title, *(f"  - {suggestion}" for suggestion in answer.suggestions)]))
    return parts


def taken(trace: Iterable[dict[str, Any]]) -> str | None:
    """What a language model took for an answer, on one line; None where there was none."""
    notes = [note for note in trace if note["step"] == "account"]
    if not notes:
        return None
    read, wrote = (sum(note[field] for note in notes) for field in ("input_tokens", "output_tokens"))
    calls, cost = sum(note["calls"] for note in notes), sum(note["cost"] for note in notes)
    about = "about " if any(note["estimated"] for note in notes) else ""
    priced = f", cost {cost:.4f}" if cost else ""
    models = ", ".join(dict.fromkeys(note["model"] for note in notes))
    return f"{models}: {calls} call{'s' * (calls != 1)}, {about}{read:,} tokens read, {wrote:,} written{priced}"


def paragraphs(markdown: str) -> str:
    """Wrap Markdown paragraphs and list items; bold and markers are styled."""
    blocks: list[str] = []
    for block in markdown.split("\n\n"):
        lines = [wrapped(line, hanging="  " if line.startswith("- ") else "") for line in block.split("\n")]
        blocks.append("\n".join(lines))
    text = "\n\n".join(blocks)
    text = _BOLD.sub(lambda match: click.style(match.group(1), bold=True), text)
    return _MARKERS.sub(lambda match: click.style(match.group(), fg="cyan"), text)


def wrapped(text: str, hanging: str = "") -> str:
    """Wrap one line; continued lines begin with `hanging`."""
    return textwrap.fill(text, _width(), subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def _citation(citation: Citation) -> str:
    kind = "our restatement" if citation.kind == "restatement" else "official text"
    dated = f"undated page, read {citation.as_of}" if citation.undated else f"as of {citation.as_of}"
    source = {"official": "", "mirror": ", official text on another host", "secondary": ", secondary source"}
    head = f"[{citation.marker}] {citation.reference} · {citation.document} ({citation.jurisdiction}; {dated}; {kind}"
    lines = [
        click.style(wrapped(f"{head}{source.get(citation.source_type, '')})", hanging="    "), bold=True),
        textwrap.indent(textwrap.fill(f"“{citation.quote}”", _width() - 4), "    "),
        f"    {click.style(citation.url, fg='blue')}",
    ]
    return "\n".join(lines)
