"""Errors as consumers see them: one shape for every status.

```
{"detail": "a sentence", "error": {"code": "bad_request", "message": "the same sentence", "field": "user_id"}}
```

`detail` is what clients of FastAPI and of Django REST framework read; `field` is there when one is at fault.
Under /v1 the same errors have the shape of RFC 9457: see `serving.api.v1.problems`.
"""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.api.airflow_runs import AirflowUnavailableError, RunNotFoundError, TrainingPausedError
from serving.api.responses import answer, printable
from serving.api.v1.problems import FieldProblem, is_v1, problem
from serving.errors import (
    AlreadyExistsError,
    DatabaseBusyError,
    DatabaseUnavailableError,
    EditConflictError,
    EncoderUnavailableError,
    ItemExistsError,
    ItemNotFoundError,
    KeyReusedError,
    ModelNotReadyError,
    NotFoundError,
    ServingError,
    UserExistsError,
    UserNotFoundError,
)

logger = logging.getLogger(__name__)

MALFORMED = "malformed"
"""Type of the validation errors that answer 400: an id or a query that breaks the original APIs' rules."""
NO_SUCH = "no_such"
"""Type of the validation errors that answer 404: an id that nothing can have."""

_STATUS_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    412: "changed_meanwhile",
    413: "body_too_large",
    415: "unsupported_body",
    422: "invalid",
    429: "too_many_requests",
    503: "unavailable",
}
_DRF_PATHS = ("/api/articles", "/api/recommend")
INTERNAL = "internal error; the service's log has details under this request id"
TIMED_OUT = "it took too long and was given up: what was to be stored may or may not be"
_RETRY_AFTER = {"Retry-After": "2"}
_MOST_ERRORS = 100
"""Fields at fault that one answer of /v1 names."""
_LONGEST_NAME = 100
"""Characters of a field's name that an error repeats: it may be the sender's own, and long."""


class ErrorBody(BaseModel):
    """What went wrong, for programs."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(BaseModel):
    """The body of every answer that is an error."""

    detail: str
    error: ErrorBody


class ApiError(HTTPException, ServingError):
    """An error that a router raises on purpose, with its status, code and the field at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.field = field


