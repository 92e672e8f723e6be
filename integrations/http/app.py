"""The routes of the HTTP API, the web chat beside them, and the server that `aeo serve` runs."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import uvicorn
from fastapi import Body, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

from assistant.answer import Answer, Audience, Event, Question
from assistant.guard import clean
from assistant.service import Assistant
from assistant.settings import Settings
from indexing.passages import Passage
from integrations.http import problems, streaming
from integrations.http.metrics import Metrics
from integrations.http.middleware import Boundary

STATIC = Path(__file__).parent / "static"
MAX_COMMENT_CHARS = 2000

log = logging.getLogger("aeo.http")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskBody(_Body):
    """A question."""

    question: str = Field(examples=["How long does EU customs have to decide on an AEO application?"])
    jurisdictions: list[str] = Field(
        [], max_length=20, description="Programme codes; none: recognised from the question"
    )
    audience: Audience | None = None
    conversation_id: str | None = Field(
        None, max_length=40, description="Of POST /v1/conversations: follow-ups are understood"
    )


class SearchBody(_Body):
    """A search."""

    query: str = Field(examples=["financial solvency"])
    k: int = Field(10, ge=1, le=100, description="How many passages at most")
    jurisdictions: list[str] = Field([], max_length=20, description="Programme codes; none: all")


class FeedbackBody(_Body):
    """Whether an answer helped."""

    answer_id: str = Field(pattern=r"^ans_[0-9a-f]{20}$")
    helpful: bool
    comment: str = Field("", max_length=MAX_COMMENT_CHARS)


def create_app(settings: Settings, assistant: Assistant | None = None) -> FastAPI:
    """The application over the index and database of `settings`, or over `assistant`.

    It starts without an index, too: what needs one answers 503 until there is one.
    """
    served = assistant or Assistant(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=_warm, args=(served,), daemon=True).start()
        yield

    app = FastAPI(
        title="AEO guidance",
        version="1",
        description="Answers about Authorized Economic Operator programmes, with the passage that each statement stands on.",
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
    return app


def _question_routes(app: FastAPI, assistant: Assistant, metrics: Metrics) -> None:
    @app.post("/v1/ask", response_model=None, responses={200: {"model": Answer, "content": {streaming.MEDIA_TYPE: {}}}})
    def ask(body: Annotated[AskBody, Body()], request: Request) -> Response:
        """Answer a question.

        With `Accept: text/event-stream`, the answer arrives as it is made: `step` {name}, `sentence` {text}, at last
        `answer` (the whole, as without), or `error` (a problem document).
        """
        if body.conversation_id is not None and not assistant.conversations.exists(body.conversation_id):
            raise _no_conversation()
        question = Question(
            text=body.question,
            jurisdictions=_known(body.jurisdictions, assistant),
            audience=body.audience,
            conversation_id=body.conversation_id,
        )
        events = cast(Generator[Event], assistant.stream(question))
        first = next(events)  # a question that cannot be asked fails here, before a status is sent

        def done(answer: Answer | None) -> None:
            if answer is None:
                metrics.stopped()
            else:
                metrics.answered(answer)

        if streaming.MEDIA_TYPE in request.headers.get("accept", ""):
            return streaming.EventStream(first, events, done)
        *_, last = (first, *events)
        assert last.answer is not None
        done(last.answer)
        return JSONResponse(last.answer.to_json())

    @app.post("/v1/search")
    def search(body: Annotated[SearchBody, Body()]) -> dict[str, Any]:
        """Passages that fit a query, best first."""
        query = clean(body.query, assistant.settings.max_question_chars)
        hits = assistant.search(query, body.k, _known(body.jurisdictions, assistant))
        return {
            "query": query,
            "results": [{"score": round(hit.score, 4), **_passage(hit.passage, assistant)} for hit in hits],
        }


def _lookup_routes(app: FastAPI, assistant: Assistant) -> None:
    @app.get("/v1/passages/{passage_id:path}")
    def passage(passage_id: str) -> dict[str, Any]:
        """One passage, with its place in its document."""
        found = assistant.passage(passage_id)
        if found is None:
            raise problems.not_found(f"passage '{passage_id}'", "It may have changed since it was cited: ask again.")
        return _passage(found, assistant)

    @app.get("/v1/documents/{document_id:path}")
    def document(document_id: str) -> dict[str, Any]:
        """A document and its passages in reading order."""
        found = assistant.document(document_id)
        if found is None:
            raise problems.not_found(f"document '{document_id}'", "POST /v1/search finds documents by their content.")
        head, passages = found
        left_out = ("access", "content_hash", "original")
        fields = {name: value for name, value in asdict(head).items() if name not in left_out}
        return fields | {"passages": [_passage_fields(each) for each in passages]}

    @app.get("/v1/programmes")
    def programmes() -> list[dict[str, Any]]:
        """Programmes that the guidance covers."""
        return [
            {"code": each.code, "name": each.name, "authority": each.authority, "aliases": [*each.exact, *each.aliases]}
            for each in assistant.programmes()
        ]


def _conversation_routes(app: FastAPI, assistant: Assistant) -> None:
    @app.post("/v1/conversations", status_code=201)
    def start(response: Response) -> dict[str, str]:
        """Start a conversation."""
        identifier = assistant.conversations.start()
        response.headers["Location"] = f"/v1/conversations/{identifier}"
        return {"id": identifier}

    @app.get("/v1/conversations/{conversation_id}")
    def conversation(conversation_id: str) -> dict[str, Any]:
        """The answers of a conversation, oldest first."""
        if not assistant.conversations.exists(conversation_id):
            raise _no_conversation()
        return {"id": conversation_id, "answers": assistant.conversations.answers(conversation_id)}

    @app.delete("/v1/conversations/{conversation_id}", status_code=204)
    def forget(conversation_id: str) -> None:
        """Delete a conversation with all that was said in it."""
        if not assistant.conversations.delete(conversation_id):
            raise _no_conversation()

    @app.post("/v1/feedback", status_code=201)
    def feedback(body: Annotated[FeedbackBody, Body()]) -> dict[str, str]:
        """Say whether an answer helped, and why."""
        identifier = assistant.conversations.add_feedback(body.answer_id, body.helpful, body.comment.strip(), "web")
        return {"id": identifier}


def _operator_routes(app: FastAPI, assistant: Assistant, metrics: Metrics) -> None:
    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Whether the process runs."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> dict[str, Any]:
        """Whether questions can be answered: the index opens and the database answers."""
        version = assistant.index.version
        assistant.conversations.exists("")
        return {"status": "ready", "index_version": version}

    @app.get("/metrics", response_class=Response)
    def exposition() -> Response:
        """Counts and durations in Prometheus's text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _pages(app: FastAPI) -> None:
    for path, file in (("/", "index.html"), ("/docs", "docs.html")):
        page = FileResponse(STATIC / file)
        app.add_api_route(path, lambda page=page: page, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))


