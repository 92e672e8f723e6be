"""Conversations and feedback, kept in a database through SQLAlchemy."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, DateTime, Engine, ForeignKey, String, Text, create_engine, delete, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from assistant.answer import Answer, Turn, new_id
from corpus.errors import UserError

REMEMBERED_TURNS = 6
"""How many earlier turns a follow-up is read against."""


class DatabaseError(UserError):
    """The database cannot be used. The message names its address and the remedy."""


class Base(DeclarativeBase):
    """Tables of this product."""


class ConversationRow(Base):
    """A conversation; its turns go with it."""

    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    officer: Mapped[bool] = mapped_column(default=False)
    """Whether an answer in it may rest on restricted documents: then only officers may read or continue it."""


class TurnRow(Base):
    """One question and its answer, whole."""

    __tablename__ = "turns"
    answer_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True, nullable=False
    )
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    question: Mapped[str] = mapped_column(Text)
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)


class FeedbackRow(Base):
    """A thumb, and perhaps why. Kept when the conversation is deleted, without its text."""

    __tablename__ = "feedback"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(40), index=True)
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    helpful: Mapped[bool]
    comment: Mapped[str] = mapped_column(Text, default="")
    channel: Mapped[str] = mapped_column(String(20), default="")


class Conversations:
    """Read and write access; safe to use from several threads and processes.

    Raises:
        DatabaseError: from every method, when the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: Engine | None = None
        self._making = threading.Lock()

    @property
    def _engine(self) -> Engine:
        with self._making:
            if self._made is None:
                self._made = _open(self._url)
        return self._made

    def start(self) -> str:
        """A new conversation's id."""
        identifier = new_id("conv")
        with self._session() as session, session.begin():
            session.add(ConversationRow(id=identifier, created=datetime.now(UTC)))
        return identifier

    def exists(self, conversation_id: str, officer: bool = False) -> bool:
        """Whether there is a conversation with this id that the reader may see."""
        with self._session() as session:
            row = session.get(ConversationRow, conversation_id)
            return row is not None and (officer or not row.officer)

    def record(self, answer: Answer, officer: bool = False) -> None:
        """Append an answer to its conversation; `officer` when it was given with access to restricted documents."""
        if answer.conversation_id is None:
            return
        with self._session() as session, session.begin():
            row = session.get(ConversationRow, answer.conversation_id)
            if row is None:
                row = ConversationRow(id=answer.conversation_id, created=datetime.now(UTC), officer=officer)
                session.add(row)
                session.flush()
            row.officer = row.officer or officer
            session.add(
                TurnRow(
                    answer_id=answer.id,
                    conversation_id=answer.conversation_id,
                    created=datetime.now(UTC),
                    question=answer.question,
                    answer=answer.to_json(),
                )
            )

    def answers(self, conversation_id: str, officer: bool = False) -> list[dict[str, Any]]:
        """The conversation's answers as JSON, oldest first; none where the reader may not see it."""
        if not self.exists(conversation_id, officer):
            return []
        query = select(TurnRow.answer).where(TurnRow.conversation_id == conversation_id).order_by(TurnRow.created)
        with self._session() as session:
            return list(session.scalars(query))

    def turns(self, conversation_id: str, officer: bool = False) -> tuple[Turn, ...]:
        """The last turns, oldest first: what a follow-up refers to; none where the reader may not see them."""
        if not self.exists(conversation_id, officer):
            return ()
        query = (
            select(TurnRow.answer)
            .where(TurnRow.conversation_id == conversation_id)
            .order_by(TurnRow.created.desc())
            .limit(REMEMBERED_TURNS)
        )
        with self._session() as session:
            answers = list(session.scalars(query))
        return tuple(
            Turn(a["question"], a["answer"], a["status"], tuple(a["jurisdictions"])) for a in reversed(answers)
        )

    def delete(self, conversation_id: str) -> bool:
        """Forget a conversation and its turns; whether there was one."""
        with self._session() as session, session.begin():
            row = session.get(ConversationRow, conversation_id)
            if row is None:
                return False
            session.execute(delete(TurnRow).where(TurnRow.conversation_id == conversation_id))
            session.delete(row)
        return True

    def add_feedback(self, answer_id: str, helpful: bool, comment: str = "", channel: str = "") -> str:
        """Keep a thumb, in place of an earlier one for the same answer; the id of the record."""
        identifier = new_id("fb")
        with self._session() as session, session.begin():
            session.execute(delete(FeedbackRow).where(FeedbackRow.answer_id == answer_id))
            session.add(
                FeedbackRow(
                    id=identifier,
                    answer_id=answer_id,
                    created=datetime.now(UTC),
                    helpful=helpful,
                    comment=comment,
                    channel=channel,
                )
            )
        return identifier

    def unhelpful(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Thumbs down with their question, comment and answer, newest first: candidates for the evals."""
        query = (
            select(TurnRow.question, FeedbackRow.comment, TurnRow.answer)
            .join(FeedbackRow, FeedbackRow.answer_id == TurnRow.answer_id)
            .where(FeedbackRow.helpful.is_(False))
            .order_by(FeedbackRow.created.desc())
        )
        with self._session() as session:
            return [(question, comment, answer) for question, comment, answer in session.execute(query)]

    def recent_answers(self, limit: int = 1000) -> list[dict[str, Any]]:
        """The newest answers of all conversations: what a change of the guidance may have touched."""
        query = select(TurnRow.answer).order_by(TurnRow.created.desc()).limit(limit)
        with self._session() as session:
            return list(session.scalars(query))

    def _session(self) -> Session:
        return Session(self._engine)


def _open(url: str) -> Engine:
    shown = make_url(url).render_as_string(hide_password=True)
    try:
        if make_url(url).get_backend_name() == "sqlite" and (file := make_url(url).database) and file != ":memory:":
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, json_serializer=lambda value: json.dumps(value, ensure_ascii=False))
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_defaults)
        try:
            Base.metadata.create_all(engine)
        except OperationalError:  # another process made the tables between the look and the making
            Base.metadata.create_all(engine)
    except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        raise DatabaseError(f"database {shown} cannot be used ({error}); set AEO_DATABASE_URL") from error
    return engine


def _sqlite_defaults(connection: Any, _: Any) -> None:
    """Readers beside one writer, writers that wait, and references that hold."""
    for pragma in ("journal_mode=WAL", "busy_timeout=5000", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
