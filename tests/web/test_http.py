"""The HTTP API over a real index and database."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assistant.answer import Event, Question
from assistant.service import Assistant
from assistant.settings import Settings
from integrations.http import problems
from integrations.http.app import STATIC, create_app, serve
from integrations.http.middleware import MAX_BODY_BYTES, SECURITY_HEADERS
from web.support import OFFICER_WORDS, GatedAssistant, eventually, serving

DECISION = "How long does EU customs have to decide on an AEO application?"
STREAMED = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def client(small_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One application for the tests that leave nothing behind."""
    database = tmp_path_factory.mktemp("shared") / "aeo.sqlite3"
    with TestClient(create_app(Settings(index=small_index, database_url=f"sqlite:///{database}"))) as opened:
        yield opened


@pytest.fixture
def fresh(settings: Settings) -> Iterator[TestClient]:
    """An application of the test's own."""
    with TestClient(create_app(settings)) as opened:
        yield opened


def ask(client: TestClient, question: str = DECISION, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/ask", json={"question": question, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in frames]


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/docs#{kind}"
    assert document["status"] == status
    assert document["title"] and document["detail"]
    assert "Traceback" not in response.text and 'File "' not in response.text
    return document


# --- asking


def test_an_answer_has_the_fields_of_the_contract_and_its_quotes_stand_in_their_passages(client: TestClient) -> None:
    answer = ask(client)
    assert list(answer) == [
        *("id", "question", "conversation_id", "status", "reason", "answer", "jurisdictions", "audience"),
        *("citations", "notices", "suggestions", "composer", "index_version", "timings_ms"),
    ]
    assert answer["status"] == "answered" and answer["jurisdictions"] == ["EU"] and "120 days" in answer["answer"]
    assert answer["citations"]
    for citation in answer["citations"]:
        passage = client.get(f"/v1/passages/{citation['passage_id']}").json()
        assert passage["text"][citation["start"] : citation["end"]] == citation["quote"]
        assert passage["heading_path"] and passage["document"]["title"] == citation["document"]


def test_a_stream_gives_steps_then_sentences_then_the_same_answer(client: TestClient) -> None:
    response = client.post("/v1/ask", json={"question": DECISION}, headers=STREAMED)
    assert response.headers["content-type"].startswith("text/event-stream")
    received = events(response.text)
    names = [name for name, _ in received]
    assert names == sorted(names, key=["step", "sentence", "answer"].index)
    assert {data["name"] for name, data in received if name == "step"} >= {
        "understand",
        "retrieve",
        "compose",
        "verify",
    }
    answer = received[-1][1]
    assert "\n\n".join(data["text"] for name, data in received if name == "sentence") == answer["answer"]
    volatile = ("id", "timings_ms")
    assert {k: v for k, v in answer.items() if k not in volatile} == {
        k: v for k, v in ask(client).items() if k not in volatile
    }


def test_a_dropped_connection_stops_the_answer(gated: GatedAssistant, settings: Settings) -> None:
    gated.gate.clear()
    with serving(settings, gated) as address:
        with httpx.stream("POST", f"{address}/v1/ask", json={"question": DECISION}, headers=STREAMED) as response:
            assert next(line for line in response.iter_lines() if line == "event: sentence")
            assert not gated.closed.is_set()
        eventually(gated.closed.is_set)
        assert "aeo_streams_stopped_total 1.0" in httpx.get(f"{address}/metrics").text


def test_programmes_are_chosen_by_code_in_any_case(client: TestClient) -> None:
    answer = ask(client, "How long does the decision on an application take?", jurisdictions=["gb"])
    assert answer["jurisdictions"] == ["GB"]
    assert {citation["jurisdiction"] for citation in answer["citations"]} == {"GB"}


@pytest.mark.parametrize("headers", [{}, STREAMED])
@pytest.mark.parametrize("question", ["", " \n ", "?!", "a" * 4001, "what\x00is", "ring \x07", "\ufffd\ufffd PNG"])
def test_what_is_no_question_is_refused_in_one_line(client: TestClient, question: str, headers: dict[str, str]) -> None:
    document = problem(client.post("/v1/ask", json={"question": question}, headers=headers), 422, "question-invalid")
    assert document["remedy"] and "\n" not in document["detail"]


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/ask", rb'{"question": "\ud800 aeo"}', "question-invalid"),
        ("/v1/ask", rb'{"question": "What is AEO?", "jurisdictions": ["\ud800"]}', "request-invalid"),
        ("/v1/ask", rb'{"question": "What is AEO?", "conversation_id": "\ud800"}', "request-invalid"),
        ("/v1/search", rb'{"query": "\ud800"}', "question-invalid"),
        (
            "/v1/feedback",
            rb'{"answer_id": "ans_00000000000000000000", "helpful": true, "comment": "\u0000"}',
            "request-invalid",
        ),
        (
            "/v1/feedback",
            rb'{"answer_id": "ans_00000000000000000000", "helpful": true, "comment": "\ud800"}',
            "request-invalid",
        ),
    ],
)
def test_characters_that_no_text_holds_are_refused(client: TestClient, path: str, body: bytes, kind: str) -> None:
    problem(client.post(path, content=body, headers={"Content-Type": "application/json"}), 422, kind)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_kilobytes_is_refused(client: TestClient, chunked: bool) -> None:
    body = json.dumps({"question": "a" * 100_000}).encode()
    assert len(body) > MAX_BODY_BYTES
    content = iter([body[:1000], body[1000:]]) if chunked else body
    problem(
        client.post("/v1/ask", content=content, headers={"Content-Type": "application/json"}), 413, "body-too-large"
    )


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'{"question": ', "application/json"),
        (b'["question"]', "application/json"),
        (b"", "application/json"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "application/json"),
        (b'{"question": "What is AEO?"}', "text/plain"),
        (b"question=What+is+AEO", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client: TestClient, body: bytes, media_type: str) -> None:
    problem(client.post("/v1/ask", content=body, headers={"Content-Type": media_type}), 400, "body-not-json")


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/v1/ask", {}, "question"),
        ("/v1/ask", {"question": 7}, "question"),
        ("/v1/ask", {"question": "What is AEO?", "jurisdiction": "EU"}, "jurisdiction"),
        ("/v1/ask", {"question": "What is AEO?", "audience": "king"}, "audience"),
        ("/v1/search", {"query": "solvency", "k": 0}, "k"),
        ("/v1/search", {"query": "solvency", "k": 101}, "k"),
        ("/v1/feedback", {"answer_id": "ans_1", "helpful": True}, "answer_id"),
        ("/v1/feedback", {"answer_id": "ans_" + "0" * 20, "helpful": True, "comment": "x" * 2001}, "comment"),
    ],
)
def test_a_field_that_is_missing_unknown_or_wrong_is_named(
    client: TestClient, path: str, body: dict[str, Any], named: str
) -> None:
    document = problem(client.post(path, json=body), 422, "request-invalid")
    assert document["detail"].startswith(f"{named}: ")


