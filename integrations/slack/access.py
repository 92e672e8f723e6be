"""Who may ask where, and how they are answered by default: read from the settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from assistant.settings import Settings
from corpus.errors import UserError
from integrations.slack.blocks import Profile
from integrations.slack.delivery import error_code

log = logging.getLogger(__name__)

GROUPS_ARE_READ_EVERY = 600.0
"""Seconds for which a list of officers is believed."""


class AccessError(UserError):
    """A setting of the Slack app cannot be read. The message names it and shows an example."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(item.strip() for item in text.split(",") if item.strip())


def channel_profiles(text: str) -> dict[str, Profile]:
    """`C0123=EU:officer,C0456=GB` as profiles by channel.

    Raises:
        AccessError: the text is not of this form.
    """
    found: dict[str, Profile] = {}
    for item in _listed(text):
        channel, equals, choice = item.partition("=")
        programme, _, audience = choice.partition(":")
        if not equals or not channel.strip() or audience.strip() not in ("", "applicant", "officer"):
            raise AccessError(
                f"AEO_SLACK_CHANNELS: cannot read '{item}'; write for example C0123ABCD=EU:officer,C0456EFGH=GB"
            )
        found[channel.strip()] = Profile(programme.strip().upper(), audience.strip())
    return found


@dataclass(frozen=True, slots=True)
class Rules:
    """Empty sets allow everybody and every place."""

    teams: frozenset[str]
    channels: frozenset[str]
    users: frozenset[str]
    officer_groups: frozenset[str]
    by_channel: dict[str, Profile]

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules in the settings.

        Raises:
            AccessError: one of them cannot be read.
        """
        return cls(
            teams=_listed(settings.slack_allowed_teams),
            channels=_listed(settings.slack_allowed_channels),
            users=_listed(settings.slack_allowed_users),
            officer_groups=_listed(settings.slack_officer_groups),
            by_channel=channel_profiles(settings.slack_channels),
        )

    def allow(self, team: str, channel: str, user: str) -> bool:
        """Whether the user may ask there; direct messages (`D…`) are no channels."""
        here = not self.channels or channel in self.channels or channel.startswith("D")
        return here and (not self.teams or team in self.teams) and (not self.users or user in self.users)

    def profile(self, channel: str, own: Profile, officer: bool) -> Profile:
        """How to answer: as the channel is set up, else as the user chose, else by who the user is."""
        here = self.by_channel.get(channel, Profile())
        return replace(
            own,
            programme=here.programme or own.programme,
            audience=here.audience or own.audience or ("officer" if officer else ""),
        )


class Officers:
    """Members of the officers' user groups, read from Slack now and then."""

    def __init__(self, groups: frozenset[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._groups = groups
        self._clock = clock
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._reading = asyncio.Lock()

    async def include(self, client: AsyncWebClient, team: str, user: str) -> bool:
        """Whether the user is an officer; no, where Slack does not say."""
        if not self._groups:
            return False
        async with self._reading:
            read, members = self._members.get(team, (-GROUPS_ARE_READ_EVERY, frozenset()))
            if self._clock() - read >= GROUPS_ARE_READ_EVERY:
                members = await self._read(client)
                self._members[team] = (self._clock(), members)
        return user in members

    async def _read(self, client: AsyncWebClient) -> frozenset[str]:
        found: set[str] = set()
        for group in self._groups:
            try:
                found.update((await client.usergroups_users_list(usergroup=group)).get("users") or [])
            except SlackApiError as error:
                log.warning("slack: user group %s cannot be read (%s)", group, error_code(error))
        return frozenset(found)
