"""The five rules of every answer, checked again from outside: from the answer's JSON and the index alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from corpus.programmes import EU_MEMBERS, english_names, programmes
from evals.matching import Sentence, answer_sentences, numbers, plain
from indexing.passages import Passage
from indexing.store import PassageStore

_SAME_FIELDS = ("jurisdiction", "reference", "kind", "url", "as_of", "language")


def cited_passages(answer: dict[str, Any], store: PassageStore) -> dict[int, Passage]:
    """The passage of each marker, as far as the index holds it."""
    found = {citation["marker"]: store.get(citation["passage_id"]) for citation in answer["citations"]}
    return {marker: passage for marker, passage in found.items() if passage is not None}


def violations(answer: dict[str, Any], store: PassageStore, officer: bool = False) -> list[str]:
    """One line for each breach, which begins with "rule 1" to "rule 5"."""
    passages = cited_passages(answer, store)
    broken = [line for citation in answer["citations"] for line in _of_citation(citation, passages, officer)]
    if answer["status"] != "answered":
        return broken
    sentences = answer_sentences(answer["answer"])
    markers = {citation["marker"] for citation in answer["citations"]}
    used = {marker for sentence in sentences for marker in sentence.markers}
    broken += [f"rule 2: marker [{marker}] has no citation" for marker in sorted(used - markers)]
    broken += [f"rule 2: citation {marker} is never used" for marker in sorted(markers - used)]
    for sentence in sentences:
        broken += _of_sentence(sentence, passages, tuple(answer["jurisdictions"]))
    return broken


def _of_citation(citation: dict[str, Any], passages: dict[int, Passage], officer: bool) -> list[str]:
    marker = citation["marker"]
    passage = passages.get(marker)
    if passage is None:
        return [f"rule 1: citation {marker}: the index holds no passage {citation['passage_id']}"]
    broken = []
    if not citation["quote"] or passage.text[citation["start"] : citation["end"]] != citation["quote"]:
        broken.append(f"rule 1: citation {marker}: the quote is not the passage's text at its span")
    broken += [
        f"rule 1: citation {marker}: its {field} is not the passage's"
        for field in _SAME_FIELDS
        if citation[field] != getattr(passage, field)
    ]
    if passage.access == "officer" and not officer:
        broken.append(f"rule 5: citation {marker} shows a passage restricted to officers")
    return broken


def _of_sentence(sentence: Sentence, passages: dict[int, Passage], answered: tuple[str, ...]) -> list[str]:
    shown = f'"{sentence.text[:80]}"'
    if not sentence.markers:
        leads_in = sentence.text.endswith(":") and not numbers(sentence.text)
        return [] if leads_in else [f"rule 2: no marker after {shown}"]
    cited = [passages[marker] for marker in sentence.markers if marker in passages]
    broken = []
    missing = numbers(sentence.text) - frozenset[str]().union(*(numbers(passage.text) for passage in cited))
    if missing:
        broken.append(f"rule 3: {', '.join(sorted(missing))} not in the passages cited after {shown}")
    foreign = sorted({p.jurisdiction for p in cited} - _allowed(sentence.heading, answered))
    if foreign:
        broken.append(f"rule 4: rests on {', '.join(foreign)}: {shown}")
    unnamed = sorted(territories(sentence.text) - {code for p in cited for code in _stands_for(p)})
    if unnamed and cited:
        broken.append(f"rule 4: speaks of {', '.join(unnamed)}, its passages do not: {shown}")
    return broken


def _allowed(heading: str | None, answered: tuple[str, ...]) -> set[str]:
    """Programmes on whose passages a sentence may rest."""
    under = {code for code, programme in programmes().items() if programme.name == heading}
    return under or set(answered)


def _stands_for(passage: Passage) -> set[str]:
    return {passage.jurisdiction} | territories(passage.text) | territories(" ".join(passage.heading_path))


@lru_cache(maxsize=1)
def _names() -> tuple[re.Pattern[str], dict[str, str]]:
    """English names of territories that have a programme of their own, the longest first."""
    codes = {plain(name): code for code, name in english_names().items() if len(code) == 2 and code not in EU_MEMBERS}
    alternatives = "|".join(re.escape(name) for name in sorted(codes, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)"), codes


@lru_cache(maxsize=8192)
def territories(text: str) -> frozenset[str]:
    """Codes of the territories that a text names in English; of the EU's, only those outside it."""
    pattern, codes = _names()
    return frozenset(codes[match.group()] for match in pattern.finditer(plain(text)))
