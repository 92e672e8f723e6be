"""Which workspace a request belongs to: the one of the token, or those that installed the app."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from integrations.slack.store import SlackStore, Vault

BELIEVED = 60.0
"""Seconds for which an authorization is remembered: requests are acknowledged without asking the database."""


class Installations(AsyncInstallationStore):
    """Installations in the database; bot tokens only, encrypted."""

    def __init__(self, store: SlackStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    @property
    def logger(self) -> logging.Logger:
        """Where Bolt's parts log to."""
        return logging.getLogger(__name__)

    async def async_save(self, installation: Installation) -> None:
        """Keep the bot of a new installation."""
        await self.async_save_bot(installation.to_bot())

    async def async_save_bot(self, bot: Bot) -> None:
        """Keep a bot."""
        fields = {
            "app_id": bot.app_id,
            "enterprise_id": bot.enterprise_id,
            "team_id": bot.team_id,
            "team_name": bot.team_name,
            "bot_token": bot.bot_token,
            "bot_id": bot.bot_id,
            "bot_user_id": bot.bot_user_id,
            "bot_scopes": list(bot.bot_scopes),
            "is_enterprise_install": bot.is_enterprise_install,
            "installed_at": bot.installed_at,
        }
        await asyncio.to_thread(
            self._store.save_installation, bot.enterprise_id or "", bot.team_id or "", fields, self._vault
        )

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The bot of a workspace, or of its organisation."""
        team = "" if is_enterprise_install else team_id or ""
        for enterprise in dict.fromkeys((enterprise_id or "", "")):
            fields = await asyncio.to_thread(self._store.installation, enterprise, team, self._vault)
            if fields is not None:
                return Bot(**fields)
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Forget a workspace."""
        await asyncio.to_thread(self._store.delete_installation, enterprise_id or "", team_id or "")

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        """A user's token was revoked: none is kept."""

    async def async_delete_all(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Forget a workspace that removed the app."""
        await self.async_delete_bot(enterprise_id=enterprise_id, team_id=team_id)


class States(AsyncOAuthStateStore):
    """Installations that were begun, in the database, so that any process can end them."""

    def __init__(self, store: SlackStore) -> None:
        self._store = store

    @property
    def logger(self) -> logging.Logger:
        """Where Bolt's parts log to."""
        return logging.getLogger(__name__)

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        """A new state."""
        return await asyncio.to_thread(self._store.new_state)

    async def async_consume(self, state: str) -> bool:
        """Whether the state is good; it is good once."""
        return await asyncio.to_thread(self._store.use_state, state)


class Authorize(AsyncAuthorize):
    """Bolt's question whose request this is, answered from memory most of the time.

    Bolt's own answer asks Slack on every request, before the request is acknowledged.
    """

    def __init__(self, find: Callable[[str | None, str | None], Awaitable[AuthorizeResult | None]]) -> None:
        self._find = find
        self._known: dict[tuple[str | None, str | None], tuple[float, AuthorizeResult]] = {}
        self._finding = asyncio.Lock()

    @classmethod
    def of_token(cls, client: AsyncWebClient, token: str) -> Authorize:
        """One workspace: who the bot is, Slack is asked once."""
        result: list[AuthorizeResult] = []

        async def find(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
            if not result:
                result.append(
                    AuthorizeResult.from_auth_test_response(
                        auth_test_response=await client.auth_test(token=token),
                        bot_token=token,
                    )
                )
            return result[0]

        return cls(find)

    @classmethod
    def of_installations(cls, installations: Installations) -> Authorize:
        """Several workspaces: those that installed the app."""

        async def find(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult | None:
            bot = await installations.async_find_bot(enterprise_id=enterprise_id, team_id=team_id)
            if bot is None and enterprise_id:
                bot = await installations.async_find_bot(
                    enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=True
                )
            if bot is None:
                return None
            return AuthorizeResult(
                enterprise_id=bot.enterprise_id,
                team_id=bot.team_id,
                bot_id=bot.bot_id,
                bot_user_id=bot.bot_user_id,
                bot_token=bot.bot_token,
                bot_scopes=bot.bot_scopes,
            )

        return cls(find)

    async def __call__(self, *, enterprise_id: str | None, team_id: str | None, **_: Any) -> AuthorizeResult | None:
        """Whose request this is; None for a workspace that did not install the app."""
        key = (enterprise_id, team_id)
        known = self._known.get(key)
        if known is None or known[0] < time.monotonic():
            async with self._finding:
                known = self._known.get(key)
                if known is None or known[0] < time.monotonic():
                    found = await self._find(enterprise_id, team_id)
                    if found is None:
                        self._known.pop(key, None)
                        return None
                    known = (time.monotonic() + BELIEVED, found)
                    self._known[key] = known
        return known[1]
