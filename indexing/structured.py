"""The structured data as citable passages: what is known of each pair of programmes, in sentences of our own.

Both partners get a document of their own (`mra-jp`), so that an answer about one programme rests on that programme.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from corpus.mra import Arrangement, about, load, name_of, partners_of, standing_status
from corpus.programmes import programmes
from corpus.schema import CorpusError, Topic
from indexing.passages import Document, DocumentError, Passage, passage_id

# The texts say neither "AEO" nor "apply": words that questions on every other subject hold as well.
HEADING = "Mutual recognition"
LIST_HEADING = "All partners"
_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]

_MADE = {"in_force": "in force with", "signed": "signed, with no starting date found, with"}
_NOT_MADE = {
    "disputed": "sources differ on whether an arrangement was concluded with",
    "pilot": "a pilot, but no arrangement, exists with",
    "action_plan": "an action plan, which is no arrangement yet, exists with",
    "negotiation": "there have been talks, with no signed arrangement found, with",
}


def read_mra(path: Path) -> list[tuple[Document, list[Passage]]]:
    """A document for each programme that has arrangements, one passage per partner and per regional arrangement.

    Raises:
        DocumentError: the file is not of its form.
    """
    try:
        rows = load(path)
    except CorpusError as error:
        raise DocumentError(str(error)) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    found = [_document(code, rows, digest) for code in sorted(programmes())]
    return [(document, passages) for document, passages in found if passages]


def document_id(code: str) -> str:
    """Id of the document with a programme's arrangements."""
    return f"mra-{code.lower()}"


def is_data_row(passage: Passage) -> bool:
    """Whether a passage was written from the data: such passages answer questions on recognition only."""
    return passage.document_id == document_id(passage.jurisdiction)


def pair_heading(partner: str) -> str:
    """Last heading of the passage about a partner."""
    return f"{name_of(partner)} ({partner})"


def _document(code: str, rows: Sequence[Arrangement], digest: str) -> tuple[Document, list[Passage]]:
    partners = partners_of(code, rows)
    bilateral = {partner: [row for row in found if not row.arrangement] for partner, found in partners.items()}
    regional: dict[str, list[Arrangement]] = {}
    for row in (row for found in partners.values() for row in found if row.arrangement):
        regional.setdefault(row.arrangement, []).append(row)
    passages = [
        _passage(code, pair_heading(partner), pair_text(code, partner, found), found)
        for partner, found in bilateral.items()
        if found
    ]
    if partners:
        passages.insert(0, _list_passage(code, partners))
    passages += [
        _passage(code, name, regional_text(code, name, found, about(name, rows)), [*found, *about(name, rows)])
        for name, found in sorted(regional.items())
    ]
    first = passages[0] if passages else None
    document = Document(
        id=document_id(code),
        title=f"Mutual recognition arrangements: {name_of(code)}",
        publisher="compiled from the sources named in each entry",
        programme=programmes()[code].name,
        jurisdiction=code,
        kind="restatement",
        language="en",
        url=first.url if first else "",
        as_of=max((passage.as_of for passage in passages), default=""),
        access="public",
        content_hash=digest,
    )
    return document, passages


def _list_passage(code: str, partners: dict[str, list[Arrangement]]) -> Passage:
    """All partners in one passage: what a question for the list of partners is answered with."""
    rows = [row for found in partners.values() for row in _counting(found)]
    passage = _passage(code, LIST_HEADING, list_text(code, partners), rows)
    oldest = min(rows, key=lambda row: row.as_of)  # a list is as old as the oldest source in it
    return replace(passage, as_of=oldest.as_of, undated=oldest.undated)


def _passage(code: str, heading: str, text: str, rows: Sequence[Arrangement]) -> Passage:
    lead = _lead(rows)
    reference = "; ".join(dict.fromkeys(row.source for row in [lead, *rows]))
    return Passage(
        id=passage_id(document_id(code), reference, text),
        document_id=document_id(code),
        text=text,
        heading_path=(f"Mutual recognition arrangements: {name_of(code)}", HEADING, heading),
        reference=reference,
        topic=Topic.RECOGNITION.value,
        programme=programmes()[code].name,
        jurisdiction=code,
        kind="restatement",
        language="en",
        url=str(lead.source_url),
        as_of=lead.as_of,
        undated=lead.undated,
        source_type=lead.source_type,
        status="verified",
        access="public",
        valid_from=None,
        valid_to=None,
    )