@pytest.mark.parametrize("path", ["/v1/ask", "/v1/search"])
def test_an_unknown_programme_is_refused_and_the_known_ones_named(client: TestClient, path: str) -> None:
    field = "question" if path == "/v1/ask" else "query"
    document = problem(
        client.post(path, json={field: "solvency", "jurisdictions": ["EU", "QQ"]}), 422, "unknown-programme"
    )
    assert "'QQ'" in document["detail"]
    assert {"EU", "GB", "JP", "US"} <= set(re.findall(r"[A-Z]{2}", document["remedy"]))


@given(
    body=st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["question", "k", ""]), st.text() | st.none()).map(
        lambda fields: json.dumps(fields).encode()
    )
)
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_brings_the_server_down(client: TestClient, body: bytes) -> None:
    response = client.post("/v1/ask", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code < 500
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/problem+json"


# --- looking up


def test_search_gives_passages_best_first_with_their_document(client: TestClient) -> None:
    response = client.post("/v1/search", json={"query": "financial solvency", "k": 5, "jurisdictions": ["EU"]})
    results = response.json()["results"]
    assert len(results) == 5
    assert [hit["score"] for hit in results] == sorted((hit["score"] for hit in results), reverse=True)
    assert all(hit["passage"]["jurisdiction"] == "EU" and hit["passage"]["document"]["title"] for hit in results)
    assert "solven" in results[0]["passage"]["text"].lower()


def test_a_document_holds_its_passages_in_reading_order(client: TestClient) -> None:
    document = client.get("/v1/documents/is-test").json()
    assert document["title"] == "Icelandic <i>marks</i>" and document["publisher"] == "Test Publisher"
    assert [passage["topic"] for passage in document["passages"]] == ["validity"]
    assert not {"access", "content_hash", "original"} & (set(document) | set(document["passages"][0]))


def test_programmes_are_those_of_the_index(client: TestClient) -> None:
    listed = client.get("/v1/programmes").json()
    assert [programme["code"] for programme in listed] == ["EU", "GB", "IS", "JP", "US"]
    assert listed[1]["authority"] == "HM Revenue and Customs" and "hmrc" in listed[1]["aliases"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/passages/none",
        "/v1/passages/a%2Fb",
        "/v1/documents/none",
        "/v1/conversations/none",
        "/none",
        "/static/none.js",
    ],
)
def test_what_does_not_exist_is_not_found(client: TestClient, path: str) -> None:
    problem(client.get(path), 404, "not-found")


