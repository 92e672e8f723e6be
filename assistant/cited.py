"""Citations: what a marker stands for; and outside the question pipeline, supports found by a quote and their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from assistant.answer import Citation
from assistant.context import Statement, Support
from assistant.verify import violations
from indexing.passages import Passage
from indexing.search import Index
from indexing.sentences import sentence_spans


class Citations:
    """Gives each support its marker and keeps what the markers stand for."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._numbers: dict[tuple[str, int, int], int] = {}
        self._citations: list[Citation] = []

    def cite(self, statement: Statement, code: str) -> str:
        """The statement with its markers; where it breaks one of the five rules, the cited words themselves."""
        if violations(statement, code):
            statement = Statement(" ".join(s.quote for s in statement.support), statement.support)
        return f"{statement.text} {''.join(f'[{self._mark(support)}]' for support in statement.support)}"

    def take(self, citation: Citation) -> int:
        """Number a citation that an answer brought along."""
        key = (citation.passage_id, citation.start, citation.end)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers) + 1
            self._citations.append(replace(citation, marker=self._numbers[key]))
        return self._numbers[key]

    def _mark(self, support: Support) -> int:
        return self.take(citation_of(support, 0, self._index))

    @property
    def all(self) -> tuple[Citation, ...]:
        """Every citation so far, by marker."""
        return tuple(self._citations)


def citation_of(support: Support, marker: int, index: Index) -> Citation:
    """What `marker` stands for: the quoted words, with their passage's reference, source and date."""
    passage = support.passage
    document = index.store.document(passage.document_id)
    assert document is not None  # a version holds the document of every passage
    return Citation(
        marker=marker,
        passage_id=passage.id,
        document=document.title,
        publisher=document.publisher,
        jurisdiction=passage.jurisdiction,
        reference=passage.reference,
        kind=passage.kind,
        quote=support.quote,
        start=support.start,
        end=support.end,
        url=passage.url,
        as_of=passage.as_of,
        undated=passage.undated,
        source_type=passage.source_type,
        language=passage.language,
    )


def passage_with(index: Index, document_id: str, quote: str) -> Passage | None:
    """The public, verified passage of a document that holds a quote; None where the index has none."""
    for passage in index.store.passages_of(document_id):
        if quote in " ".join(passage.text.split()) and passage.access == "public" and passage.status == "verified":
            return passage
    return None


def sentences_around(passage: Passage, quote: str) -> Support:
    """The whole sentences of a passage that hold a quote; all of it where the quote runs over sub-items."""
    at = passage.text.find(quote)
    if at < 0:
        return Support(passage, 0, len(passage.text))
    touched = [(a, b) for a, b in sentence_spans(passage.text) if a < at + len(quote) and b > at]
    return Support(passage, touched[0][0], touched[-1][1])


def first_sentences(passage: Passage, words: int) -> Support:
    """Sentences from the start of a passage, as many as fit in `words`, at least one."""
    end, used = 0, 0
    for a, b in sentence_spans(passage.text):
        used += len(passage.text[a:b].split())
        if end and used > words:
            break
        end = b
    return Support(passage, 0, end or len(passage.text))


def joined(parts: Iterable[str]) -> str:
    """Markdown paragraphs."""
    return "\n\n".join(part for part in parts if part)
