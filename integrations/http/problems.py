"""Errors as RFC 9457 problem documents: one line for the cause, one for the remedy, and nothing internal."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from assistant.answer import QuestionError, new_id
from assistant.conversations import DatabaseError
from indexing.versions import IndexMissing, IndexUnusable

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger("aeo.http")


@dataclass(eq=False)
class Problem(Exception):
    """What the caller is told. Raised by routes, and made from other errors by `problem_of`.

    `kind` is the anchor of its explanation on the /docs page, to which `type` points.
    """

    status: int
    kind: str
    title: str
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """The problem document; `remedy` is an extension member."""
        document = {"type": f"/docs#{self.kind}", "title": self.title, "status": self.status, "detail": self.detail}
        return document | ({"remedy": self.remedy} if self.remedy else {})

    def response(self, headers: dict[str, str] | None = None) -> JSONResponse:
        """The document with its status and media type."""
        return JSONResponse(self.to_json(), self.status, headers, MEDIA_TYPE)


def not_found(what: str, remedy: str) -> Problem:
    """404 for an id that nothing has, or that this reader may not see: the two are not told apart."""
    return Problem(404, "not-found", "Not found", f"There is no {what}.", remedy)


def problem_of(error: Exception) -> Problem:
    """What to tell the caller about any error; what only the operator may know goes to the log."""
    match error:
        case Problem():
            return error
        case QuestionError():
            cause, _, remedy = str(error).rpartition("; ")
            return Problem(422, "question-invalid", "Question cannot be asked", _sentence(cause), _sentence(remedy))
        case IndexMissing():
            log.warning("%s", error)
            detail = "The guidance has not been indexed yet."
            return Problem(503, "index-missing", "No index", detail, "The operator runs 'aeo index build'.")
        case IndexUnusable():
            log.error("%s", error)
            detail = "The index was built with another embedding model, or by another release."
            remedy = "The operator runs 'aeo doctor', which tells what differs."
            return Problem(503, "index-unusable", "Index cannot be used", detail, remedy)
        case DatabaseError() | SQLAlchemyError():  # it cannot be opened, or fails while it is used
            log.error("%s", error)
            detail = "Conversations and feedback cannot be read or kept at the moment."
            remedy = "Questions without a conversation are still answered. The operator runs 'aeo doctor'."
            return Problem(503, "database-unavailable", "Database not available", detail, remedy)
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _of_status(error)
    reference = new_id("err")
    log.error("unexpected error %s", reference, exc_info=error)
    remedy = f"Try again. If it stays, tell the operator this reference: {reference}."
    return Problem(500, "internal", "Unexpected error", "Something went wrong on our side.", remedy)


def install(app: FastAPI) -> None:
    """Answer every error that a route can raise with its problem document."""

    def respond(_: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response(dict(getattr(error, "headers", None) or {}))

    for handled in (
        Problem,
        QuestionError,
        IndexMissing,
        IndexUnusable,
        DatabaseError,
        SQLAlchemyError,
        RequestValidationError,
        HTTPException,
    ):
        app.add_exception_handler(handled, respond)


def _invalid(error: RequestValidationError) -> Problem:
    first = error.errors()[0]
    if first["type"] == "json_invalid" or first["loc"] == ("body",):
        return _not_json()
    where = ".".join(str(part) for part in first["loc"][1:])
    reason = "is not a known field" if first["type"] == "extra_forbidden" else str(first["msg"])
    detail = f"{where}: {_lower_first(reason.removeprefix('Value error, '))}."
    return Problem(422, "request-invalid", "Request not valid", detail, "See /docs for the fields of each request.")


def _not_json() -> Problem:
    remedy = "Send a JSON object with the header Content-Type: application/json."
    return Problem(400, "body-not-json", "Body is not JSON", "The request body is not a JSON object.", remedy)


def _of_status(error: HTTPException) -> Problem:
    match error.status_code:
        case 400:
            return _not_json()
        case 404:
            return not_found("such address", "See /docs for the addresses there are.")
        case 405:
            remedy = "See /docs for the methods of each address."
            return Problem(405, "method-not-allowed", "Method not allowed", "This address has no such method.", remedy)
        case 413:
            detail = "The request body is larger than 64 KiB."
            return Problem(413, "body-too-large", "Request too large", detail, "Shorten the question.")
    title = HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, "request-invalid", title, str(error.detail))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
