"""Every setting, in one place: `AEO_*` variables, then `aeo.toml`, then the defaults below."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


def _home() -> Path:
    """`var/` of the checkout; for an installed package, the user's data directory."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").exists():
        return checkout / "var"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "aeo"


class Settings(BaseSettings):
    """The field's name in capitals with AEO_ before it is the variable: `AEO_INDEX`."""

    model_config = SettingsConfigDict(env_prefix="AEO_", toml_file="aeo.toml", extra="ignore", populate_by_name=True)

    index: Path = Field(_home() / "index", description="Index directory")
    corpus: Path | None = Field(None, description="Folder of guidance notes; default: the shipped ones")
    chroma_url: str | None = Field(None, description="Address of a Chroma server; default: Chroma inside the index")
    database_url: str = Field(f"sqlite:///{_home() / 'aeo.sqlite3'}", description="SQLAlchemy URL of conversations")
    embedding_model: str = Field("all-MiniLM-L6-v2", description="A sentence-transformers model name or folder")
    cluster: str | None = Field(None, description="Address of a Dask scheduler whose workers embed new passages")
    llm: str | None = Field(None, description="provider:model of the chat model that writes; default: extractive")
    llm_base_url: str | None = Field(None, description="Base URL of an OpenAI-compatible server")
    llm_api_key: SecretStr | None = Field(None, description="Key for it; default: the provider's own variable")
    host: str = Field("127.0.0.1", description="Address that `aeo serve` listens on")
    port: int = Field(8000, ge=0, le=65535, description="Port that `aeo serve` listens on")
    stale_after_days: int = Field(730, ge=1, description="Age in days from which a provision is marked as old")
    max_question_chars: int = Field(4000, ge=100, description="Longer questions are refused")
    slack_bot_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_BOT_TOKEN"), description="Slack bot token (xoxb-…)"
    )
    slack_signing_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_SIGNING_SECRET"), description="Slack signing secret, for HTTP"
    )
    slack_app_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_APP_TOKEN"), description="Slack app token (xapp-…), for Socket Mode"
    )
    slack_api_url: str = Field("https://slack.com/api/", description="Base URL of the Slack Web API")
    slack_client_id: str | None = Field(
        None, validation_alias=AliasChoices("SLACK_CLIENT_ID"), description="Slack client id, for several workspaces"
    )
    slack_client_secret: SecretStr | None = Field(
        None, validation_alias=AliasChoices("SLACK_CLIENT_SECRET"), description="Slack client secret"
    )
    slack_encryption_key: SecretStr | None = Field(
        None, description="Fernet key of the stored Slack tokens; after a comma, older keys that are still read"
    )
    slack_allowed_teams: str = Field("", description="Slack workspaces that may ask, by id, comma between; empty: all")
    slack_allowed_channels: str = Field("", description="Slack channels that may ask; direct messages always may")
    slack_allowed_users: str = Field("", description="Slack users that may ask; empty: all")
    slack_officer_groups: str = Field("", description="Slack user groups whose members are customs officers, by id")
    slack_channels: str = Field("", description="Default programme and audience of channels: C0123=EU:officer,C0456=GB")
    slack_user_per_minute: int = Field(10, ge=1, description="Questions that a Slack user may ask in a minute")
    slack_team_per_minute: int = Field(300, ge=1, description="Questions that a Slack workspace may ask in a minute")
    slack_queue: int = Field(200, ge=1, description="Slack questions that may wait; more are asked to come back later")
    llm_check_model: str | None = Field(
        None, description="provider:model that checks each sentence once more; default: none"
    )
    llm_timeout_s: float = Field(30, gt=0, description="Seconds that one call of the model may take")
    llm_concurrency: int = Field(4, ge=1, description="Calls of the model at one time; further ones wait")
    llm_max_tokens: int = Field(800, ge=50, description="Tokens that the model may write for one answer")
    llm_price_input: float = Field(
        0, ge=0, description="Price of a million tokens read, for the accounts; any currency"
    )
    llm_price_output: float = Field(0, ge=0, description="Price of a million tokens written, for the accounts")
    trace_prompts: bool = Field(False, description="Whether telemetry spans hold prompts and answers")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over variables, variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()


def unknown_variables() -> list[str]:
    """Names of `AEO_*` variables that no setting has: most often a typing error."""
    known = {f"AEO_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.startswith("AEO_") and name not in known)
