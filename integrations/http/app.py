"""The routes of the HTTP API, the web chat beside them, and the server that `aeo serve` runs."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles

from assistant.answer import Answer, Question
from assistant.guard import clean
from assistant.service import Assistant
from assistant.settings import Settings
from integrations.http import problems, schemas, streaming
from integrations.http.metrics import Metrics
from integrations.http.middleware import Boundary

STATIC = Path(__file__).parent / "static"

log = logging.getLogger("aeo.http")


def create_app(settings: Settings, assistant: Assistant | None = None) -> FastAPI:
    """Make the application over the index and database of `settings`, or over `assistant`.

    It starts without an index, too: what needs one answers 503 until there is one.
    """
    served = assistant or Assistant(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warming = threading.Thread(target=_warm, args=(served,))
        warming.start()
        yield
        warming.join()

    app = FastAPI(
        title="AEO guidance",
        version="1",
        description="Answers about Authorized Economic Operator programmes, each statement with the passage behind it.",
        responses={
            status: {"model": schemas.ProblemDocument, "content": {problems.MEDIA_TYPE: {}}}
            for status in (422, "default")
        },
        docs_url=None,  # FastAPI's page loads from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Boundary)
    problems.install(app)
    metrics = Metrics()
    _question_routes(app, served, metrics)
    _lookup_routes(app, served)
    _conversation_routes(app, served)
    _operator_routes(app, served, metrics)
    _pages(app)
    if settings.slack_signing_secret is not None:
        from integrations.slack.app import mount_http

        mount_http(app, served, settings)
    return app


def _question_routes(app: FastAPI, assistant: Assistant, metrics: Metrics) -> None:
    streamed = {200: {"model": Answer, "content": {streaming.MEDIA_TYPE: {}}}}

    @app.post("/v1/ask", response_model=None, responses=cast(dict[int | str, Any], streamed))
    def ask(body: schemas.Ask, request: Request) -> Response:
        """Answer a question.

        With `Accept: text/event-stream` the answer arrives while it is made: events `step` {name}, `sentence` {text}
        and last `answer` (the whole, as without) or `error` (a problem document). Closing the connection stops it.
        """
        clean(body.question, assistant.settings.max_question_chars)
        if body.conversation_id is not None and not assistant.conversations.exists(body.conversation_id):
            raise _no_conversation()
        question = Question(
            text=body.question,
            jurisdictions=_held(body.jurisdictions, assistant),
            audience=body.audience,
            conversation_id=body.conversation_id,
            asker=_asker(body.conversation_id, request),
        )
        events = assistant.stream(question)
        first = next(events)  # what cannot be answered now fails here, before a status is sent
        if streaming.MEDIA_TYPE in request.headers.get("accept", ""):
            return streaming.EventStream(first, events, metrics)
        *_, last = (first, *events)
        assert last.answer is not None
        metrics.answered(last.answer, last.trace)
        return JSONResponse(last.answer.to_json())

    @app.post("/v1/search")
    def search(body: schemas.Search) -> schemas.SearchResults:
        """Find passages that fit a query, best first."""
        query = clean(body.query, assistant.settings.max_question_chars)
        hits = assistant.search(query, body.k, _held(body.jurisdictions, assistant))
        return schemas.SearchResults(
            results=[
                schemas.SearchHit(
                    score=round(hit.score, 4), passage=schemas.PassageInDocument.of(hit.passage, assistant)
                )
                for hit in hits
            ]
        )


def _lookup_routes(app: FastAPI, assistant: Assistant) -> None:
    @app.get("/v1/passages/{passage_id:path}")
    def passage(passage_id: str) -> schemas.PassageInDocument:
        """Look up one passage, with its place in its document."""
        found = assistant.passage(passage_id)
        if found is None:
            raise problems.not_found("such passage", "It may have changed since it was cited: ask again.")
        return schemas.PassageInDocument.of(found, assistant)

    @app.get("/v1/documents/{document_id:path}")
    def document(document_id: str) -> schemas.WholeDocument:
        """Look up a document, with its passages in reading order."""
        found = assistant.document(document_id)
        if found is None:
            raise problems.not_found("such document", "POST /v1/search finds documents by their content.")
        return schemas.WholeDocument.of(*found)

    @app.get("/v1/programmes")
    def programmes() -> list[schemas.ProgrammeItem]:
        """List the programmes that the guidance covers."""
        return [
            schemas.ProgrammeItem(
                code=each.code, name=each.name, authority=each.authority, aliases=[*each.exact, *each.aliases]
            )
            for each in assistant.programmes()
        ]

    @app.get("/v1/mra")
    def arrangements(jurisdiction: str, partner: str | None = None) -> dict[str, Any]:
        """Look up the mutual recognition arrangements of a programme, or those between two, each cited."""
        return assistant.mra(jurisdiction.upper(), partner.upper() if partner else None).to_json()


def _conversation_routes(app: FastAPI, assistant: Assistant) -> None:
    @app.post("/v1/conversations", status_code=201)
    def start(response: Response) -> schemas.Created:
        """Start a conversation."""
        identifier = assistant.conversations.start()
        response.headers["Location"] = f"/v1/conversations/{identifier}"
        return schemas.Created(id=identifier)

    @app.get("/v1/conversations/{conversation_id}")
    def conversation(conversation_id: str) -> schemas.Conversation:
        """Read a conversation's answers, oldest first."""
        if not assistant.conversations.exists(conversation_id):
            raise _no_conversation()
        return schemas.Conversation(id=conversation_id, answers=assistant.conversations.answers(conversation_id))

    @app.delete("/v1/conversations/{conversation_id}", status_code=204)
    def forget(conversation_id: str) -> None:
        """Delete a conversation with all that was said in it."""
        if not assistant.conversations.delete(conversation_id):
            raise _no_conversation()

    @app.post("/v1/feedback", status_code=201)
    def feedback(body: schemas.Feedback) -> schemas.Created:
        """Say whether an answer helped, and why."""
        comment = body.comment.strip()
        return schemas.Created(id=assistant.conversations.add_feedback(body.answer_id, body.helpful, comment, "http"))


