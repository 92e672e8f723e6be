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


@corpus_command.command("add", epilog="Example: aeo corpus add customs-act.pdf --jurisdiction NZ --as-of 2025-06-01")
@click.argument("source", metavar="PATH_OR_URL")
@click.option("--id", "identifier", help="Id of the document; default: from its name.")
@click.option("--title", help="Default: the document's own.")
@click.option("--short", help='What references begin with: "UCC".')
@click.option("-j", "--jurisdiction", help="Whose guidance it is: EU, US, NZ …")
@click.option("--publisher", help="Who published it.")
@click.option("--language", help="ISO 639-1 code of the text.")
@click.option("--as-of", help="When it was last seen to say this: YYYY, YYYY-MM or YYYY-MM-DD.")
@click.option("--valid-from", help="First day in force.")
@click.option("--valid-to", help="Last day in force.")
@click.option("--url", help="Address of the publication.")
@click.option("--access", type=click.Choice(["public", "officer"]), help="Who may see it; default: public.")
@click.option("--replace", "replace_existing", is_flag=True, help="Take the place of a document with the same id.")
@index_option
def add_command(source: str, replace_existing: bool, index: Path | None, **stated: str | None) -> None:
    """Add a publication (Markdown, HTML, PDF, DOCX), a folder of them, a BEIR folder, or a web address.

    Options win over a sidecar file NAME.toml, front matter and the document's own properties.
    """
    settings = load_settings(index)
    options = {name: value for name, value in stated.items() if value}
    if "identifier" in options:
        options["id"] = options.pop("identifier")
    problems: list[str] = []
    if "://" in source:
        from indexing.fetch import Fetcher, add_url

        added = [add_url(settings.index, source, options, Fetcher(), replace_existing=replace_existing)]
    else:
        from indexing.library import add

        added, problems = add(settings.index, Path(source), options, replace_existing=replace_existing)
    for each in added:
        said = "unchanged" if each.unchanged else f"{each.passages} passages"
        click.echo(f"{each.id}: {each.title} ({each.jurisdiction}, {each.language}, {each.access}; {said})")
        for notice in each.notices:
            click.echo(f"aeo: {each.id}: {notice}", err=True)
    for problem in problems:
        click.echo(f"aeo: not added: {problem}", err=True)
    if added:
        click.echo("Run 'aeo index update' to take it into the index.")
    if problems:
        raise click.ClickException(f"{len(problems)} files were not added, {len(added)} were")


@corpus_command.command("fetch", epilog="Example: aeo corpus fetch HK")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@index_option
def fetch_command(names: tuple[str, ...], index: Path | None) -> None:
    """Download official publications: all of corpus/sources.toml, or those of a NAME or programme code."""
    from corpus.publications import publications
    from indexing.fetch import Fetcher, chosen, fetch_publications
    from integrations.cli.common import progress

    wanted = chosen(names, publications())
    with progress() as show:
        results = fetch_publications(load_settings(index).index, wanted, Fetcher(), show)
    for result in results:
        click.echo(f"{result.outcome:9} {result.name}{': ' + result.message if result.message else ''}")
    failed = sum(result.outcome == "failed" for result in results)
    if failed:
        raise click.ClickException(f"{failed} of {len(results)} publications could not be fetched")


@corpus_command.command("diff", epilog="Example: aeo corpus diff --json")
@click.option("--last", is_flag=True, help="What the last update changed, instead of what the next one would.")
@index_option
@json_option
def diff_command(last: bool, index: Path | None, as_json: bool) -> None:
    """List provisions that were added, changed or removed, and what rests on them."""
    from dataclasses import asdict

    from assistant.conversations import Conversations
    from corpus.loader import DATA, NOTES
    from corpus.validate import load_notes
    from indexing.changes import between_versions, data_rows, eval_questions, impact, pending
    from indexing.library import collection

    settings = load_settings(index)
    problems: list[str] = []
    if last:
        changes = between_versions(settings.index)
    else:
        changes, problems = pending(settings.index, collection(settings.corpus, settings.index))
    notes, _ = load_notes(settings.corpus or NOTES)
    answers = Conversations(settings.database_url).recent_answers()
    affected = impact(
        changes, notes, data_rows(DATA), eval_questions(NOTES.parents[1] / "evals" / "questions"), answers
    )
    if as_json:
        print_json({"changes": [asdict(c) for c in changes], "affected": [asdict(a) for a in affected]})
        return
    for problem in problems:
        click.echo(f"aeo: cannot be read: {problem}", err=True)
    for change in changes:
        click.echo(f"{change.kind:8} {change.document_id} {change.reference}")
        for sign, text in (("-", change.before), ("+", change.after)):
            if text:
                click.echo(f"  {sign} " + text.replace("\n", "\n    "))
        for each in (each for each in affected if each.certain and each.change == change):
            click.echo(f"    cites this: {each.kind} {each.where}: {each.what}")
    if not all(each.certain for each in affected):
        click.echo("\nMay rest on what changed (they cite the publication, not the provision):")
    for each in (each for each in affected if not each.certain):
        click.echo(f"  {each.kind} {each.where}: {each.what}")
    if not changes:
        click.echo("Nothing changed.")
