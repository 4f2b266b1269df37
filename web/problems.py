"""How does a request fail, in the form of RFC 9457 (Problem Details for HTTP APIs)?"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from farandole.operations.errors import (
    ConflictError,
    GoneError,
    InvalidRequestError,
    NotFoundError,
    OperationError,
    RefusedError,
    UnavailableError,
)

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"

_STATUSES: dict[type[OperationError], HTTPStatus] = {
    InvalidRequestError: HTTPStatus.BAD_REQUEST,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    RefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
    GoneError: HTTPStatus.GONE,
    UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


class ProblemStep(BaseModel):
    """A command that helps next."""

    lead: str
    command: str
    note: str


class Problem(BaseModel):
    """The body of every answer that is an error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    """The code of the operation's error, or of the request's: `not_allowed`, `invalid_request`."""
    details: list[str] = []
    """Complete lines, such as the findings about a file."""
    fields: dict[str, Any] = {}
    next_steps: list[ProblemStep] = []


def problem_response(
    status: HTTPStatus, code: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """Return the answer for an error; `more` are other fields of Problem."""
    problem = Problem(title=status.phrase, status=status, code=code, detail=detail, **more)
    return JSONResponse(jsonable_encoder(problem), status, headers=headers, media_type=MEDIA_TYPE)


def add_error_handlers(application: FastAPI) -> None:
    """Let the application answer every error with a Problem."""
    application.add_exception_handler(OperationError, _answer_operation_error)
    application.add_exception_handler(RequestValidationError, _answer_invalid_request)
    application.add_exception_handler(HTTPException, _answer_http_error)
    application.add_exception_handler(Exception, _answer_fault)


async def _answer_operation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, OperationError)
    data = error.to_data()
    status = next(s for kind, s in _STATUSES.items() if isinstance(error, kind))
    return problem_response(
        status,
        data["code"],
        data["message"],
        details=data["details"],
        fields=data["fields"],
        next_steps=data["next_steps"],
    )


async def _answer_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()
    ]
    return problem_response(
        HTTPStatus.BAD_REQUEST, "invalid_request", "; ".join(lines), details=lines
    )


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return problem_response(status, code, str(error.detail), dict(error.headers or {}))


async def _answer_fault(request: Request, error: Exception) -> Response:
    log.exception("web.fault", path=request.url.path, exc_info=error)
    return problem_response(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "fault",
        "this is a fault of Farandole; the log of the console says more",
    )
