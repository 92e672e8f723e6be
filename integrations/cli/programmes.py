"""`aeo compare`, `aeo mra`, `aeo eligibility`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from integrations.cli.common import index_option, json_option, known, open_assistant, print_json

if TYPE_CHECKING:
    from assistant.compare import Comparison
    from assistant.eligibility import Asked


@click.command("compare", epilog='Example: aeo compare "validity" EU GB CN')
@click.argument("topic")
@click.argument("codes", nargs=-1, required=True, metavar="CODE CODE...")
@json_option
@index_option
def compare_command(topic: str, codes: tuple[str, ...], as_json: bool, index: Path | None) -> None:
    """Set programmes side by side on TOPIC: a standard topic, or a question in your own words."""
    from assistant.compare import compare

    assistant = open_assistant(index)
    comparison = compare(topic, known(assistant, codes), assistant.index, assistant.settings)
    if as_json:
        print_json(comparison.to_json())
    elif sys.stdout.isatty():
        _show(comparison)
    else:
        click.echo(comparison.to_markdown())


def _show(comparison: Comparison) -> None:
    """The table as wide as the terminal; what goes into a pipe or a file is Markdown."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from corpus.programmes import programmes

    table = Table("", *(programmes()[code].name for code in comparison.codes), show_lines=True)
    for row in comparison.rows:
        table.add_row(Text(row.criterion, "bold"), *(Text(cell.text) for cell in row.cells))
    console = Console(highlight=False)
    console.print(table)
    for line in (*comparison.notices, *comparison.sources()):
        console.print(Text(line), soft_wrap=True)  # an address that is cut in two opens nothing


@click.command("mra", epilog="Example: aeo mra EU JP")
@click.argument("code")
@click.argument("partner", required=False)
@json_option
@index_option
def mra_command(code: str, partner: str | None, as_json: bool, index: Path | None) -> None:
    """Mutual recognition arrangements of the programme CODE, or between CODE and PARTNER."""
    from assistant.recognition import mra

    found = mra(code.upper(), partner.upper() if partner else None, open_assistant(index).index)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(found.to_text())


@click.command("eligibility", epilog="Example: aeo eligibility EU")
@click.argument("code")
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON file {"question": "choice"}; without it the questions are asked one by one.',
)
@json_option
@index_option
def eligibility_command(code: str, answers: Path | None, as_json: bool, index: Path | None) -> None:
    """Guided pre-check against the criteria of CODE, with a cited report. It decides nothing."""
    import json

    from assistant.eligibility import answer, from_json, next_question, report, start

    assistant = open_assistant(index)
    session = start(code)
    if answers is not None:
        try:
            given = json.loads(answers.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise click.ClickException(f"{answers}:{error.lineno}: not JSON ({error.msg})") from error
        session = from_json({"programme": session.code, "answers": given})
    else:
        while (asked := next_question(session)) is not None:
            session = answer(session, asked.id, _ask(asked))
    found = report(session, assistant.index)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo("\n" + found.to_markdown())


def _ask(asked: Asked) -> str:
    """Put a question on the terminal; the id of the choice."""
    click.echo(f"\n{click.style(f'{asked.number}. {asked.criterion}', bold=True)}\n{asked.text}")
    for number, (_, say) in enumerate(asked.choices, start=1):
        click.echo(f"  {number}  {say}")
    chosen = click.prompt("Answer", type=click.IntRange(1, len(asked.choices)))
    return asked.choices[int(chosen) - 1][0]
