"""What every reader hands on: a document as a flat list of blocks in reading order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

BlockKind = Literal["heading", "paragraph", "item", "row", "footnote"]


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph, list item, table row or footnote."""

    kind: BlockKind
    text: str
    level: int = 0
    """Of a heading: 1 is the highest, 0 the title. Of other text: how many lists it is in, 0 where not known."""
    marker: str = ""
    """Of an item: its number as printed ("3.", "(a)"), "" for a bullet. Of a row: its first cell. Of a note: sign."""
    page: int | None = None
    """Page of the original, from 1."""


@dataclass(slots=True)
class Content:
    """What was read from one file."""

    blocks: list[Block]
    properties: dict[str, str] = field(default_factory=dict)
    """Metadata that the file itself states: the names are those of `indexing.metadata.Metadata`."""
    notices: list[str] = field(default_factory=list)
    """What could not be read or was decided for the reader, one line each."""


# Characters that show nothing: controls, zero width, direction overrides, tags. Zero-width joiners stay: Persian and
# Indic words need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u200b\u200e\u200f\u2060\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
_LIGATURES = re.compile("[\ufb00-\ufb06\ufb50-\ufdff\ufe70-\ufefe]")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def clean(text: str) -> str:
    r"""Make one line of visible, composed text: what a quote of it must equal.

    >>> clean("See  Art. 3 \u200b ﬁn")
    'See Art. 3 fin'
    """
    text = _LIGATURES.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", _INVISIBLE.sub("", text))).strip()


def note_sign(sign: str) -> str:
    """A footnote's sign as it stands in running text: "3" as "³"."""
    return sign.translate(_SUPERSCRIPTS)


_ROMAN = ((100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def letters(number: int) -> str:
    """Number an item as "a", "b", …; beyond the alphabet in digits."""
    return chr(96 + number) if 0 < number <= 26 else str(number)


def roman_numeral(number: int) -> str:
    """Write a number in small Roman numerals."""
    text = ""
    for worth, sign in _ROMAN:
        text += sign * (number // worth)
        number %= worth
    return text


def table_rows(rows: Sequence[Sequence[str]], header: bool | None = None, page: int | None = None) -> list[Block]:
    """Rows of cleaned cells as blocks that carry the header's words: "Tier: AEO-S; Validity: 3 years".

    `header`: whether the first row is one; None: decided by its looks.
    """
    filled = [list(row) for row in rows if any(row)]
    if not filled:
        return []
    if header is None:
        header = _looks_like_header(filled)
    if header and len(filled) == 1:
        header = False
    names = filled[0] if header else []
    blocks = []
    for row in filled[1 if header else 0 :]:
        cells = [(names[i] if i < len(names) else "", cell) for i, cell in enumerate(row) if cell]
        text = "; ".join(f"{name.rstrip(':')}: {cell}" if name and name != cell else cell for name, cell in cells)
        blocks.append(Block("row", text, marker=next((cell for cell in row if cell), ""), page=page))
    return blocks


def _looks_like_header(rows: Sequence[Sequence[str]]) -> bool:
    first = rows[0]
    return (
        len(rows) > 1
        and len(first) > 1
        and all(cell and len(cell) <= 60 and not cell.endswith(".") for cell in first)
        and not any(re.fullmatch(r"[\d\s.,%/()-]+", cell) for cell in first)
    )
