"""The one door that adapters use: questions, search, look-ups, conversations."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from assistant.answer import Answer, Event, Question
from assistant.conversations import Conversations, DatabaseError
from assistant.pipeline import answer_question
from assistant.recognition import Recognition, mra
from assistant.settings import Settings
from corpus.glossary import widened
from corpus.programmes import Programme, programmes
from indexing.passages import Document, Passage
from indexing.search import Filter, Hit, Index
from indexing.versions import current_version

MOST_TRACES = 500
"""Answers whose trace is kept in memory."""


def _warm(settings: Settings) -> None:
    from assistant.llm.steps import warm

    warm(settings)


_log = logging.getLogger(__name__)


class Assistant:
    """Answers from the current version of the index; safe to use from several threads.

    Raises:
        IndexMissing, IndexUnusable: from every method that needs the index, while there is none that can be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.conversations = Conversations(settings.database_url)
        self._index: Index | None = None
        self._opening = threading.Lock()
        self._traces: dict[str, tuple[dict[str, Any], ...]] = {}
        if settings.llm is not None:
            threading.Thread(target=_warm, args=(settings,), daemon=True).start()

    @property
    def index(self) -> Index:
        """The current version, opened; a newly published version is taken up with the next question."""
        folder = current_version(self.settings.index)
        opened = self._index
        if opened is None or opened.folder != folder:
            with self._opening:
                if self._index is None or self._index.folder != folder:
                    self._index = Index.open(self.settings.index, self.settings.embedding_model)
                opened = self._index
        return opened

    def stream(self, question: Question) -> Generator[Event]:
        """Answer step by step; the last event holds the whole answer.

        With a conversation id, earlier turns are read first and the answer is appended.

        Raises:
            QuestionError: the question is empty, too long, or no text.
        """
        if question.conversation_id and not question.history:
            history = self.conversations.turns(question.conversation_id, question.officer_access)
            question = replace(question, history=history)
        with closing(answer_question(question, self.index, self.settings)) as events:
            for event in events:
                if event.answer is not None:
                    self._record(event.answer, question.officer_access)
                    self._keep_trace(event)
                yield event

    def _record(self, answer: Answer, officer: bool) -> None:
        """Keep the answer; a database that fails now must not cost the asker an answer that is written."""
        try:
            self.conversations.record(answer, officer)
        except (DatabaseError, SQLAlchemyError) as error:
            _log.warning("answer %s was not kept: %s", answer.id, error)

    def trace(self, answer_id: str) -> tuple[dict[str, Any], ...]:
        """What a language model decided for a recent answer, and what was dropped and why; () where there is none."""
        return self._traces.get(answer_id, ())

    def _keep_trace(self, event: Event) -> None:
        if event.answer is not None and event.trace:
            with self._opening:
                self._traces[event.answer.id] = event.trace
                while len(self._traces) > MOST_TRACES:
                    del self._traces[next(iter(self._traces))]

    def ask(self, question: Question) -> Answer:
        """The whole answer; see `stream`."""
        *_, last = self.stream(question)
        assert last.answer is not None
        return last.answer

    def search(self, query: str, k: int = 10, jurisdictions: tuple[str, ...] = (), officer: bool = False) -> list[Hit]:
        """Passages that fit the query, best first; what it says in other languages is looked for in English too."""
        among = Filter(frozenset(jurisdictions) or None, officer=officer)
        return self.index.search(widened(query), k, among)

    def passage(self, passage_id: str, officer: bool = False) -> Passage | None:
        """A passage that the reader may see."""
        found = self.index.store.get(passage_id)
        return found if found and (officer or found.access == "public") else None

    def document(self, document_id: str, officer: bool = False) -> tuple[Document, list[Passage]] | None:
        """A document that the reader may see, with its passages."""
        found = self.index.store.document(document_id)
        if found is None or (found.access == "officer" and not officer):
            return None
        members = self.index.store.passages_of(document_id)
        return found, [passage for passage in members if officer or passage.access == "public"]

    def mra(self, code: str, partner: str | None = None) -> Recognition:
        """Arrangements of a programme, or those between two.

        Raises:
            RecognitionError: a code is unknown, or both are the same.
        """
        return mra(code, partner, self.index)

    def programmes(self) -> list[Programme]:
        """Programmes that the guidance holds, by name of code."""
        held = self.index.jurisdictions
        return [programme for code, programme in sorted(programmes().items()) if code in held]
