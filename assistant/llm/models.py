"""Opens chat models: LangChain's providers, an OpenAI-compatible address, or a GGUF file in this process."""

from __future__ import annotations

import atexit
import os
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

EXTRAS = {
    "openai": "openai", "anthropic": "anthropic", "google_genai": "google", "mistralai": "mistral", "ollama": "ollama",
}  # fmt: skip
"""Extras of this package that bring a provider's package."""
GGUF_CONTEXT = 8192
"""Tokens that a local file reads at most."""


class LlmError(Exception):
    """A language model cannot be used. The message is one line: the cause and the remedy, never a key."""


@dataclass(frozen=True, slots=True)
class Model:
    """An opened chat model."""

    name: str
    """As the settings name it: shown as the answer's composer."""
    chat: BaseChatModel
    plain: BaseChatModel
    """The same with no optional parameter, for servers that refuse those."""
    structured: bool
    """Whether it is asked for JSON by the protocol, and not by the prompt alone."""
    body: dict[str, Any] = field(default_factory=dict)
    """Further fields of each request."""


def open_model(name: str, settings: Settings) -> Model:
    """Open `provider:model`, a model of the server at `AEO_LLM_BASE_URL`, or `gguf:PATH`.

    Raises:
        LlmError: unknown provider, missing package, key or file. Whether the model exists shows in the first call.

    """
    if name.startswith("gguf:"):
        path = Path(name.removeprefix("gguf:")).expanduser()
        address, key = _serve(path)
        return _compatible(f"gguf:{path.stem}", path.stem, address, key, settings)
    if settings.llm_base_url:
        key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else "none"
        return _compatible(name, name.removeprefix("openai:"), settings.llm_base_url, key, settings)
    provider, colon, model = name.partition(":")
    if not colon or not model:
        raise LlmError(f"AEO_LLM={name} names no provider; write provider:model, or set AEO_LLM_BASE_URL")
    return _of_provider(name, provider, settings)


def _of_provider(name: str, provider: str, settings: Settings) -> Model:
    options: dict[str, Any] = {"timeout": settings.llm_timeout_s, "max_retries": 0}
    options["max_tokens"] = settings.llm_max_tokens
    if settings.llm_api_key:
        options["api_key"] = settings.llm_api_key.get_secret_value()
    usage = {"stream_usage": True} if provider == "openai" else {}
    return Model(
        name, _init(name, **options, temperature=0, **usage), _init(name, **options), structured=provider == "openai"
    )


def _compatible(name: str, model: str, address: str, key: str, settings: Settings) -> Model:
    body = {"max_tokens": settings.llm_max_tokens}
    # `max_tokens` is what such servers know; LangChain would send OpenAI's newer name for it.
    options: dict[str, Any] = {
        "model_provider": "openai",
        "base_url": address,
        "api_key": key,
        "timeout": settings.llm_timeout_s,
        "max_retries": 0,
        "use_responses_api": False,
        "extra_body": body,
    }
    return Model(
        name,
        _init(model, **options, temperature=0, stream_usage=True),
        _init(model, **options, stream_usage=False),
        structured=True,
        body=body,
    )


def _init(model: str, **options: Any) -> BaseChatModel:
    from langchain.chat_models import init_chat_model

    provider = options.get("model_provider") or model.partition(":")[0]
    try:
        made: BaseChatModel = init_chat_model(model, **options)
    except ImportError as error:
        extra = EXTRAS.get(provider)
        package = f"langchain-{provider.replace('_', '-')}"
        install = f"pip install 'aeo-assistant[{extra}]'" if extra else f"pip install {package}"
        raise LlmError(f"the package for provider '{provider}' is not installed; run {install}") from error
    except Exception as error:  # each provider's package raises its own kinds for a missing key
        if isinstance(error, ValueError) and "provider" in str(error).casefold():
            line = f"'{provider}' is no provider that LangChain knows; see docs/models.md for the usual ones"
        else:
            line = f"the model '{model}' cannot be opened ({error}); check AEO_LLM and AEO_LLM_API_KEY"
        raise LlmError(_line(line)) from error
    return made


_servers: dict[Path, tuple[Any, str, str]] = {}
_starting = threading.Lock()


def _serve(path: Path) -> tuple[str, str]:
    """Address and key of a server for a GGUF file inside this process, on loopback, started once."""
    with _starting:
        if path not in _servers:
            if not path.is_file():
                raise LlmError(f"there is no file {path}; set AEO_LLM=gguf:/path/to/model.gguf")
            try:
                import xllamacpp
            except ImportError as error:
                raise LlmError("xllamacpp is not installed; run pip install 'aeo-assistant[gguf]'") from error
            key = secrets.token_hex(16)
            try:
                server = xllamacpp.Server(_parameters(xllamacpp, path, key))
            except Exception as error:  # the engine raises plain RuntimeErrors of its own
                raise LlmError(f"{path} cannot be loaded as a model; is it a GGUF file?") from error
            _servers[path] = (server, f"{server.listening_address}/v1", key)
        _, address, key = _servers[path]
    return address, key


def _parameters(engine: Any, path: Path, key: str) -> Any:
    parameters = engine.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = GGUF_CONTEXT
    parameters.n_parallel = 1
    # Half the processors: its threads wait for each other spinning, and other work of this process needs some too.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) // 2)
    parameters.port = 0
    parameters.api_keys = [key]
    parameters.verbosity = -1
    return parameters


@atexit.register
def _stop_servers() -> None:
    _servers.clear()  # a server stops when it is forgotten


def explain(error: BaseException, name: str) -> str:
    """One line on why a call failed and what to do, without keys and addresses of the provider's own message."""
    status = status_of(error)
    if status in (401, 403):
        return f"the provider refused the key for '{name}'; check AEO_LLM_API_KEY or the provider's own variable"
    if status == 404:
        return f"the provider knows no model '{name}'; check AEO_LLM"
    if status == 429:
        return f"'{name}' is over its rate limit or quota; try again later"
    if status is not None and status >= 500:
        return f"the provider of '{name}' failed (HTTP {status}); try again later"
    if status is not None:
        return f"the provider refused the request for '{name}' (HTTP {status}); check AEO_LLM and docs/models.md"
    if isinstance(error, TimeoutError) or "timeout" in type(error).__name__.casefold():
        return f"'{name}' did not answer in time; raise AEO_LLM_TIMEOUT_S or use a quicker model"
    if isinstance(error, LlmError):
        return str(error)
    kind = type(error).__name__
    return _line(f"'{name}' could not be reached or broke off ({kind}); check AEO_LLM_BASE_URL and the network")


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an exception of any provider's client carries, or None."""
    for holder in (error, getattr(error, "response", None)):
        for attribute in ("status_code", "status", "code"):
            status = getattr(holder, attribute, None)
            if isinstance(status, int) and 400 <= status < 600:
                return status
    return None


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
