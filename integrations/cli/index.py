"""`aeo index`: build, update, status, verify."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from integrations.cli.common import index_option, json_option, load_settings, print_json, progress

_source_option = click.option(
    "--source",
    type=click.Path(exists=True, path_type=Path),
    help="Folder of notes, of publications (Markdown, HTML, PDF, DOCX) or a BEIR folder; default: the shipped guidance "
    "and what 'aeo corpus add' brought in.",
)

_workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes of this machine that embed new passages; AEO_CLUSTER names a Dask scheduler for several machines.",
)


@click.group("index", epilog="Example: aeo index build --source ./rulebook --index ./rulebook-index")
def index_command() -> None:
    """Build, update, inspect and verify the index."""


@index_command.command("build", epilog="Example: aeo index build")
@_source_option
@_workers_option
@index_option
@json_option
def build_command(source: Path | None, workers: int, index: Path | None, as_json: bool) -> None:
    """Read everything and publish a new version."""
    _build(source, index, as_json, workers, update=False)


@index_command.command("update", epilog="Example: aeo index update")
@_source_option
@_workers_option
@index_option
@json_option
def update_command(source: Path | None, workers: int, index: Path | None, as_json: bool) -> None:
    """Read and embed only what changed, and publish a new version if anything did."""
    _build(source, index, as_json, workers, update=True)


def _build(source: Path | None, index: Path | None, as_json: bool, workers: int, update: bool) -> None:
    from indexing.build import build_index
    from indexing.library import collection
    from indexing.sources import SHIPPED_QUESTIONS, SHIPPED_VECTORS

    settings = load_settings(index)
    with progress() as show:
        report = build_index(
            settings.index,
            collection(source or settings.corpus, settings.index),
            model=settings.embedding_model,
            shipped=SHIPPED_VECTORS,
            questions=SHIPPED_QUESTIONS,
            chroma_url=settings.chroma_url,
            update=update,
            workers=workers,
            cluster=settings.cluster,
            progress=show,
        )
    for problem in report.problems:
        click.echo(f"aeo: {problem}", err=True)
    if as_json:
        print_json(asdict(report))
    elif report.unchanged:
        click.echo(f"Nothing changed: version {report.version}, {report.passages} passages ({report.seconds:.2f} s).")
    else:
        click.echo(
            f"Version {report.version}: {report.documents} documents, {report.passages} passages, "
            f"{report.embedded} embedded, {report.reused} vectors reused ({report.seconds:.1f} s)."
        )


@index_command.command("status", epilog="Example: aeo index status --stale")
@click.option("--stale", is_flag=True, help="List provisions whose source is older than AEO_STALE_AFTER_DAYS.")
@index_option
@json_option
def status_command(stale: bool, index: Path | None, as_json: bool) -> None:
    """Version, counts, model, and what is stale."""
    from indexing.status import index_status

    settings = load_settings(index)
    status = index_status(settings.index, settings.stale_after_days)
    if as_json:
        print_json(asdict(status))
        return
    click.echo(f"Version {status.version}, built {status.created}, model {status.model}, vectors {status.chroma}")
    click.echo(f"{status.documents} documents, {status.passages} passages, {len(status.jurisdictions)} programmes")
    click.echo(f"{len(status.stale)} provisions rest on sources older than {settings.stale_after_days} days.")
    for problem in status.problems:
        click.echo(f"aeo: {problem}", err=True)
    if stale:
        for entry in status.stale:
            click.echo(f"  {entry.as_of:10}  {entry.jurisdiction:8} {entry.reference}  ({entry.passage_id})")


@index_command.command("verify", epilog="Example: aeo index verify")
@index_option
@json_option
def verify_command(index: Path | None, as_json: bool) -> None:
    """Re-check the digests of what is served."""
    from indexing.build import verify_index

    faults = verify_index(load_settings(index).index)
    if as_json:
        print_json({"ok": not faults, "faults": faults})
    if faults:
        raise click.ClickException(f"{len(faults)} faults, the first: {faults[0]}")
    if not as_json:
        click.echo("The index is whole.")