def _known(codes: list[str], assistant: Assistant) -> tuple[str, ...]:
    """The codes, in capitals.

    Raises:
        Problem: the guidance holds no such programme.
    """
    if not codes:
        return ()
    held = [programme.code for programme in assistant.programmes()]
    wanted = tuple(dict.fromkeys(code.strip().upper() for code in codes))
    unknown = [code for code in wanted if code not in held]
    if unknown:
        detail = f"The guidance holds no programme '{unknown[0][:20]}'."
        remedy = f"Known codes: {', '.join(held)}."
        raise problems.Problem(422, "unknown-programme", "Unknown programme", detail, remedy)
    return wanted


def _no_conversation() -> problems.Problem:
    return problems.not_found("such conversation", "Start one with POST /v1/conversations.")


def _passage(passage: Passage, assistant: Assistant) -> dict[str, Any]:
    found = assistant.document(passage.document_id)
    document = {"id": found[0].id, "title": found[0].title, "publisher": found[0].publisher} if found else None
    return _passage_fields(passage) | {"document": document}


def _passage_fields(passage: Passage) -> dict[str, Any]:
    return {name: value for name, value in asdict(passage).items() if name not in ("document_id", "access")}


def _warm(assistant: Assistant) -> None:
    """Open the index and load the embedding model, so that the first question does not wait for them."""
    try:
        assistant.search("authorized economic operator", 1)
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
        where = f"{settings.host}:{settings.port}"
        raise SystemExit(
            f"aeo: cannot listen on {where} ({error.strerror}); choose another with AEO_HOST, AEO_PORT"
        ) from None
    host = f"[{settings.host}]" if family == socket.AF_INET6 else settings.host
    print(f"AEO guidance on http://{host}:{listening.getsockname()[1]}/ (Ctrl+C stops)", flush=True)
    config = uvicorn.Config(
        create_app(settings), log_level="warning", server_header=False, timeout_graceful_shutdown=5, lifespan="on"
    )
    uvicorn.Server(config).run(sockets=[listening])