def test_a_method_that_an_address_does_not_have_is_refused(client: TestClient) -> None:
    response = client.get("/v1/ask")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


# --- restricted documents


def test_what_is_restricted_to_officers_never_leaves_over_http(client: TestClient, settings: Settings) -> None:
    own = Assistant(settings)
    document, passages = own.document("eu-restricted", officer=True) or pytest.fail("the note is not in the index")
    problem(client.get(f"/v1/documents/{document.id}"), 404, "not-found")
    problem(client.get(f"/v1/passages/{passages[0].id}"), 404, "not-found")
    query = f"{OFFICER_WORDS} register at the EU AEO validation visit"
    said = client.post("/v1/search", json={"query": query, "k": 100}).text
    said += json.dumps([ask(client, query, audience=audience) for audience in ("applicant", "officer")])
    said += client.post("/v1/ask", json={"question": query, "audience": "officer"}, headers=STREAMED).text
    said = said.replace(query, "")
    assert "zirconium" not in said and "eu-restricted" not in said and "Handbook for EU officers" not in said


# --- conversations and feedback


def test_a_conversation_remembers_can_be_read_and_is_forgotten(client: TestClient) -> None:
    started = client.post("/v1/conversations")
    identifier = started.json()["id"]
    assert started.status_code == 201 and started.headers["location"] == f"/v1/conversations/{identifier}"
    first = ask(client, conversation_id=identifier)
    second = ask(client, "and in the UK?", conversation_id=identifier)
    assert second["jurisdictions"] == ["GB"]
    assert client.get(f"/v1/conversations/{identifier}").json() == {"id": identifier, "answers": [first, second]}
    assert client.delete(f"/v1/conversations/{identifier}").status_code == 204
    problem(client.get(f"/v1/conversations/{identifier}"), 404, "not-found")
    problem(client.delete(f"/v1/conversations/{identifier}"), 404, "not-found")
    body = {"question": DECISION, "conversation_id": identifier}
    problem(client.post("/v1/ask", json=body), 404, "not-found")
    problem(client.post("/v1/ask", json=body, headers=STREAMED), 404, "not-found")


def test_feedback_is_kept_with_its_comment(fresh: TestClient, settings: Settings) -> None:
    identifier = fresh.post("/v1/conversations").json()["id"]
    answer = ask(fresh, conversation_id=identifier)
    body = {"answer_id": answer["id"], "helpful": False, "comment": " wrong article "}
    assert fresh.post("/v1/feedback", json=body).status_code == 201
    ((question, comment, kept),) = Assistant(settings).conversations.unhelpful()
    assert (question, comment, kept) == (DECISION, "wrong article", answer)


# --- what is missing or broken


def test_without_an_index_it_says_so_and_recovers_once_there_is_one(
    settings: Settings, small_index: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late"
    with TestClient(create_app(settings.model_copy(update={"index": late}))) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        for response in (
            client.get("/readyz"),
            client.get("/v1/programmes"),
            client.post("/v1/ask", json={"question": DECISION}),
            client.post("/v1/ask", json={"question": DECISION}, headers=STREAMED),
        ):
            document = problem(response, 503, "index-missing")
            assert "aeo index build" in document["remedy"] and str(late) not in response.text
        shutil.copytree(small_index, late, symlinks=True)
        assert client.get("/readyz").json()["status"] == "ready"
        assert ask(client)["status"] == "answered"


def test_an_index_of_another_model_is_not_used(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"embedding_model": "another"}))) as client:
        problem(client.get("/readyz"), 503, "index-unusable")
        problem(client.post("/v1/ask", json={"question": DECISION}), 503, "index-unusable")


def test_without_a_database_questions_that_stand_alone_are_still_answered(settings: Settings) -> None:
    unreachable = settings.model_copy(update={"database_url": "sqlite:////proc/none/aeo.sqlite3"})
    with TestClient(create_app(unreachable)) as client:
        for response in (
            client.get("/readyz"),
            client.post("/v1/conversations"),
            client.get("/v1/conversations/conv_1"),
            client.post("/v1/feedback", json={"answer_id": "ans_" + "0" * 20, "helpful": True}),
            client.post("/v1/ask", json={"question": DECISION, "conversation_id": "conv_1"}),
        ):
            problem(response, 503, "database-unavailable")
            assert "/proc" not in response.text
        assert ask(client)["status"] == "answered"