def pair_text(code: str, partner: str, rows: Sequence[Arrangement]) -> str:
    """Say in full sentences what the rows hold of one pair, seen from `code`."""
    both = f"{name_of(code)} and {name_of(partner)}"
    sentences = [*_state(both, rows), *_scopes(rows), *_set_aside(rows), *_notes(rows)]
    return " ".join(_capital(sentence) for sentence in sentences)


def regional_text(code: str, name: str, rows: Sequence[Arrangement], whole: Sequence[Arrangement]) -> str:
    """Say in full sentences what the rows hold of a programme's part in a regional arrangement."""
    here = name_of(code)
    sentences = [f"{here} takes part in the {name}{_according([_lead(rows)])}."]
    for (start, status), partners in sorted(_grouped(code, rows).items(), key=lambda item: (not item[0][0], item[0])):
        if status == "in_force":
            sentences.append(f"it is in force between {here} and {_listed(partners)}{_since(start)}.")
        else:
            sentences.append(f"{here} signed it with {_listed(partners)}; its starting date there was not found.")
    every = [*whole, *rows]
    sentences += [*_signature(every, _lead(rows).source), *_disputed_signature(every)]
    sentences += [*_scopes(rows), *_set_aside(every), *_notes(every)]
    return " ".join(_capital(sentence) for sentence in sentences)


def list_text(code: str, partners: dict[str, list[Arrangement]]) -> str:
    """Name all partners by state, furthest first."""
    states: dict[str, list[str]] = {}
    for partner, rows in partners.items():
        disputed = len({row.status for row in rows if row.standing == "disputed"}) > 1
        states.setdefault("disputed" if disputed else standing_status(rows) or "", []).append(name_of(partner))
    here = name_of(code)
    said = [f"{words} {_listed(names)}" for state, words in _MADE.items() if (names := states.get(state))]
    sentences = (
        [
            f"the partner countries and territories of {here} in mutual recognition (MRA), "
            f"as far as sources were found: {'; '.join(said)}."
        ]
        if said
        else []
    )
    sentences += [f"{words} {_listed(states[state])}." for state, words in _NOT_MADE.items() if state in states]
    return " ".join(_capital(sentence) for sentence in sentences)


