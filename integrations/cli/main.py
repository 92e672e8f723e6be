"""Entry point of `aeo`: finds the command, imports only what it needs, and turns every failure into one clear line."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

import click

# Name, module with a click command of that name, and the line that `aeo --help` shows: help must not import anything.
_COMMANDS = {
    "ask": ("ask", "Answer one question, or a file of them, with citations."),
    "chat": ("ask", "Hold a conversation in the terminal."),
    "search": ("ask", "Find passages."),
    "corpus": ("corpus", "List, check, add, fetch and compare guidance."),
    "index": ("index", "Build, update, inspect and verify the index."),
    "compare": ("programmes", "Set programmes side by side on a topic."),
    "mra": ("programmes", "Mutual recognition arrangements of a programme, or between two."),
    "eligibility": ("programmes", "Guided pre-check against a programme's criteria."),
    "eval": ("evaluate", "Measure answers and retrieval."),
    "serve": ("serve", "Serve the HTTP API and the web chat."),
    "slack": ("serve", "Answer in Slack over Socket Mode."),
    "doctor": ("doctor", "Say what is configured, what is missing, and how to fix it."),
}


class Commands(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that holds the command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"integrations.cli.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog='Example: aeo ask "How long does EU customs have to decide on an AEO application?"',
)
@click.version_option(package_name="aeo-assistant")
def aeo() -> None:
    """Guidance on Authorized Economic Operator programmes, every sentence cited to its provision."""


def main() -> None:
    """Run `aeo`; exit 0 on success, 2 on wrong usage, 1 on any other failure, 130 when interrupted."""
    try:
        aeo.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\naeo: stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        sys.exit(_failed(error))


def _failed(error: Exception) -> int:
    from corpus.errors import UserError

    if isinstance(error, UserError):
        click.echo(f"aeo: {error}", err=True)
        return error.exit_status
    name = type(error).__name__
    if name == "ValidationError":  # of the settings, read before anything else
        click.echo(f"aeo: a setting is wrong: {_first_setting(error)}", err=True)
        return 2
    if isinstance(error, OSError) and error.errno is not None:
        click.echo(f"aeo: {error.strerror}: {error.filename or ''}".rstrip(": "), err=True)
        return 1
    log = Path(os.environ.get("TMPDIR", "/tmp")) / f"aeo-error-{os.getpid()}.log"
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    click.echo(f"aeo: unexpected error ({name}); details are in {log}: please report them", err=True)
    return 1


def _first_setting(error: Exception) -> str:
    first = error.errors()[0] if hasattr(error, "errors") else {"loc": ("?",), "msg": str(error)}
    return f"AEO_{'_'.join(str(part) for part in first['loc']).upper()}: {first['msg']}"
