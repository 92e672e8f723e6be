"""The HTTP transport: signatures, replays, commands and clicks, installations of several workspaces."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr
from slack_sdk.oauth.installation_store import Bot

from assistant.settings import Settings
from integrations.slack.app import SlackConfigurationError, check, findings, mount_http
from integrations.slack.installing import Installations
from integrations.slack.store import SlackStore, Vault, VaultError

from .conftest import SlowAssistant
from .server import BOT_ID, BOT_TOKEN, BOT_USER, SCOPES, TEAM, LoopbackSlack, event_body, signed

DECISION = "How long does customs have to decide on an AEO application in the EU?"


@contextlib.asynccontextmanager
async def serving(
    slack: LoopbackSlack, settings: Settings, assistant: SlowAssistant, **changes: Any
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    assert mount_http(app, assistant, settings.model_copy(update={"slack_api_url": slack.api_url, **changes}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://aeo.example") as client:
            yield client


@pytest.fixture
async def web(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(slack, slack_settings, slack_assistant) as client:
        yield client


async def post(web: httpx.AsyncClient, payload: Any, **how: Any) -> httpx.Response:
    body, headers = signed(payload, **how)
    return await web.post("/slack/events", content=body, headers=headers)


async def test_signed_event_is_answered(web: httpx.AsyncClient, slack: LoopbackSlack) -> None:
    message = slack.message(DECISION)
    assert (await post(web, event_body(message, "Ev1"))).status_code == 200
    assert "120 days" in (await slack.answer("DU1", message["ts"])).shown


async def test_challenge_is_returned(web: httpx.AsyncClient) -> None:
    response = await post(web, {"type": "url_verification", "challenge": "abc"})
    assert response.status_code == 200
    assert "abc" in response.text


async def test_forged_stale_and_replayed_requests_are_refused(web: httpx.AsyncClient, slack: LoopbackSlack) -> None:
    message = slack.message(DECISION)
    payload = event_body(message, "Ev1")
    assert (await post(web, payload, secret="guessed")).status_code == 401
    assert (await post(web, payload, age=301)).status_code == 401
    assert (await web.post("/slack/events", json=payload)).status_code == 401
    body, headers = signed(payload)
    tampered = body.replace(b"EU", b"GB")
    assert (await web.post("/slack/events", content=tampered, headers=headers)).status_code == 401
    assert (await web.post("/slack/events", content=body, headers=headers)).status_code == 200
    assert (await web.post("/slack/events", content=body, headers=headers)).status_code == 401
    repeated = headers | {"x-slack-retry-num": "1"}
    assert (await web.post("/slack/events", content=body, headers=repeated)).status_code == 200
    await slack.answer("DU1", message["ts"])
    await asyncio.sleep(0.3)
    assert len(slack.replies("DU1", message["ts"])) == 1


async def test_refusals_do_not_make_a_later_request_a_replay(web: httpx.AsyncClient, slack: LoopbackSlack) -> None:
    message = slack.message(DECISION)
    body, headers = signed(event_body(message, "Ev1"))
    assert (await web.post("/slack/events", content=b"{}", headers=headers)).status_code == 401
    assert (await web.post("/slack/events", content=body, headers=headers)).status_code == 200


async def test_command_and_click_come_as_forms(web: httpx.AsyncClient, slack: LoopbackSlack) -> None:
    assert (await post(web, slack.command(DECISION), form=True)).status_code == 200
    answer = await slack.answer("C1")
    assert answer.ephemeral_for == "U1"
    assert (await post(web, slack.click(answer, "passages"), form=True)).status_code == 200
    await slack.until(lambda: slack.views)


async def test_odd_bodies_are_refused(web: httpx.AsyncClient) -> None:
    assert (await post(web, "not json")).status_code == 400
    response = await web.post("/slack/events", content=b"\xff\xfe", headers=signed("x")[1])
    assert response.status_code in (400, 401)
    big = await web.post("/slack/events", content=b"x" * 1_000_001, headers=signed("x")[1])
    assert big.status_code == 413


async def test_not_set_up_is_not_served(slack_settings: Settings, slack_assistant: SlowAssistant) -> None:
    app = FastAPI()
    assert not mount_http(app, slack_assistant, slack_settings.model_copy(update={"slack_signing_secret": None}))
    assert "/slack/events" not in {getattr(route, "path", "") for route in app.routes}


OAUTH = {
    "slack_bot_token": None,
    "slack_client_id": "1.2",
    "slack_client_secret": SecretStr("client-secret"),
    "slack_encryption_key": SecretStr(Fernet.generate_key().decode()),
}


async def test_installation_of_another_workspace(
    slack: LoopbackSlack, slack_settings: Settings, slack_assistant: SlowAssistant
) -> None:
    slack._oauth_v2_access = lambda arguments: {  # type: ignore[attr-defined]
        "ok": True,
        "access_token": BOT_TOKEN,
        "token_type": "bot",
        "scope": ",".join(SCOPES),
        "bot_user_id": BOT_USER,
        "app_id": "A1",
        "team": {"id": TEAM, "name": "Loopback"},
        "enterprise": None,
        "authed_user": {"id": "U1"},
        "is_enterprise_install": False,
    }
    async with serving(slack, slack_settings, slack_assistant, **OAUTH) as web:
        message = slack.message(DECISION)
        assert (await post(web, event_body(message, "Ev0"))).status_code == 200  # not installed: refused kindly
        page = await web.get("/slack/install")
        assert page.status_code == 200
        state = page.text.split("state=")[1].split("&")[0].split('"')[0]
        assert "assistant%3Awrite" in page.text or "assistant:write" in page.text
        forged = await web.get("/slack/oauth_redirect", params={"code": "c", "state": "guessed"})
        assert forged.status_code >= 400
        cookie = page.headers["set-cookie"].split(";")[0]
        done = await web.get("/slack/oauth_redirect", params={"code": "c", "state": state}, headers={"cookie": cookie})
        assert done.status_code == 200, done.text
        again = await web.get("/slack/oauth_redirect", params={"code": "c", "state": state}, headers={"cookie": cookie})
        assert again.status_code >= 400
        assert (await post(web, event_body(message, "Ev1"))).status_code == 200
        assert "120 days" in (await slack.answer("DU1", message["ts"])).shown
        database = slack_settings.database_url.removeprefix("sqlite:///")
        with open(database, "rb") as file, open(f"{database}-wal", "rb") as log:  # noqa: PTH123
            assert BOT_TOKEN.encode() not in file.read() + log.read()
        gone = {"type": "app_uninstalled"}
        assert (await post(web, event_body(gone, "Ev2"))).status_code == 200
        store = SlackStore(slack_settings.database_url)
        async with asyncio.timeout(5):
            while store.teams():
                await asyncio.sleep(0.02)


async def test_tokens_are_encrypted_and_keys_can_be_replaced(tmp_path) -> None:
    store = SlackStore(f"sqlite:///{tmp_path / 's.sqlite3'}")
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    bot = Bot(
        team_id="T1", bot_token="xoxb-1", bot_id=BOT_ID, bot_user_id=BOT_USER, bot_scopes=SCOPES, installed_at=1.0
    )
    await Installations(store, Vault([old])).async_save_bot(bot)
    found = await Installations(store, Vault([new, old])).async_find_bot(enterprise_id=None, team_id="T1")
    assert found is not None
    assert found.bot_token == "xoxb-1"
    with pytest.raises(VaultError, match="another key"):
        await Installations(store, Vault([new])).async_find_bot(enterprise_id=None, team_id="T1")
    with pytest.raises(VaultError, match="not a Fernet key"):
        Vault(["short"])
    with pytest.raises(VaultError, match="is not set"):
        Vault([""])


async def test_half_a_configuration_is_reported(slack_settings: Settings, slack_assistant: SlowAssistant) -> None:
    with pytest.raises(VaultError, match="AEO_SLACK_ENCRYPTION_KEY"):
        mount_http(FastAPI(), slack_assistant, slack_settings.model_copy(update=OAUTH | {"slack_encryption_key": None}))
    incomplete = OAUTH | {"slack_client_secret": None}
    with pytest.raises(SlackConfigurationError, match="SLACK_BOT_TOKEN"):
        mount_http(FastAPI(), slack_assistant, slack_settings.model_copy(update=incomplete))


async def test_doctor_names_what_is_missing(slack: LoopbackSlack, slack_settings: Settings) -> None:
    settings = slack_settings.model_copy(update={"slack_api_url": slack.api_url})
    assert await check(settings) == []
    assert "bot token of @aeo in the workspace Loopback" in [finding.line for finding in await findings(settings)]
    slack.scopes = ["chat:write", "admin"]
    changes = {"slack_officer_groups": "S1", "slack_app_token": SecretStr("x")}
    lines = await check(settings.model_copy(update=changes))
    assert lines[0].startswith("the bot token lacks app_mentions:read")
    assert "usergroups:read" in lines[0]
    assert lines[1].startswith("Slack refuses SLACK_APP_TOKEN (invalid_auth)")
    assert any("not needed: admin" in finding.line for finding in await findings(settings))
    wrong = {"slack_bot_token": SecretStr("xoxb-wrong"), "slack_app_token": None}
    [line] = await check(settings.model_copy(update=wrong))
    assert line.startswith("Slack refuses SLACK_BOT_TOKEN (invalid_auth)")
    [line] = await check(settings.model_copy(update={"slack_channels": "C1:EU", "slack_app_token": None, **OAUTH}))
    assert line.startswith("AEO_SLACK_CHANNELS")
    [line] = await check(settings.model_copy(update=OAUTH | {"slack_encryption_key": None, "slack_app_token": None}))
    assert line.startswith("AEO_SLACK_ENCRYPTION_KEY is not set")
    [line] = await check(settings.model_copy(update={"slack_api_url": "http://127.0.0.1:9/", "slack_app_token": None}))
    assert "cannot be reached" in line
    nothing = {"slack_bot_token": None, "slack_app_token": None, "slack_signing_secret": None}
    assert await check(settings.model_copy(update=nothing)) == []