def test_a_database_that_breaks_while_serving_is_reported_too(fresh: TestClient, tmp_path: Path) -> None:
    fresh.post("/v1/conversations")
    for file in tmp_path.glob("aeo.sqlite3*"):
        file.write_bytes(b"not a database" * 1000)
    with pytest.raises(sqlite3.DatabaseError), sqlite3.connect(tmp_path / "aeo.sqlite3") as broken:
        broken.execute("select * from conversations")
    problem(fresh.post("/v1/conversations"), 503, "database-unavailable")


class FailingAssistant(Assistant):
    """Breaks in the middle of every answer, and in every search."""

    def stream(self, question: Question) -> Generator[Event]:
        yield Event("step", "understand")
        raise RuntimeError("secret of /etc/shadow")

    def search(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("secret of /etc/shadow")


def test_the_unforeseen_has_a_reference_that_the_log_explains(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app(settings, FailingAssistant(settings))) as client:
        caplog.clear()
        alone = client.post("/v1/search", json={"query": "solvency"})
        whole = client.post("/v1/ask", json={"question": DECISION})
        streamed = client.post("/v1/ask", json={"question": DECISION}, headers=STREAMED)
    documents = [problem(alone, 500, "internal"), problem(whole, 500, "internal"), events(streamed.text)[-1][1]]
    assert events(streamed.text)[-1][0] == "error"
    references = {re.search(r"err_[0-9a-f]{20}", document["remedy"]).group() for document in documents}  # type: ignore[union-attr]
    assert len(references) == 3 and all(reference in caplog.text for reference in references)
    assert "secret" in caplog.text and "secret" not in alone.text + whole.text + streamed.text
    assert all(alone.headers[name] == value for name, value in SECURITY_HEADERS.items())


# --- around it


def test_every_response_carries_the_security_headers(client: TestClient) -> None:
    responses = [client.get(path) for path in ("/", "/docs", "/static/chat.js", "/openapi.json", "/none", "/metrics")]
    responses += [client.post("/v1/ask", content=b"x" * (MAX_BODY_BYTES + 1))]
    responses += [client.post("/v1/ask", json={"question": DECISION}, headers=STREAMED)]
    for response in responses:
        for name, value in SECURITY_HEADERS.items():
            assert response.headers[name] == value, (response.url, name)
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_the_pages_name_no_other_host_and_hold_no_inline_code() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://[a-z0-9]", text), file.name
        if file.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text), file.name


def test_the_docs_page_explains_every_kind_of_problem() -> None:
    explained = set(re.findall(r'<dt id="([a-z-]+)">', (STATIC / "docs.html").read_text(encoding="utf-8")))
    source = Path(problems.__file__).read_text(encoding="utf-8") + (STATIC.parent / "app.py").read_text(
        encoding="utf-8"
    )
    assert explained == set(re.findall(r'Problem\(\s*(?:\d{3}|error\.status_code), "([a-z-]+)"', source))


def test_the_openapi_description_lists_the_api(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {
        *("/v1/ask", "/v1/search", "/v1/passages/{passage_id}", "/v1/documents/{document_id}", "/v1/programmes"),
        *("/v1/mra", "/v1/feedback", "/v1/conversations", "/v1/conversations/{conversation_id}"),
        *("/healthz", "/readyz", "/metrics"),
    }
    ask_responses = description["paths"]["/v1/ask"]["post"]["responses"]
    assert "text/event-stream" in ask_responses["200"]["content"]
    assert "application/problem+json" in ask_responses["422"]["content"]


def test_metrics_count_answers_by_outcome_and_time_their_steps(fresh: TestClient) -> None:
    ask(fresh)
    ask(fresh, "Tell me a joke about cats")
    fresh.post("/v1/ask", json={"question": DECISION}, headers=STREAMED)
    text = fresh.get("/metrics").text
    assert 'aeo_answers_total{reason="",status="answered"} 2.0' in text
    assert 'aeo_answers_total{reason="out_of_scope",status="declined"} 1.0' in text
    assert 'aeo_step_seconds_count{step="retrieve"} 2.0' in text
    assert "joke" not in text


def test_a_port_that_is_taken_gives_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as stopped:
            serve(settings.model_copy(update={"port": port}))
    message = str(stopped.value.code)
    assert f"127.0.0.1:{port}" in message and "in use" in message and "\n" not in message


def test_the_server_names_its_address_and_stops_without_a_trace(settings: Settings) -> None:
    code = "import sys; from assistant.settings import Settings; from integrations.http.app import serve; "
    code += "serve(Settings(index=sys.argv[1], database_url=sys.argv[2], port=0))"
    command = [sys.executable, "-c", code, str(settings.index), settings.database_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert address and httpx.get(f"{address.group()}readyz", timeout=60).json()["status"] == "ready"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
