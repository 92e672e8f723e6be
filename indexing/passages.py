"""Documents and passages: what an index holds, and how passages get their ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from corpus.errors import UserError

Kind = Literal["restatement", "official"]
Status = Literal["verified", "unverified", "gap"]
Access = Literal["public", "officer"]


class DocumentError(UserError):
    """A document cannot be read or is incomplete. The message names the document, the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class Document:
    """A guidance note or a publication, with what every passage of it shares."""

    id: str
    title: str
    publisher: str
    programme: str
    jurisdiction: str
    """ISO 3166-1 alpha-2, EU, XI, WCO or a regional scheme; "" for a collection that has none (BEIR)."""
    kind: Kind
    language: str
    """ISO 639-1 code of the text."""
    url: str
    as_of: str
    """ISO 8601 date, possibly reduced to month or year."""
    access: Access
    content_hash: str
    """SHA-256 of the file's bytes, hexadecimal."""
    valid_from: str | None = None
    valid_to: str | None = None
    superseded_by: str | None = None
    original: str | None = None
    """File name of the stored original in the index's `library/` folder; None for shipped notes."""
    notices: tuple[str, ...] = ()
    """What could not be read of it (scanned pages) or was decided in reading it, one line each."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The smallest part of a document that can be cited on its own."""

    id: str
    document_id: str
    text: str
    heading_path: tuple[str, ...]
    reference: str
    """The pinpoint: "UCC Art. 39(c)"."""
    topic: str
    """A `corpus.schema.Topic` value; "" where the document does not follow the standard topics."""
    programme: str
    jurisdiction: str
    kind: Kind
    language: str
    url: str
    as_of: str
    undated: bool
    source_type: str
    status: Status
    access: Access
    valid_from: str | None
    valid_to: str | None
    page: int | None = None
    """Page of the original, from 1, where it has pages."""

    def fields(self) -> dict[str, object]:
        """Every field by name: `dataclasses.asdict` without its copies, which a million passages feel."""
        return {name: getattr(self, name) for name in self.__slots__}


def passage_id(document_id: str, reference: str, text: str, occurrence: int = 0) -> str:
    """An id that depends on the passage alone, so that edits elsewhere in the document leave it as it is.

    `occurrence` counts earlier passages of the document with the same reference and text.
    """
    digest = hashlib.sha256(f"{reference}\x00{text}\x00{occurrence}".encode()).hexdigest()
    return f"{document_id}-{digest[:10]}"