def _operator_routes(app: FastAPI, assistant: Assistant, metrics: Metrics) -> None:
    @app.get("/healthz")
    def healthz() -> schemas.Health:
        """Tell that the process runs."""
        return schemas.Health(status="ok")

    @app.get("/readyz")
    def readyz() -> schemas.Health:
        """Tell whether questions can be answered: the index opens and the database answers."""
        version = assistant.index.version
        assistant.conversations.exists("")
        return schemas.Health(status="ready", index_version=version)

    @app.get("/metrics", response_class=Response)
    def exposition() -> Response:
        """Counts and durations in Prometheus's text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _pages(app: FastAPI) -> None:
    for path, file in (("/", "index.html"), ("/docs", "docs.html")):
        page = FileResponse(STATIC / file)
        app.add_api_route(path, lambda page=page: page, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))


def _held(codes: list[str], assistant: Assistant) -> tuple[str, ...]:
    """Codes as the guidance spells them.

    Raises:
        Problem: it holds no such programme.
    """
    held = assistant.index.jurisdictions if codes else ()
    wanted = tuple(dict.fromkeys(code.strip().upper() for code in codes))
    unknown = next((code for code in wanted if code not in held), None)
    if unknown is not None:
        detail = f"The guidance holds no programme '{unknown[:20]}'."
        remedy = f"Known codes: {', '.join(code for code in held if code)}."
        raise problems.Problem(422, "unknown-programme", "Unknown programme", detail, remedy)
    return wanted


def _asker(conversation_id: str | None, request: Request) -> str:
    """Whose account a model's tokens go to: there are no users, so a conversation, else an address."""
    return conversation_id or (request.client.host if request.client else "")


def _no_conversation() -> problems.Problem:
    return problems.not_found("such conversation", "Start one with POST /v1/conversations.")


def _warm(assistant: Assistant) -> None:
    """Open the index and load the embedding model, so that the first question does not wait for them."""
    try:
        assistant.index.embed(["authorized economic operator"])
    except Exception as error:
        log.warning("not ready: %s", error)


def serve(settings: Settings) -> None:
    """Serve the API and the web chat until interrupted.

    Raises:
        SystemExit: the address cannot be listened on; the message, on standard error, says why.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        where = f"{settings.host}:{settings.port}"
        raise SystemExit(f"aeo: cannot listen on {where}: {cause}; use another --port (AEO_PORT)") from None
    config = uvicorn.Config(
        create_app(settings), log_level="warning", server_header=False, timeout_graceful_shutdown=5, lifespan="on"
    )
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    print(f"AEO guidance on http://{host}:{listening.getsockname()[1]}/ (Ctrl+C stops)", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
