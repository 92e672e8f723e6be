"""What the Slack app keeps: handled events, questions, preferences, and installations with encrypted tokens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import DateTime, Engine, Index, String, Text, create_engine, delete, event, func, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from assistant.conversations import DatabaseError
from corpus.errors import UserError
from integrations.slack.blocks import Profile

REMEMBER_EVENTS = timedelta(hours=24)
"""Slack repeats an event for minutes; a day is ample."""
STATE_LIFE = timedelta(minutes=10)
"""How long an installation that was begun may take."""
RECENT = 5


class SlackBase(DeclarativeBase):
    """Tables of the Slack app."""


class EventRow(SlackBase):
    """An event, click or command that some process has taken on: the primary key lets only one have it."""

    __tablename__ = "slack_events"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    seen: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class QuestionRow(SlackBase):
    """A question, for the rate limits and the asker's own list."""

    __tablename__ = "slack_questions"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    team: Mapped[str] = mapped_column(String(40))
    user: Mapped[str] = mapped_column(String(40))
    asked: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    text: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("slack_questions_by_user", "team", "user", "asked"),)


class UserRow(SlackBase):
    """A user's defaults."""

    __tablename__ = "slack_users"
    team: Mapped[str] = mapped_column(String(40), primary_key=True)
    user: Mapped[str] = mapped_column(String(40), primary_key=True)
    programme: Mapped[str] = mapped_column(String(20), default="")
    audience: Mapped[str] = mapped_column(String(20), default="")
    language: Mapped[str] = mapped_column(String(10), default="en")


class InstallationRow(SlackBase):
    """A workspace that installed the app; `secret` is encrypted."""

    __tablename__ = "slack_installations"
    enterprise: Mapped[str] = mapped_column(String(40), primary_key=True)
    team: Mapped[str] = mapped_column(String(40), primary_key=True)
    installed: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    secret: Mapped[str] = mapped_column(Text)


class StateRow(SlackBase):
    """An installation that was begun."""

    __tablename__ = "slack_states"
    state: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires: Mapped[datetime] = mapped_column(DateTime(timezone=True))


Admission = Literal["admitted", "user", "team"]


