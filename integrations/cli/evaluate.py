"""`aeo eval`: run, compare, report, gate, retrieval, candidates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import click

from integrations.cli.common import index_option, json_option, load_settings, print_json, progress

_run = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group("eval", epilog="Example: aeo eval run --split dev")
def eval_command() -> None:
    """Measure answers and retrieval."""


@eval_command.command("run", epilog="Example: aeo eval run --split dev --set core --set languages --workers 2")
@click.option("--split", type=click.Choice(["dev", "test"]), default="dev", show_default=True, help="Which questions.")
@click.option("--set", "sets", multiple=True, help="Question set by name; may be repeated; default: all.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder; default: var/evals/<time>.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--sample", type=click.IntRange(1), help="Ask only so many, the same ones each time; for slow models.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run in --out.")
@index_option
def run_command(
    split: Literal["dev", "test"],
    sets: tuple[str, ...],
    out: Path | None,
    workers: int,
    sample: int | None,
    resume: bool,
    index: Path | None,
) -> None:
    """Ask all questions of a split and keep the scores."""
    from evals.report import report
    from evals.runner import run

    settings = load_settings(index)
    folder = out or settings.index.parent / "evals" / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    run(split, sets, folder, workers=workers, resume=resume, sample=sample, settings=settings)
    click.echo(f"{folder}\n{report(folder)}")


@eval_command.command("compare", epilog="Example: aeo eval compare var/evals/before var/evals/after")
@click.argument("before", type=_run)
@click.argument("after", type=_run)
def compare_command(before: Path, after: Path) -> None:
    """What changed from run BEFORE to run AFTER, and which questions flipped."""
    from evals.compare import compare

    click.echo(compare(before, after).text())


@eval_command.command("report", epilog="Example: aeo eval report var/evals/20261122T090000")
@click.argument("run", type=_run)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File; default: report.html in RUN.")
def report_command(run: Path, out: Path | None) -> None:
    """Write one self-contained HTML page about a run."""
    from evals.report import report

    click.echo(report(run, out))


@eval_command.command("gate", epilog="Example: aeo eval gate")
@click.option("--update", is_flag=True, help="Store the scores of now as the baseline, for review.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@index_option
def gate_command(update: bool, workers: int, index: Path | None) -> None:
    """Run the gate's questions; exit 1 if a score fell below its baseline by more than noise."""
    from evals.gate import gate, update_baseline

    settings = load_settings(index)
    if update:
        update_baseline(settings, workers=workers)
        click.echo("The baseline was written; look at the change before you commit it.")
        return
    outcome = gate(settings, workers=workers)
    click.echo(outcome.text())
    if not outcome.passed:
        raise click.ClickException("the gate is closed: see the scores above")


@eval_command.command("retrieval", epilog="Example: aeo eval retrieval --beir ./obliqa --index ./obliqa-index")
@click.option("--beir", required=True, type=_run, help="BEIR folder: corpus.jsonl, queries.jsonl, qrels/*.tsv.")
@index_option
@json_option
def retrieval_command(beir: Path, index: Path | None, as_json: bool) -> None:
    """Recall@10 and MAP@10 of the search over a foreign collection."""
    from dataclasses import asdict

    from evals.retrieval import retrieval

    with progress() as show:
        scores = retrieval(beir, load_settings(index).index, show)
    if as_json:
        print_json(asdict(scores))
    else:
        click.echo(scores.line())


@eval_command.command("candidates", epilog="Example: aeo eval candidates --out candidates.jsonl")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("candidates.jsonl"), show_default=True
)
def candidates_command(out: Path) -> None:
    """Export questions whose answers were marked unhelpful, without personal data, for review."""
    from assistant.conversations import Conversations
    from evals.candidates import candidates

    click.echo(f"{candidates(Conversations(load_settings().database_url), out)} candidates in {out}")
