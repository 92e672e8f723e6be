"""`aeo ask`, `aeo chat`, `aeo search`."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from corpus.errors import UserError
from integrations.cli.common import (
    audience_option,
    index_option,
    json_lines,
    json_option,
    jurisdiction_option,
    known,
    open_assistant,
    print_json,
)

if TYPE_CHECKING:
    from assistant.answer import Question
    from assistant.service import Assistant
    from indexing.search import Hit

ASKER = "command line"
"""Whose account the model's tokens go to: the process is one person's."""

_batch_option = click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="JSON Lines file, one object per line; '-' reads standard input.",
)


@click.command("ask", epilog='Example: aeo ask "What are the tiers of the Indian AEO programme?" --audience officer')
@click.argument("question", required=False)
@jurisdiction_option
@audience_option
@_batch_option
@json_option
@index_option
def ask_command(
    question: str | None,
    jurisdictions: tuple[str, ...],
    audience: Any,
    batch: Path | None,
    as_json: bool,
    index: Path | None,
) -> None:
    """Answer QUESTION with cited passages.

    With --batch, each line holds {"id", "question"} and may hold "jurisdictions" and "audience"; the answers come as
    JSON, one per line, in order, under the same ids.
    """
    from assistant.answer import Question

    if (question is None) == (batch is None):
        raise click.UsageError("give one QUESTION, or --batch FILE")
    assistant = open_assistant(index)
    codes = known(assistant, jurisdictions, audience == "officer")
    if batch is not None:
        _ask_batch(assistant, batch, codes, audience)
        return
    assert question is not None
    asked = Question(question, codes, audience, asker=ASKER, officer_access=audience == "officer")
    if as_json:
        print_json(assistant.ask(asked).to_json())
    else:
        _show(assistant, asked)


def _show(assistant: Assistant, question: Question) -> None:
    """Print each sentence as soon as it is verified, then what follows. An interrupt ends the model's call too."""
    from integrations.cli.render import after_answer, paragraphs, taken

    with closing(assistant.stream(question)) as events:
        for event in events:
            if event.kind == "sentence":
                click.echo(paragraphs(event.text) + "\n")
            elif event.answer is not None:
                parts = after_answer(event.answer)
                if line := taken(event.trace):
                    parts.append(click.style(line, dim=True))
                click.echo("\n\n".join(parts))


def _ask_batch(assistant: Assistant, batch: Path, codes: tuple[str, ...], audience: Any) -> None:
    from assistant.answer import Question

    failed = 0
    for entry in json_lines(batch):
        text = str(entry.get("question", entry.get("text", "")))
        identifier = entry.get("id", entry.get("_id"))
        try:
            who = entry.get("audience") or audience
            chosen = known(assistant, tuple(entry.get("jurisdictions") or codes), who == "officer")
            asked = Question(text, chosen, who, asker=ASKER, officer_access=who == "officer")
            answer = assistant.ask(asked).to_json()
        except UserError as error:
            failed += 1
            answer = {"question": text, "error": str(error)}
        _print_line(answer | ({"id": identifier} if identifier is not None else {}))
    if failed:
        raise click.ClickException(f"{failed} questions could not be asked; their lines hold an 'error'")


def _print_line(value: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False))


@click.command("search", epilog='Example: aeo search "seal integrity" -k 5 --jurisdiction US')
@click.argument("query", required=False)
@click.option("-k", "count", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many passages.")
@jurisdiction_option
@audience_option
@_batch_option
@json_option
@index_option
def search_command(
    query: str | None,
    count: int,
    jurisdictions: tuple[str, ...],
    audience: Any,
    batch: Path | None,
    as_json: bool,
    index: Path | None,
) -> None:
    """Find the passages that fit QUERY best.

    With --batch, each line holds {"id", "query"}; a BEIR queries.jsonl is read as it is.
    """
    if (query is None) == (batch is None):
        raise click.UsageError("give one QUERY, or --batch FILE")
    if query is not None and not query.strip():
        raise click.UsageError("the query is empty; write what to look for")
    assistant = open_assistant(index)
    codes = known(assistant, jurisdictions, audience == "officer")
    officer = audience == "officer"
    if batch is not None:
        for entry in json_lines(batch):
            text = str(entry.get("query", entry.get("question", entry.get("text", ""))))
            hits = assistant.search(text, count, codes, officer) if text.strip() else []
            _print_line({"id": entry.get("id", entry.get("_id")), "query": text, "hits": [_hit(hit) for hit in hits]})
        return
    assert query is not None
    hits = assistant.search(query, count, codes, officer)
    if as_json:
        print_json({"query": query, "index_version": assistant.index.version, "hits": [_hit(hit) for hit in hits]})
        return
    for place, hit in enumerate(hits, start=1):
        passage = hit.passage
        # Foreign collections have neither programmes nor dates.
        source = ", ".join(filter(None, [passage.jurisdiction, passage.as_of and f"as of {passage.as_of}"]))
        click.echo(click.style(f"{place:2}. {passage.reference}{f' ({source})' if source else ''}", bold=True))
        click.echo(indent(f"{' › '.join(passage.heading_path)}\n{passage.text.strip()}", "    "))
        click.echo(f"    {passage.id}  score {hit.score:.3f}\n")
    if not hits:
        click.echo("No passage fits.")


def _hit(hit: Hit) -> dict[str, Any]:
    passage = asdict(hit.passage)
    return {"passage_id": passage.pop("id"), "score": round(hit.score, 4), **passage}


@click.command("chat", epilog="Example: aeo chat --conversation conv_0123456789abcdef0123")
@click.option("--conversation", help="Id of an earlier conversation to go on with.")
@jurisdiction_option
@audience_option
@index_option
def chat_command(conversation: str | None, jurisdictions: tuple[str, ...], audience: Any, index: Path | None) -> None:
    """Ask question after question; follow-ups are understood. An empty line or Ctrl-D ends it."""
    from assistant.answer import Question, QuestionError

    assistant = open_assistant(index)
    codes = known(assistant, jurisdictions, audience == "officer")
    if conversation is not None and not assistant.conversations.exists(conversation, audience == "officer"):
        raise click.ClickException(f"there is no conversation '{conversation}'; leave --conversation out to start one")
    conversation = conversation or assistant.conversations.start()
    interactive = sys.stdin.isatty()
    while True:
        if interactive:
            click.echo(click.style("\n? ", fg="green", bold=True), nl=False)
        line = sys.stdin.readline()
        if not line.strip():
            break
        try:
            officer = audience == "officer"
            asked = Question(line.strip(), codes, audience, conversation, asker=ASKER, officer_access=officer)
            click.echo()
            _show(assistant, asked)
        except QuestionError as error:
            click.echo(f"aeo: {error}", err=True)
    click.echo(f"\nGo on with this conversation: aeo chat --conversation {conversation}")