class ErrorResponse(Response):
    """An error as a response: in the one shape or, under /v1, as a problem."""

    def __init__(self, in_one_shape: Response, in_v1: Response) -> None:
        super().__init__(status_code=in_one_shape.status_code)
        self.body, self.raw_headers = in_one_shape.body, in_one_shape.raw_headers
        self._in_v1 = in_v1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_v1(scope["path"]):
            await self._in_v1(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def error_answer(
    status: int,
    code: str,
    message: str,
    field: str | None = None,
    *,
    headers: dict[str, str] | None = None,
    errors: Sequence[FieldProblem] = (),
) -> Response:
    """The error as a response; `errors` is for /v1, which names every field at fault."""
    message = printable(message)
    error: dict[str, str] = {"code": code, "message": message}
    if field is not None:
        error["field"] = printable(field)
        errors = errors or (FieldProblem(field=field, detail=message),)
    shape = answer({"detail": message, "error": error}, status, headers)
    return ErrorResponse(shape, problem(status, code, message, errors, headers))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route that may answer with these errors, each with an example."""
    return {status: _document(status) for status in statuses}


def install(app: FastAPI) -> None:
    """Make every error of the app answer in the one shape."""
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ServingError, _on_serving)


async def _on_invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    errors = exc.errors()
    status = _validation_status(request.url.path, errors)
    message = "; ".join(_sentence(error) for error in errors[:5])
    return error_answer(
        status, _STATUS_CODES[status], message, _field(errors[0]), errors=field_problems(errors, skip=1)
    )


def field_problems(errors: Sequence[Any], skip: int = 0) -> list[FieldProblem]:
    """What is wrong with which field, of the first errors of a validation.

    `skip` parts at the front of each error's place are no field: "body" or "query".
    """
    return [
        FieldProblem(field=_name(error["loc"][skip:]), detail=_reason(error))
        for error in errors[:_MOST_ERRORS]
    ]


def _name(place: Sequence[Any]) -> str | None:
    return ".".join(str(part)[:_LONGEST_NAME] for part in place) or None


def _validation_status(path: str, errors: Sequence[Any]) -> int:
    if is_v1(path):
        return 400 if errors[0]["type"] == "json_invalid" else 422
    if any(error["type"] == NO_SUCH for error in errors):
        return 404
    if path.startswith(_DRF_PATHS) or all(_is_malformed(error) for error in errors):
        return 400
    return 422


def _is_malformed(error: Any) -> bool:
    missing_from_url = error["type"] == "missing" and error["loc"][0] in ("query", "path")
    return bool(error["type"] in (MALFORMED, "json_invalid") or missing_from_url)


def _field(error: Any) -> str | None:
    names = [str(part)[:_LONGEST_NAME] for part in error["loc"][1:]]
    return ".".join(names) if names and error["type"] != "json_invalid" else None


def _sentence(error: Any) -> str:
    if error["type"] == "json_invalid":
        return _reason(error)
    field = _field(error)
    return f"{field or 'body'}: {_reason(error)}"


def _reason(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    return "the body is not JSON" if error["type"] == "json_invalid" else str(error["msg"])


async def _on_http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    headers = dict(exc.headers) if exc.headers else None
    if isinstance(exc, ApiError):
        return error_answer(exc.status_code, exc.code, str(exc.detail), exc.field, headers=headers)
    code = _STATUS_CODES.get(exc.status_code, "error")
    return error_answer(exc.status_code, code, str(exc.detail), headers=headers)


async def _on_serving(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ServingError)
    for kind, status, code in _SERVING:
        if isinstance(exc, kind):
            headers = _RETRY_AFTER if status == 503 else None
            return error_answer(status, code, str(exc), headers=headers)
    logger.error("no status for %s: %s", type(exc).__name__, exc)
    return error_answer(500, "internal_error", INTERNAL)


_SERVING: tuple[tuple[type[ServingError], int, str], ...] = (
    (ItemNotFoundError, 404, "item_not_found"),
    (UserNotFoundError, 404, "user_not_found"),
    (RunNotFoundError, 404, "run_not_found"),
    (NotFoundError, 404, "not_found"),
    (ItemExistsError, 409, "item_exists"),
    (UserExistsError, 409, "user_exists"),
    (AlreadyExistsError, 409, "already_exists"),
    (EditConflictError, 409, "edit_conflict"),
    (KeyReusedError, 422, "idempotency_key_reused"),
    (TrainingPausedError, 409, "training_paused"),
    (ModelNotReadyError, 503, "model_not_trained"),
    (EncoderUnavailableError, 503, "encoder_unavailable"),
    (AirflowUnavailableError, 503, "airflow_unavailable"),
    (DatabaseBusyError, 503, "database_busy"),
    (DatabaseUnavailableError, 503, "database_unavailable"),
)
"""First match wins: a leaf stands before its branch."""

_EXAMPLES: dict[int, tuple[str, str, str, str | None]] = {
    400: ("Malformed request", "bad_request", "user_id: must be 1 to 50 letters or digits", "user_id"),
    401: ("API key required", "unauthorized", "unauthorized", None),
    404: ("Not found", "item_not_found", "no item 'ABCD1234XY'", None),
    409: ("Conflict", "item_exists", "item 'content456' already exists", None),
    413: ("The body is too large", "body_too_large", "the body is larger than 1048576 bytes", None),
    422: (
        "Does not match the schema",
        "invalid",
        "event_type: Input should be 'product_click'",
        "event_type",
    ),
    429: ("Too many requests", "too_many_requests", "too many requests: try again later", None),
    500: ("Internal error", "internal_error", INTERNAL, None),
    503: (
        "Temporarily unavailable",
        "model_not_trained",
        "model 'als' is not ready: no bundle is deployed",
        None,
    ),
    504: ("Took too long", "timed_out", TIMED_OUT, None),
}


def _document(status: int) -> dict[str, Any]:
    description, code, message, field = _EXAMPLES[status]
    error = {"code": code, "message": message} | ({"field": field} if field else {})
    example = {"detail": message, "error": error}
    return {
        "model": ErrorAnswer,
        "description": description,
        "content": {"application/json": {"example": example}},
    }
