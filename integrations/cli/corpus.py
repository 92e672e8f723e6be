"""`aeo corpus`: list, validate, add, fetch, diff."""

from __future__ import annotations

from pathlib import Path

import click

from integrations.cli.common import index_option, json_option, load_settings, print_json


@click.group("corpus", epilog="Example: aeo corpus validate")
def corpus_command() -> None:
    """List, check, add, fetch and compare guidance."""


@corpus_command.command("list", epilog="Example: aeo corpus list --json")
@index_option
@json_option
def list_command(index: Path | None, as_json: bool) -> None:
    """List the documents of the index."""
    from dataclasses import asdict

    from indexing.store import PassageStore
    from indexing.versions import current_version

    store = PassageStore(current_version(load_settings(index).index) / "passages.sqlite")
    documents = store.documents()
    store.close()
    if as_json:
        print_json([asdict(document) for document in documents])
        return
    for document in sorted(documents, key=lambda d: (d.jurisdiction, d.id)):
        validity = f", in force until {document.valid_to}" if document.valid_to else ""
        access = ", officers only" if document.access == "officer" else ""
        about = f"{document.kind}, as of {document.as_of or 'no date'}{validity}{access}"
        click.echo(f"{document.jurisdiction:8} {document.id:44} {document.title} ({about})")


@corpus_command.command("validate", epilog="Example: aeo corpus validate ./my-notes")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def validate_command(folder: Path | None, as_json: bool) -> None:
    """Check the guidance notes (of FOLDER, or the shipped ones); exit 1 if anything does not hold."""
    from corpus.validate import check

    notes, problems = check(folder or load_settings().corpus)
    provisions = sum(len(note.provisions) for note in notes)
    if as_json:
        print_json({"notes": len(notes), "provisions": provisions, "problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
    if problems:
        raise click.ClickException(f"{len(problems)} problems in {len(notes)} notes")
    if not as_json:
        click.echo(f"{len(notes)} notes with {provisions} provisions: no problems.")
