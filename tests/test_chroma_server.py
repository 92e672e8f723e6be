"""Vectors on a real Chroma server: the same answers as with the embedded store, through builds, updates and failures."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings as ChromaSettings

from assistant.answer import Answer, Question
from assistant.service import Assistant
from assistant.settings import Settings
from corpus.loader import NOTES
from indexing.build import BuildReport, build_index, verify_index
from indexing.sources import SHIPPED_VECTORS, note_files
from indexing.vectors import ChromaUnavailable, collection_name
from indexing.versions import current_version

AEO = Path(sys.executable).parent / "aeo"
QUESTIONS = (
    "How many tiers does HKAEO have?",
    "Who may apply to be an AEO in Hong Kong?",
    "How long does China customs take to decide on a certified enterprise?",
    "What are the benefits of an advanced certified enterprise?",
)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `chroma run` on loopback."""
    folder, port = tmp_path_factory.mktemp("chroma"), _free_port()
    command = [str(AEO.with_name("chroma")), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    for code in ("hk", "cn"):
        shutil.copytree(NOTES / code, folder / code)
    return folder


def _build(index: Path, notes: Path, url: str | None, *, update: bool = False) -> BuildReport:
    return build_index(index, note_files(notes), shipped=SHIPPED_VECTORS, chroma_url=url, update=update)


def _client(url: str) -> object:
    host, port = url.removeprefix("http://").split(":")
    return chromadb.HttpClient(host, int(port), settings=ChromaSettings(anonymized_telemetry=False))


def _collections(url: str, index: Path) -> set[str]:
    prefix = collection_name(index, "")
    return {c.name for c in _client(url).list_collections() if c.name.startswith(prefix)}


def _answers(index: Path, folder: Path) -> list[tuple[str, str, list[str]]]:
    assistant = Assistant(Settings(index=index, database_url=f"sqlite:///{folder / 'aeo.sqlite3'}"))
    return [_gist(assistant.ask(Question(text))) for text in QUESTIONS]


def _gist(answer: Answer) -> tuple[str, str, list[str]]:
    return answer.status, answer.answer, [citation.passage_id for citation in answer.citations]


def test_the_same_answers_as_with_the_embedded_store(server: str, notes: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "embedded", tmp_path / "served"
    _build(here, notes, None)
    first = _build(there, notes, server)
    assert _answers(there, tmp_path) == _answers(here, tmp_path)
    assert any(status == "answered" for status, _, _ in _answers(there, tmp_path))
    assert not (current_version(there) / "chroma").exists()
    assert verify_index(there) == []

    note = next((notes / "hk").glob("*.md"))
    note.write_text(note.read_text(encoding="utf-8").replace("\n- ", "\n- In short: ", 1), encoding="utf-8")
    _build(here, notes, None, update=True)
    second = _build(there, notes, server, update=True)
    assert (second.unchanged, second.embedded) == (False, 1)
    assert _answers(there, tmp_path) == _answers(here, tmp_path)
    assert _build(there, notes, server, update=True).unchanged
    assert _collections(server, there) == {collection_name(there, r.version) for r in (first, second)}
    assert verify_index(there) == []

    stored = _client(server).get_collection(collection_name(there, second.version), embedding_function=None)
    found = stored.get(include=["embeddings", "metadatas"])
    rows = [entry["row"] for entry in found["metadatas"]]
    assert np.allclose(found["embeddings"], np.load(current_version(there) / "vectors.npy")[rows], atol=1e-6)


def test_versions_that_are_gone_leave_no_collection(server: str, notes: Path, tmp_path: Path) -> None:
    index, note = tmp_path / "index", next((notes / "hk").glob("*.md"))
    for _ in range(4):
        _build(index, notes, server, update=True)
        note.write_text(note.read_text(encoding="utf-8").replace("\n- ", "\n- In short: ", 1), encoding="utf-8")
    assert len(_collections(server, index)) <= 3
    assert verify_index(index) == []


def test_a_half_written_collection_is_written_again(server: str, notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    report = _build(index, notes, server)
    name = collection_name(index, report.version)
    collection = _client(server).get_collection(name, embedding_function=None)
    collection.delete(ids=collection.get(limit=5)["ids"])
    assert verify_index(index) == [
        f"Chroma server at {server} holds {report.passages - 5} of {report.passages} vectors; run 'aeo index build'"
    ]
    _build(index, notes, server)
    assert verify_index(index) == []


def test_an_unreachable_server_is_one_clear_line(notes: Path, tmp_path: Path) -> None:
    index, nobody = tmp_path / "index", f"http://127.0.0.1:{_free_port()}"
    _build(index, notes, None)
    before = current_version(index)
    with pytest.raises(ChromaUnavailable):
        _build(index, notes, nobody)
    environment = {**os.environ, "AEO_INDEX": str(index), "AEO_CORPUS": str(notes), "AEO_CHROMA_URL": nobody}
    done = subprocess.run([AEO, "index", "update"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == f"aeo: Chroma server at {nobody} does not answer; start it or unset AEO_CHROMA_URL\n"
    assert current_version(index) == before
    assert _answers(index, tmp_path)[0][0] == "answered"