def _grouped(code: str, rows: Sequence[Arrangement]) -> dict[tuple[str, str], list[str]]:
    """Names of the partners by starting date and status."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in _counting(rows):
        partners = groups.setdefault((row.in_force or "", row.status), [])
        if name_of(row.partner_of(code)) not in partners:
            partners.append(name_of(row.partner_of(code)))
    return groups


def written(date: str) -> str:
    """A reduced date as prose has it.

    >>> written("2011-05-24"), written("2010-06"), written("2019")
    ('24 May 2011', 'June 2010', '2019')
    """
    year, month, day = [*date.split("-"), "", ""][:3]
    return " ".join(part for part in (day.lstrip("0"), _MONTHS[int(month) - 1] if month else "", year) if part)


def _state(both: str, rows: Sequence[Arrangement]) -> Iterator[str]:
    """How far the two are: in force, signed, on the way."""
    status = standing_status(rows)
    shown = [row for row in _counting(rows) if row.status == status]
    dates = [row.signed for row in shown if row.signed]
    according = _according(shown)
    if len({row.status for row in rows if row.standing == "disputed"}) > 1:
        yield f"sources differ on mutual recognition between {both}: {_readings(rows)}."
    elif status == "in_force":
        starts = [row for row in shown if row.in_force]
        start = max((row.in_force or "" for row in starts), key=len, default="")
        dated = _according([row for row in starts if row.in_force == start] or shown)
        yield f"mutual recognition between {both} is in force{_since(start)}{dated}."
        yield from _signature(rows, "")
        yield from _disputed_signature(rows)
    elif status == "signed":
        signature = next(_signature(rows, ""), "").removeprefix("the arrangement was signed").rstrip(".")
        said = (
            f"signed a mutual recognition arrangement{signature}"
            if signature
            else (f"have signed a mutual recognition arrangement{according}")
        )
        yield f"{both} {said}; its starting date was not found."
        yield from _disputed_signature(rows)
    elif status == "pilot":
        since = _since(max(dates, default=""))
        yield f"{both} have run a pilot of mutual recognition{since}{according}; it is no arrangement."
    elif status == "action_plan":
        when = f", signed {_on(max(dates))}," if dates else ""
        yield f"{both} have an action plan{when} towards mutual recognition{according}; this is no arrangement yet."
    else:
        yield f"{both} have been in talks on mutual recognition{according}; no signed arrangement was found."


def _signature(rows: Sequence[Arrangement], said: str) -> Iterator[str]:
    """The most precise date of signature; its source is named unless that is `said`."""
    signed = [r for r in rows if r.signed and r.standing == "current" and r.status in ("signed", "in_force")]
    if signed:
        date = max((row.signed or "" for row in signed), key=len)
        given = [row for row in signed if row.signed == date]
        according = "" if given[0].source == said else _according(given)
        yield f"the arrangement was signed {_on(date)}{according}."


def _disputed_signature(rows: Sequence[Arrangement]) -> Iterator[str]:
    disputed = [row for row in rows if row.standing == "disputed"]
    if len({row.signed for row in disputed}) > 1:
        yield f"sources differ: {_readings(rows)}."
    elif disputed and disputed[0].signed:
        yield f"the arrangement was signed {_on(disputed[0].signed)}{_according(disputed)}."


def _readings(rows: Sequence[Arrangement]) -> str:
    disputed = [row for row in rows if row.standing == "disputed"]
    return ", but ".join(dict.fromkeys(f"{row.source} {_reading(row)}" for row in disputed))


def _reading(row: Arrangement) -> str:
    if row.signed:
        return f"dates the signature to {written(row.signed)}"
    named = {"signed": "a signed arrangement", "in_force": "recognition in force", "action_plan": "an action plan only"}
    return f"speaks of {named.get(row.status, 'talks')}"


def _scopes(rows: Sequence[Arrangement]) -> Iterator[str]:
    scopes = list(dict.fromkeys(row.scope for row in _counting(rows) if row.scope))
    if scopes:
        yield f"it covers: {'; '.join(scopes)}."


def _set_aside(rows: Sequence[Arrangement]) -> Iterator[str]:
    for row in rows:
        if row.standing == "set_aside":
            yield f"another source, {row.source}, {_reading(row)}; this is not followed, because {row.note}."
        elif row.standing == "superseded":
            yield f"before that, {row.source} spoke of {'an action plan' if row.status == 'action_plan' else 'talks'}."


def _notes(rows: Sequence[Arrangement]) -> Iterator[str]:
    for source, note in dict.fromkeys((row.source, row.note) for row in _counting(rows) if row.note):
        yield f"{source}: {note}."


def _counting(rows: Sequence[Arrangement]) -> list[Arrangement]:
    return [row for row in rows if row.standing in ("current", "disputed")]


def _lead(rows: Sequence[Arrangement]) -> Arrangement:
    """The row that the first sentence stands on: of the furthest state, best by kind of source, then with a date."""
    status = standing_status(rows)
    order = ("official", "mirror", "secondary")
    shown = [row for row in _counting(rows) if row.status == status]
    return min(shown or rows, key=lambda row: (row.in_force is None, order.index(row.source_type), row.signed is None))


def _according(rows: Sequence[Arrangement]) -> str:
    """Names the source where only secondary ones say it."""
    if all(row.source_type == "secondary" for row in rows):
        return f", according to {rows[0].source}"
    return ""


def _since(date: str) -> str:
    return f" since {written(date)}" if date else ""


def _on(date: str) -> str:
    return f"{'on' if len(date) == 10 else 'in'} {written(date)}"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
