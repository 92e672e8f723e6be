"""`aeo doctor`: what is configured, what is missing, and how to fix it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from integrations.cli.common import index_option, json_option, load_settings, print_json


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


@click.command("doctor", epilog="Example: aeo doctor")
@index_option
@json_option
def doctor_command(index: Path | None, as_json: bool) -> None:
    """Say what is configured, what is missing, and how to fix it; exit 1 if something needs mending."""
    findings = list(_findings(load_settings(index)))
    if as_json:
        print_json([{"what": f.what, "ok": f.ok, "detail": f.detail} for f in findings])
    else:
        for finding in findings:
            mark = click.style("ok  ", fg="green") if finding.ok else click.style("MEND", fg="red")
            click.echo(f"{mark}  {finding.what}: {finding.detail}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


def _findings(settings: Any) -> Iterator[Finding]:
    from assistant.settings import unknown_variables

    version = sys.version_info
    yield Finding(
        "Python", version >= (3, 11), f"{version.major}.{version.minor}.{version.micro} (3.11 or later is needed)"
    )
    for name in unknown_variables():
        yield Finding("Settings", False, f"{name} is no setting; see the table in README.md")
    yield _index(settings)
    yield _embedding(settings)
    yield _database(settings)
    yield from _model(settings)
    yield from _slack(settings)


def _index(settings: Any) -> Finding:
    from corpus.errors import UserError
    from indexing.search import Index

    try:
        index = Index.open(settings.index, settings.embedding_model)
    except UserError as error:
        return Finding("Index", False, str(error))
    missing = sum(problem.endswith("left out") for problem in index.manifest.problems)
    left_out = f"; {missing} files left out" if missing else ""
    return Finding(
        "Index",
        True,
        f"version {index.version}, {index.manifest.passages} passages, vectors {index.manifest.chroma}{left_out}",
    )


def _embedding(settings: Any) -> Finding:
    from corpus.errors import UserError
    from indexing.embedding import query_embedder

    try:
        vector = query_embedder(settings.embedding_model).embed(["customs"])[0]
    except UserError as error:
        return Finding("Embedding model", False, str(error))
    return Finding("Embedding model", True, f"{settings.embedding_model}, {len(vector)} dimensions")


def _database(settings: Any) -> Finding:
    from assistant.conversations import Conversations, DatabaseError

    try:
        Conversations(settings.database_url).recent_answers(1)
    except DatabaseError as error:
        return Finding("Database", False, str(error))
    from sqlalchemy.engine import make_url

    return Finding("Database", True, make_url(settings.database_url).render_as_string(hide_password=True))


def _model(settings: Any) -> Iterator[Finding]:
    if not settings.llm:
        yield Finding("Language model", True, "none (AEO_LLM is not set): answers are extractive")
        return
    from assistant.llm.limits import check

    problems = check(settings)
    for problem in problems:
        yield Finding("Language model", False, problem)
    if not problems:
        yield Finding("Language model", True, settings.llm)


def _slack(settings: Any) -> Iterator[Finding]:
    if not settings.slack_bot_token:
        yield Finding("Slack", True, "not configured (SLACK_BOT_TOKEN is not set)")
        return
    import asyncio

    from integrations.slack.app import check

    problems = asyncio.run(check(settings))
    for problem in problems:
        yield Finding("Slack", False, problem)
    if not problems:
        yield Finding("Slack", True, "tokens and scopes are in order")
