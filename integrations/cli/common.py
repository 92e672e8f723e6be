"""What the commands share: options, opening the assistant, progress bars, reading JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from corpus.errors import UserError

if TYPE_CHECKING:
    from assistant.service import Assistant
    from assistant.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

index_option = click.option(
    "--index", type=click.Path(path_type=Path), help="Index directory; default: the setting AEO_INDEX."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
jurisdiction_option = click.option(
    "-j", "--jurisdiction", "jurisdictions", multiple=True, help="Programme by code: EU, US, CN …; may be repeated."
)
audience_option = click.option(
    "--audience",
    type=click.Choice(["applicant", "officer"]),
    help="Who asks; officers also see documents that are restricted to them.",
)


class UnknownProgramme(UserError):
    """A code that no programme of the index has."""

    exit_status = 2


def load_settings(index: Path | None = None) -> Settings:
    """The settings, with the index directory given on the command line."""
    from assistant.settings import Settings

    return Settings(index=index) if index else Settings()


def open_assistant(index: Path | None = None) -> Assistant:
    """The assistant over the chosen index."""
    from assistant.service import Assistant

    return Assistant(load_settings(index))


def known(assistant: Assistant, codes: tuple[str, ...], officer: bool = False) -> tuple[str, ...]:
    """The codes in capitals.

    Raises:
        UnknownProgramme: for a programme that the guidance does not hold, naming those that it does.
    """
    asked = tuple(code.upper() for code in codes)
    held = assistant.index.held(officer)
    unknown = [code for code in asked if code not in held]
    if unknown:
        raise UnknownProgramme(f"no guidance on {', '.join(unknown)}; choose from {', '.join(c for c in held if c)}")
    return asked


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON Lines file; "-" is standard input.

    Raises:
        click.ClickException: naming the line that is no JSON object.
    """
    stream = sys.stdin if str(path) == "-" else path.open(encoding="utf-8")
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except json.JSONDecodeError as error:
                raise click.ClickException(f"{path}:{number}: not JSON ({error.msg})") from error
            if not isinstance(entry, dict):
                raise click.ClickException(f"{path}:{number}: not a JSON object")
            yield entry


def print_json(value: Any) -> None:
    """One JSON document, readable on a terminal, on one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent))


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar per step on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        yield show
