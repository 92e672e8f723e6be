"""Exact references in a question ("Art. 39(c) UCC", "section 114A(2)(b)", "Circular 33/2016 para 3.2.1", "第十二条") and the
provisions that carry them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import lru_cache

from indexing.passages import Passage
from indexing.search import Index

# One spelling for what sources and people write in several ways.
_SPELLINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\bu\.?\s?s\.?\s?c\b\.?", " usc "),
        (r"\b(articles?|arts?|artículo|article|artikel|artigo|articolo|madde|pasal)\b\.?|المادة", " art "),
        (r"\b(sections?|secs?|s|ss|§§?)\b\.?|§", " s "),
        (r"\b(paragraphs?|paras?|par|absatz|abs|al|alinéa)\b\.?", " para "),
        (r"\b(regulations?|regs?)\b\.?", " reg "),
        (r"\b(number|no|nr|num|n)\b\.?|№|n°|nº", " "),
        (r"\b(union customs code|uzk|cdu)\b", " ucc "),
        (r"\b(delegated act|delegated regulation|delegated reg|ucc da|da)\b", " da "),
        (r"\b(implementing act|implementing regulation|implementing reg|ucc ia|ia)\b", " ia "),
        (r"\b(decree|order|announcement|circular|notice|the|of|under|ucc(?= (da|ia)))\b", " "),
    )
)
# A pinpoint worth following: an article, section or the like with its number, a form or circular number, 第…条.
_PINPOINT = re.compile(
    r"\b(?:art|s|para|rule|reg|annex|standard|criterion|usc|q|item|caa)(?:\s?(?=\d)|\s(?=[ivx]+\b))[\divx]+[\w.]*(?:\([\w]{1,4}\))*"
    r"|\b\d+/\d{4}\b|\bcaa\d+\b|第[一二三四五六七八九十百\d]+[条條]"
)


def spelled(text: str) -> str:
    """A reference in one spelling.

    >>> spelled("UCC Art. 39(c)"), spelled("Article 39 (c) of the Union Customs Code")
    ('ucc art 39(c)', 'art 39(c) ucc')
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    for pattern, replacement in _SPELLINGS:
        plain = pattern.sub(replacement, plain)
    plain = re.sub(r"\busc\s+s\b", "usc", plain)
    plain = re.sub(r"(?<=[\w)])\s+(?=\(\w{1,4}\))", "", plain)
    return " ".join(re.sub(r"[^\w()./§]+", " ", plain).split())


def pinpoints(text: str) -> list[str]:
    """Pinpoints of a text in one spelling, each once.

    >>> pinpoints("What does Art. 39(c) UCC say?")
    ['art 39(c)']
    """
    return list(dict.fromkeys(re.sub(r"\s+", " ", found).rstrip(".") for found in _PINPOINT.findall(spelled(text))))


@lru_cache(maxsize=2)
def _by_pinpoint(index: Index) -> dict[str, tuple[tuple[str, int], ...]]:
    """Pinpoint → (whole reference in one spelling, row) of every passage that carries it, or a part of it."""
    entries: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for row, reference in index.references():
        whole = spelled(reference)
        for pinpoint in pinpoints(reference):
            part = pinpoint
            entries[part].append((whole, row))
            while "(" in part:  # Art. 39(c) also answers to Art. 39
                part = part[: part.rindex("(")]
                entries[part].append((whole, row))
    return {key: tuple(dict.fromkeys(found)) for key, found in entries.items()}


@lru_cache(maxsize=64)
def referred(index: Index, question: str) -> tuple[Passage, ...]:
    """Passages whose pinpoint the question names. Where it names the instrument too, only that instrument's."""
    asked = pinpoints(question)
    if not asked:
        return ()
    held = _by_pinpoint(index)
    words = set(spelled(question).split())
    found: list[int] = []
    for pinpoint in asked:
        entries = held.get(pinpoint) or held.get(_shortened(pinpoint), ())
        if not entries:
            continue
        fits = [len(words & (set(whole.split()) - set(pinpoint.split()))) for whole, _ in entries]
        best = max(fits)
        found += [row for (_, row), fit in zip(entries, fits, strict=True) if fit == best]
    return tuple(index.store.at(row) for row in dict.fromkeys(found[:40]))


def _shortened(pinpoint: str) -> str:
    """Art. 39(c)(ii) where only Art. 39(c) is held."""
    return pinpoint[: pinpoint.rindex("(")] if "(" in pinpoint else pinpoint
