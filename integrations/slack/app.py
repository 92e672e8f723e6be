"""The Slack app over both transports: Socket Mode (`aeo slack`) and HTTP (inside `aeo serve`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from fastapi import APIRouter, FastAPI, Request, Response
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from assistant.conversations import DatabaseError
from assistant.service import Assistant
from assistant.settings import Settings
from corpus.errors import UserError
from indexing.versions import IndexMissing, IndexUnusable
from integrations.slack.access import AccessError, Rules
from integrations.slack.delivery import error_code, web_client
from integrations.slack.handlers import Handlers
from integrations.slack.installing import Authorize, Installations, States
from integrations.slack.store import SlackStore, Vault, VaultError

log = logging.getLogger(__name__)

GRACE = 30.0
"""Seconds that a shutdown waits for answers under way."""
PRUNE_EVERY = 3600.0
LARGEST_BODY = 1_000_000
"""Bytes; Slack's requests are far smaller."""
REPLAY_WINDOW = 300.0
"""Seconds for which Bolt takes a signature: what was seen in this time is not taken again."""


class SlackConfigurationError(UserError):
    """The Slack app cannot start. The message names the setting and the remedy."""


@dataclass(slots=True)
class SlackApp:
    """A running app."""

    bolt: AsyncApp
    handlers: Handlers
    store: SlackStore


def manifest() -> dict[str, Any]:
    """The manifest that an administrator pastes."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("manifest.json").read_text(encoding="utf-8"))
    return found


def required_scopes() -> list[str]:
    """Bot scopes that the app cannot do without."""
    scopes: list[str] = manifest()["oauth_config"]["scopes"]["bot"]
    return scopes


def optional_scopes() -> list[str]:
    """Bot scopes that only some settings need."""
    scopes: list[str] = manifest()["oauth_config"]["scopes"]["bot_optional"]
    return scopes


def build(settings: Settings, assistant: Assistant) -> SlackApp:
    """The app, not yet running.

    Raises:
        SlackConfigurationError, AccessError, VaultError, DatabaseError: a setting is missing or cannot be used.
    """
    Rules.of(settings)  # before anything is opened: a setting that cannot be read is reported
    token = settings.slack_bot_token.get_secret_value() if settings.slack_bot_token else ""
    several = bool(settings.slack_client_id and settings.slack_client_secret)
    if not token and not several:
        raise SlackConfigurationError(
            "SLACK_BOT_TOKEN is not set; copy the bot token (xoxb-…) from the Slack app's page 'OAuth & Permissions', "
            "or set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET to let several workspaces install the app"
        )
    secret = settings.slack_signing_secret.get_secret_value() if settings.slack_signing_secret else ""
    client = web_client(settings.slack_api_url)
    oauth: Any = None
    if several:
        from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings

        key = settings.slack_encryption_key.get_secret_value() if settings.slack_encryption_key else ""
        vault = Vault(key.split(","))
        store = SlackStore(settings.database_url)
        installations = Installations(store, vault)
        authorize = Authorize.of_installations(installations)
        assert settings.slack_client_id and settings.slack_client_secret
        oauth = AsyncOAuthSettings(
            client_id=settings.slack_client_id,
            client_secret=settings.slack_client_secret.get_secret_value(),
            scopes=[*required_scopes(), *(optional_scopes() if settings.slack_officer_groups else [])],
            installation_store=installations,
            installation_store_bot_only=True,
            state_store=States(store),
        )
    else:
        store = SlackStore(settings.database_url)
        authorize = Authorize.of_token(client, token)
    logger = logging.getLogger("slack_bolt")
    logger.setLevel(logging.ERROR)  # its warnings are about variables that are set and requests that need no answer
    app = AsyncApp(
        name="aeo",
        logger=logger,
        client=client,
        signing_secret=secret,
        authorize=authorize,  # type: ignore[arg-type]  # Bolt takes an AsyncAuthorize too, as its comments say
        oauth_settings=oauth,
        request_verification_enabled=True,
    )
    if several:
        app.enable_token_revocation_listeners()
    handlers = Handlers(assistant, store, settings)
    handlers.register(app)
    return SlackApp(app, handlers, store)


@contextlib.asynccontextmanager
async def running(slack: SlackApp) -> AsyncIterator[None]:
    """Workers, one pool of connections, and housekeeping; at the end, what was begun is finished."""
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
    slack.bolt.client.session = session
    slack.handlers.workers.start()
    housekeeping = asyncio.create_task(_prune(slack.store))
    try:
        yield
    finally:
        housekeeping.cancel()
        await slack.handlers.workers.close(GRACE)
        slack.handlers.close()
        await session.close()
        slack.store.close()


async def _prune(store: SlackStore) -> None:
    while True:
        try:
            await asyncio.to_thread(store.prune)
        except Exception:
            log.exception("slack: housekeeping failed")
        await asyncio.sleep(PRUNE_EVERY)


async def run_socket_mode(
    settings: Settings, assistant: Assistant | None = None, stop: asyncio.Event | None = None, ping_interval: float = 5
) -> None:
    """Serve Slack over Socket Mode until SIGTERM, SIGINT or `stop`.

    Raises:
        SlackConfigurationError, AccessError, VaultError, DatabaseError: a setting is missing or cannot be used.
        IndexMissing, IndexUnusable: there is no index to answer from.
    """
    if settings.slack_app_token is None:
        raise SlackConfigurationError(
            "SLACK_APP_TOKEN is not set; make an app-level token (xapp-…) with the scope connections:write on the "
            "Slack app's page 'Basic Information'"
        )
    slack = build(settings, assistant or Assistant(settings))
    await asyncio.to_thread(slack.handlers.warm_up)
    ending = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
    async with running(slack):
        address = await _first_address(slack, settings)
        socket = SocketModeClient(
            settings.slack_app_token.get_secret_value(), web_client=slack.bolt.client, ping_interval=ping_interval
        )
        socket.logger.setLevel(logging.CRITICAL)  # it logs every lost connection with a traceback, then reconnects

        async def receive(client: Any, request: SocketModeRequest) -> None:
            response = await run_async_bolt_app(slack.bolt, request)
            await send_async_response(client, request, response, time.time())

        socket.socket_mode_request_listeners.append(receive)
        socket.wss_uri = address
        try:
            await socket.connect()  # type: ignore[no-untyped-call]
            log.info("slack: connected")
            await ending.wait()
        finally:
            await socket.close()  # type: ignore[no-untyped-call]


async def _first_address(slack: SlackApp, settings: Settings) -> str:
    """Where to connect; asked for here, because Bolt's client would try a wrong token for ever."""
    assert settings.slack_app_token is not None
    at = "SLACK_APP_TOKEN"
    try:
        opened = await slack.bolt.client.apps_connections_open(app_token=settings.slack_app_token.get_secret_value())
        if settings.slack_bot_token and not settings.slack_client_id:
            at = "SLACK_BOT_TOKEN"
            await slack.bolt.client.auth_test(token=settings.slack_bot_token.get_secret_value())
    except SlackApiError as error:
        raise SlackConfigurationError(
            f"Slack refused {at} ({error_code(error)}); copy it again from the app's page"
        ) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SlackConfigurationError(_unreachable(settings, error)) from error
    return str(opened["url"])