class SlackStore:
    """Blocking access; safe to use from several threads and processes.

    Raises:
        DatabaseError: when the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        shown = make_url(url).render_as_string(hide_password=True)
        try:
            self._engine = _open(url)
        except (SQLAlchemyError, OSError, ModuleNotFoundError) as error:
            raise DatabaseError(f"database {shown} cannot be used ({error}); set AEO_DATABASE_URL") from error

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def claim(self, *keys: str) -> bool:
        """Take something on, under all its names; False when it was taken under any of them before, by any process."""
        now = datetime.now(UTC)
        with Session(self._engine) as session:
            try:
                session.add_all([EventRow(key=key[:255], seen=now) for key in dict.fromkeys(keys)])
                session.commit()
            except IntegrityError:
                return False
        return True

    def admit(self, team: str, user: str, text: str, per_user: int, per_team: int) -> Admission:
        """Note a question, unless the user or the workspace asked too many in the last minute."""
        now = datetime.now(UTC)
        since = now - timedelta(minutes=1)
        with Session(self._engine) as session:
            count = select(func.count()).where(QuestionRow.team == team, QuestionRow.asked > since)
            if (session.scalar(count.where(QuestionRow.user == user)) or 0) >= per_user:
                return "user"
            if (session.scalar(count) or 0) >= per_team:
                return "team"
            session.add(QuestionRow(team=team, user=user, asked=now, text=text[:1000]))
            session.commit()
        return "admitted"

    def recent(self, team: str, user: str) -> list[str]:
        """The user's last different questions, newest first."""
        query = (
            select(QuestionRow.text)
            .where(QuestionRow.team == team, QuestionRow.user == user)
            .order_by(QuestionRow.asked.desc(), QuestionRow.id.desc())
            .limit(4 * RECENT)
        )
        with Session(self._engine) as session:
            return list(dict.fromkeys(session.scalars(query)))[:RECENT]

    def greet(self, team: str, user: str) -> bool:
        """Whether the user is met for the first time; from now on, no more."""
        with Session(self._engine) as session:
            try:
                session.add(UserRow(team=team, user=user))
                session.commit()
            except IntegrityError:
                return False
        return True

    def forget(self, team: str, user: str) -> None:
        """Delete the user's questions from the list."""
        with Session(self._engine) as session:
            session.execute(delete(QuestionRow).where(QuestionRow.team == team, QuestionRow.user == user))
            session.commit()

    def profile(self, team: str, user: str) -> Profile:
        """The user's defaults."""
        with Session(self._engine) as session:
            row = session.get(UserRow, (team, user))
            return Profile(row.programme, row.audience, row.language) if row else Profile()

    def save_default(
        self, team: str, user: str, field: Literal["programme", "audience", "language"], value: str
    ) -> None:
        """Keep one of the user's defaults; the others stay as they are, whoever changes them at the same time."""
        change = update(UserRow).where(UserRow.team == team, UserRow.user == user).values({field: value})
        self.greet(team, user)  # there is a row, from now on
        with Session(self._engine) as session:
            session.execute(change)
            session.commit()

    def prune(self) -> None:
        """Drop events, states and questions that nobody needs any more."""
        now = datetime.now(UTC)
        with Session(self._engine) as session:
            session.execute(delete(EventRow).where(EventRow.seen < now - REMEMBER_EVENTS))
            session.execute(delete(StateRow).where(StateRow.expires < now))
            session.execute(delete(QuestionRow).where(QuestionRow.asked < now - timedelta(days=90)))
            session.commit()

    def new_state(self) -> str:
        """A secret that the browser brings back at the end of an installation."""
        state = secrets.token_urlsafe(32)
        with Session(self._engine) as session:
            session.add(StateRow(state=state, expires=datetime.now(UTC) + STATE_LIFE))
            session.commit()
        return state

    def use_state(self, state: str) -> bool:
        """Whether the secret is ours and still good; it is good once."""
        with Session(self._engine) as session:
            row = session.get(StateRow, state)
            if row is None:
                return False
            good = _aware(row.expires) > datetime.now(UTC)
            used = session.execute(delete(StateRow).where(StateRow.state == state))
            session.commit()
            return good and bool(getattr(used, "rowcount", 0))

    def save_installation(self, enterprise: str, team: str, fields: dict[str, Any], vault: Vault) -> None:
        """Keep an installation, encrypted; it takes the place of an earlier one."""
        with Session(self._engine) as session:
            session.merge(
                InstallationRow(
                    enterprise=enterprise, team=team, installed=datetime.now(UTC), secret=vault.lock(json.dumps(fields))
                )
            )
            session.commit()

    def installation(self, enterprise: str, team: str, vault: Vault) -> dict[str, Any] | None:
        """An installation's fields.

        Raises:
            VaultError: it was encrypted with another key.
        """
        with Session(self._engine) as session:
            row = session.get(InstallationRow, (enterprise, team))
            if row is None:
                return None
            fields: dict[str, Any] = json.loads(vault.unlock(row.secret))
            return fields

    def teams(self) -> list[str]:
        """Workspaces that installed the app."""
        with Session(self._engine) as session:
            return list(session.scalars(select(InstallationRow.team).order_by(InstallationRow.team)))

    def delete_installation(self, enterprise: str, team: str) -> None:
        """Forget an installation and all that was kept of the workspace's users."""
        with Session(self._engine) as session:
            session.execute(
                delete(InstallationRow).where(InstallationRow.enterprise == enterprise, InstallationRow.team == team)
            )
            session.execute(delete(QuestionRow).where(QuestionRow.team == team))
            session.execute(delete(UserRow).where(UserRow.team == team))
            session.commit()


class VaultError(UserError):
    """Tokens cannot be encrypted or read. The message says why, and what to do."""


class Vault:
    """Encrypts with the first key, reads with any: so a key can be replaced.

    Raises:
        VaultError: there is no key, or one is not a Fernet key.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        found = [key.strip() for key in keys if key.strip()]
        if not found:
            raise VaultError(
                "AEO_SLACK_ENCRYPTION_KEY is not set; make one with "
                "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            )
        try:
            self._fernet = MultiFernet([Fernet(key) for key in found])
        except ValueError as error:
            raise VaultError("AEO_SLACK_ENCRYPTION_KEY is not a Fernet key: 32 bytes in URL-safe base64") from error

    def lock(self, text: str) -> str:
        """The text, encrypted."""
        return self._fernet.encrypt(text.encode()).decode()

    def unlock(self, secret: str) -> str:
        """The text that was encrypted."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(secret.encode()).decode()
        except InvalidToken as error:
            raise VaultError(
                "a Slack token was encrypted with another key; put the old key after the new one, separated by a "
                "comma, in AEO_SLACK_ENCRYPTION_KEY, or install the app again"
            ) from error


def _open(url: str) -> Engine:
    location = make_url(url)
    if location.get_backend_name() == "sqlite" and location.database and location.database != ":memory:":
        Path(location.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_defaults)
    try:
        SlackBase.metadata.create_all(engine)
    except OperationalError:  # another process made the tables at the same moment
        SlackBase.metadata.create_all(engine)
    return engine


def _sqlite_defaults(connection: Any, _: Any) -> None:
    """Readers beside one writer, and writers that wait for each other."""
    for pragma in ("journal_mode=WAL", "busy_timeout=5000", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _aware(moment: datetime) -> datetime:
    """SQLite gives times back without their zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
