"""Checks over the whole collection that one note's schema cannot see."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from corpus.loader import NOTES, load_note, note_paths
from corpus.schema import CorpusError, Note

MAX_WORDS = 130
"""A provision longer than this is two provisions, or does not fit the embedding model's 256 tokens."""


def load_notes(root: Path = NOTES) -> tuple[list[Note], list[str]]:
    """All notes that parse, and one line for each that does not."""
    notes: list[Note] = []
    problems: list[str] = []
    for path in note_paths(root):
        try:
            notes.append(load_note(path))
        except CorpusError as error:
            problems.append(str(error))
    return notes, problems


def problems_of(notes: Iterable[Note]) -> list[str]:
    """One line per problem, each with file and line."""
    notes = list(notes)
    ids = {note.front.id for note in notes}
    seen_ids: dict[str, Path] = {}
    seen_texts: dict[tuple[str, str], str] = {}
    problems: list[str] = []
    for note in notes:
        front = note.front
        if front.id in seen_ids:
            problems.append(f"{note.path}:2: id '{front.id}' is also that of {seen_ids[front.id]}; choose another")
        seen_ids[front.id] = note.path
        if front.valid_to and not front.superseded_by:
            problems.append(f"{note.path}:2: superseded (valid_to {front.valid_to}) without superseded_by")
        if front.superseded_by and front.superseded_by not in ids:
            problems.append(f"{note.path}:2: superseded_by '{front.superseded_by}' is no note")
        used = {cited.key for provision in note.provisions for cited in provision.cited}
        problems += [f"{note.path}:2: source '{key}' is never cited; remove it" for key in sorted(set(front.sources) - used)]
        for provision in note.provisions:
            where = f"{note.path}:{provision.line}"
            words = len(provision.text.split())
            if words > MAX_WORDS:
                problems.append(f"{where}: provision of {words} words; split it, {MAX_WORDS} at most")
            if not provision.text.rstrip("*_").endswith((".", "!", "?", "。", ")")):
                problems.append(f"{where}: provision does not end with a full stop")
            folded = re.sub(r"\W+", " ", provision.text.casefold()).strip()
            here = seen_texts.setdefault((front.jurisdiction, folded), where)
            if here != where:
                problems.append(f"{where}: same provision as {here}; keep one")
    return problems


if __name__ == "__main__":
    import sys

    found, broken = load_notes(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTES)
    for line in broken + problems_of(found):
        print(line)
    print(f"{len(found)} notes, {sum(len(n.provisions) for n in found)} provisions")