def mount_http(app: FastAPI, assistant: Assistant, settings: Settings) -> bool:
    """Serve Slack at `/slack/events`, and installations at `/slack/install`; False where Slack is not set up.

    Raises:
        SlackConfigurationError, AccessError, VaultError, DatabaseError: it is set up, but not rightly.
    """
    configured = settings.slack_signing_secret and (settings.slack_bot_token or settings.slack_client_id)
    if not configured:
        return False
    slack = build(settings, assistant)
    handler = AsyncSlackRequestHandler(slack.bolt)
    seen = Signatures()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running(slack):
            try:
                await asyncio.to_thread(slack.handlers.warm_up)
            except (IndexMissing, IndexUnusable) as error:
                log.warning("slack: %s", error)
            yield

    router = APIRouter(lifespan=lifespan, include_in_schema=False)

    @router.post("/slack/events")
    async def events(request: Request) -> Response:
        if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
            return Response("too large", status_code=413)
        signature = request.headers.get("x-slack-signature", "")
        if signature in seen and "x-slack-retry-num" not in request.headers:
            return Response("this request was made before", status_code=401)
        try:
            response = await handler.handle(request)
        except ValueError:  # neither UTF-8 nor JSON: Bolt reads a body before it verifies it
            return Response("not a request of Slack's", status_code=400)
        if response.status_code != 401:
            seen.add(signature)
        return response

    if slack.bolt.oauth_flow is not None:

        @router.get("/slack/install")
        @router.get("/slack/oauth_redirect")
        async def install(request: Request) -> Response:
            return await handler.handle(request)

    app.include_router(router)
    return True


