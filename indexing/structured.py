"""The structured data as citable passages: what is known of each pair of programmes, in sentences of our own.

Both partners get a document of their own (`mra-jp`), so that an answer about one programme rests on that programme.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from corpus.mra import Arrangement, about, agree, load, name_of, partners_of, standing_status
from corpus.programmes import programmes
from corpus.schema import CorpusError, Topic
from indexing.passages import Document, DocumentError, Passage, passage_id

HEADING = "Mutual recognition"
_MONTHS = "January February March April May June July August September October November December".split()


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
    """What the rows say of one pair, seen from `code`, in full sentences."""
    both = f"{name_of(code)} and {name_of(partner)}"
    sentences = [_state(both, rows), *_signature(rows), *_scopes(rows), *_disputes(rows), *_notes(rows)]
    return " ".join(_capital(sentence) for sentence in sentences)


def regional_text(code: str, name: str, rows: Sequence[Arrangement], whole: Sequence[Arrangement]) -> str:
    """What the rows say of a programme's part in a regional arrangement, in full sentences."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.standing in ("current", "disputed"):
            partners = groups.setdefault((row.status, row.in_force or ""), [])
            if name_of(row.partner_of(code)) not in partners:
                partners.append(name_of(row.partner_of(code)))
    sentences = [f"{name_of(code)} takes part in the {name}{_according([_lead(rows)])}."]
    for (status, start), partners in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1])):
        listed = _listed(partners)
        if status == "in_force":
            sentences.append(f"It applies between {name_of(code)} and {listed}{f' since {written(start)}' if start else ''}.")
        else:
            sentences.append(f"{name_of(code)} signed it with {listed}; the date from which it applies there was not found.")
    sentences += [*_signature([*whole, *rows]), *_scopes(rows), *_disputes([*whole, *rows]), *_notes([*whole, *rows])]
    return " ".join(_capital(sentence) for sentence in sentences)


def written(date: str) -> str:
    """A reduced date as prose has it.

    >>> written("2011-05-24"), written("2010-06"), written("2019")
    ('24 May 2011', 'June 2010', '2019')
    """
    year, month, day = [*date.split("-"), "", ""][:3]
    return " ".join(part for part in (day.lstrip("0"), _MONTHS[int(month) - 1] if month else "", year) if part)


def _state(both: str, rows: Sequence[Arrangement]) -> str:
    counting = [row for row in rows if row.standing in ("current", "disputed")]
    status = standing_status(rows)
    shown = [row for row in counting if row.status == status]
    according = _according(shown)
    if status == "in_force":
        starts = [row for row in shown if row.in_force]
        if starts:
            start = max((row.in_force or "" for row in starts), key=len)
            according = _according([row for row in starts if row.in_force == start])
            return f"AEO mutual recognition between {both} is in force since {written(start)}{according}."
        return f"AEO mutual recognition between {both} is in force{according}."
    if status == "signed":
        return f"{both} have signed an AEO mutual recognition arrangement{according}; its starting date was not found."
    if status == "pilot":
        start = next((row.signed for row in shown if row.signed), None)
        since = f" since {written(start)}" if start else ""
        return f"{both} have run a pilot of AEO recognition{since}{according}."
    if status == "action_plan":
        date = next((row.signed for row in shown if row.signed), None)
        when = f", signed {_on(date)}," if date else ""
        return f"{both} have an action plan{when} towards AEO mutual recognition{according}; this is not yet an arrangement."
    return f"{both} are negotiating AEO mutual recognition{according}; no signed arrangement was found."


def _signature(rows: Sequence[Arrangement]) -> Iterator[str]:
    signed = [r for r in rows if r.signed and r.standing == "current" and r.status in ("signed", "in_force")]
    if signed:
        date = max((row.signed or "" for row in signed), key=len)
        given = [row for row in signed if row.signed == date]
        yield f"the arrangement was signed {_on(date)}{_according(given)}."


def _scopes(rows: Sequence[Arrangement]) -> Iterator[str]:
    scopes = list(dict.fromkeys(row.scope for row in rows if row.scope and row.standing in ("current", "disputed")))
    if scopes:
        yield f"it covers: {'; '.join(scopes)}."


def _disputes(rows: Sequence[Arrangement]) -> Iterator[str]:
    disputed = [row for row in rows if row.standing == "disputed"]
    readings = list(dict.fromkeys(f"{row.source} {_reading(row)}" for row in disputed))
    if len(readings) > 1:
        yield f"sources differ: {', but '.join(readings)}."
    elif disputed and disputed[0].signed:
        yield f"the arrangement was signed {_on(disputed[0].signed)}{_according(disputed)}."
    for row in (row for row in rows if row.standing == "set_aside"):
        yield f"another source, {row.source}, {_reading(row)}; this is not followed, because {row.note}."


def _reading(row: Arrangement) -> str:
    if row.signed:
        return f"dates the signature to {written(row.signed)}"
    named = {"signed": "a signed arrangement", "in_force": "recognition in force", "action_plan": "an action plan only"}
    return f"speaks of {named.get(row.status, 'negotiations')}"


def _notes(rows: Sequence[Arrangement]) -> Iterator[str]:
    noted = dict.fromkeys((row.source, row.note) for row in rows if row.note and row.standing in ("current", "disputed"))
    for source, note in noted:
        yield f"{source}: {note}."
    for row in (row for row in rows if row.standing == "superseded"):
        yield f"before that, {row.source} spoke of {'an action plan' if row.status == 'action_plan' else 'talks'}."


def _lead(rows: Sequence[Arrangement]) -> Arrangement:
    """The row that the first sentence stands on: of the furthest state, best by kind of source, then with a date."""
    status = standing_status(rows)
    order = ("official", "mirror", "secondary")
    shown = [row for row in rows if row.status == status and row.standing in ("current", "disputed")]
    return min(shown or rows, key=lambda row: (row.in_force is None, order.index(row.source_type), row.signed is None))


def _according(rows: Sequence[Arrangement]) -> str:
    """Names the source where only secondary ones say it."""
    if all(row.source_type == "secondary" for row in rows):
        return f", according to {rows[0].source}"
    return ""


def _on(date: str) -> str:
    return f"{'on' if len(date) == 10 else 'in'} {written(date)}"


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
