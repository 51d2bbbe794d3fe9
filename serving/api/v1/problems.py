"""Errors of /v1 as RFC 9457 describes them: `application/problem+json`, one shape for every status.

```
{"type": "/docs#invalid", "title": "Invalid request", "status": 422, "detail": "price: must be a number",
 "field": "price", "errors": [{"field": "price", "detail": "must be a number"}]}
```

`type` is stable and what programs go by; `field` and `errors` are there when fields are at fault.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

from serving.api.responses import answer, printable

PREFIX = "/v1"
MEDIA_TYPE = "application/problem+json"

_TITLES = {
    400: "Bad request",
    401: "API key required",
    403: "Not allowed with this key",
    404: "Not found",
    405: "Method not allowed",
    408: "The body took too long",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "The body is too large",
    415: "Unknown kind of body",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Temporarily unavailable",
    504: "Took too long",
}


class FieldProblem(BaseModel):
    """One field at fault."""

    field: str | None = Field(description="its name; of a nested one the path, as in `attributes.colour`")
    detail: str


class Problem(BaseModel):
    """The body of every answer of /v1 that is an error."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: list[FieldProblem] | None = None


def is_v1(path: str) -> bool:
    """Whether a path is of /v1."""
    return path == PREFIX or path.startswith(PREFIX + "/")


def problem(
    status: int,
    code: str,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as a response; `code` names its kind, such as `item_not_found`."""
    body: dict[str, Any] = {
        "type": f"/docs#{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": printable(detail),
    }
    if errors:
        body["field"] = _printable(errors[0].field)
        body["errors"] = [
            {"field": _printable(each.field), "detail": printable(each.detail)} for each in errors
        ]
    return answer(body, status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route of /v1 that may answer with these errors."""
    return {
        status: {
            "description": _TITLES[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def schemas() -> dict[str, Any]:
    """The shapes of `documented`, as components of the OpenAPI document."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def _printable(field: str | None) -> str | None:
    return None if field is None else printable(field)