class Signatures:
    """Signatures of requests that were taken, for as long as they would be taken again.

    Slack's own repetitions carry a header that says so, and are told apart by their event in the store.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, signature: str) -> bool:
        return self._seen.get(signature, 0.0) > time.monotonic()

    def add(self, signature: str) -> None:
        """Remember a signature, and forget old ones."""
        now = time.monotonic()
        while self._seen and next(iter(self._seen.values())) <= now:
            self._seen.popitem(last=False)
        self._seen[signature] = now + 2 * REPLAY_WINDOW


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check."""

    good: bool
    line: str


async def check(settings: Settings) -> list[str]:
    """What is wrong with the Slack settings, for `aeo doctor`: a line each, with cause and remedy."""
    return [finding.line for finding in await findings(settings) if not finding.good]


async def findings(settings: Settings) -> list[Finding]:
    """All that can be said about tokens, scopes and rules."""
    if not (settings.slack_bot_token or settings.slack_client_id or settings.slack_app_token):
        return [Finding(True, "Slack is not set up; docs/slack.md says how")]
    found: list[Finding] = []
    try:
        Rules.of(settings)
    except AccessError as error:
        found.append(Finding(False, str(error)))
    if settings.slack_client_id:
        found += await asyncio.to_thread(_check_installations, settings)
    elif settings.slack_bot_token:
        found += await _check_token(settings, settings.slack_bot_token.get_secret_value())
    else:
        found.append(
            Finding(False, "SLACK_BOT_TOKEN is not set; copy it from the Slack app's page 'OAuth & Permissions'")
        )
    if settings.slack_app_token:
        found.append(await _check_app_token(settings, settings.slack_app_token.get_secret_value()))
    else:
        found.append(Finding(True, "SLACK_APP_TOKEN is not set: 'aeo slack' (Socket Mode) cannot run"))
    if settings.slack_signing_secret is None:
        found.append(Finding(True, "SLACK_SIGNING_SECRET is not set: 'aeo serve' does not serve /slack/events"))
    return found


async def _check_token(settings: Settings, token: str) -> list[Finding]:
    try:
        response = await web_client(settings.slack_api_url, token).auth_test()
    except SlackApiError as error:
        return [
            Finding(False, f"Slack refuses SLACK_BOT_TOKEN ({error_code(error)}); copy it again from the app's page")
        ]
    except (aiohttp.ClientError, TimeoutError) as error:
        return [Finding(False, _unreachable(settings, error))]
    found = [Finding(True, f"bot token of @{response.get('user')} in the workspace {response.get('team')}")]
    headers = {name.lower(): value for name, value in dict(response.headers).items()}
    granted = {scope.strip() for scope in str(headers.get("x-oauth-scopes", "")).split(",") if scope.strip()}
    if not granted:
        return [*found, Finding(True, "Slack did not say which scopes the token has")]
    needed = [*required_scopes(), *(optional_scopes() if settings.slack_officer_groups else [])]
    missing = [scope for scope in needed if scope not in granted]
    if missing:
        line = f"the bot token lacks {', '.join(missing)}; add them to the app and install it again"
        found.append(Finding(False, line))
    else:
        found.append(Finding(True, f"all {len(needed)} scopes that are needed"))
    extra = sorted(granted - {*required_scopes(), *optional_scopes()})
    if extra:
        found.append(Finding(True, f"the bot token has scopes that are not needed: {', '.join(extra)}"))
    return found


async def _check_app_token(settings: Settings, token: str) -> Finding:
    try:
        await web_client(settings.slack_api_url).apps_connections_open(app_token=token)
    except SlackApiError as error:
        line = f"Slack refuses SLACK_APP_TOKEN ({error_code(error)}); it needs the scope connections:write"
        return Finding(False, line)
    except (aiohttp.ClientError, TimeoutError) as error:
        return Finding(False, _unreachable(settings, error))
    return Finding(True, "app-level token for Socket Mode")


def _unreachable(settings: Settings, error: Exception) -> str:
    return f"Slack cannot be reached at {settings.slack_api_url} ({type(error).__name__}); check the network"


def _check_installations(settings: Settings) -> list[Finding]:
    if settings.slack_client_secret is None:
        return [
            Finding(False, "SLACK_CLIENT_SECRET is not set beside SLACK_CLIENT_ID; copy it from 'Basic Information'")
        ]
    key = settings.slack_encryption_key.get_secret_value() if settings.slack_encryption_key else ""
    try:
        vault = Vault(key.split(","))
        store = SlackStore(settings.database_url)
        teams = store.teams()
        for team in teams:
            store.installation("", team, vault)
    except (VaultError, DatabaseError) as error:
        return [Finding(False, str(error))]
    return [Finding(True, f"installed in {len(teams)} workspaces" if teams else "not installed anywhere yet")]
