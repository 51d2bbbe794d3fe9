"""Bodies of many rows: a JSON array, or one JSON object a line (NDJSON); one object is one row."""

import asyncio
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from serving.api.errors import ApiError, field_problems
from serving.api.v1.problems import FieldProblem

MAX_ROWS = 10_000

Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """The rows of a body that are as they should be, and what is wrong with the others, by index."""

    good: dict[int, Row]
    bad: dict[int, list[FieldProblem]]
    single: bool
    """Whether the body was one object and no list of them."""


async def read_rows(request: Request, shape: type[Row]) -> Rows[Row]:
    """The rows of a request's body, checked in a thread. Raises ApiError (400, 422) for a body of none."""
    body = await request.body()
    return await asyncio.to_thread(parse_rows, body, shape)


def parse_rows(body: bytes, shape: type[Row]) -> Rows[Row]:
    """The rows of a body. Raises ApiError for a body that has none, or more than MAX_ROWS."""
    found, single = _split(body)
    if not found:
        raise ApiError(422, "invalid", "the body has no rows")
    if len(found) > MAX_ROWS:
        raise ApiError(
            422, "invalid", f"the body has {len(found)} rows, more than {MAX_ROWS}: send them in parts"
        )
    good: dict[int, Row] = {}
    bad: dict[int, list[FieldProblem]] = {}
    for index, value in enumerate(found):
        if isinstance(value, _Unreadable):
            bad[index] = [FieldProblem(field=None, detail=value.reason)]
            continue
        try:
            good[index] = shape.model_validate(value)
        except ValidationError as error:
            bad[index] = field_problems(error.errors())
    return Rows(good, bad, single)


@dataclass(frozen=True, slots=True)
class _Unreadable:
    reason: str


def _split(body: bytes) -> tuple[list[Any], bool]:
    text = body.strip()
    try:
        whole = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not text.startswith(b"{"):
            raise ApiError(400, "bad_request", "the body is neither JSON nor one object a line") from error
        return [_line(line) for line in text.splitlines() if line.strip()], False
    return (whole, False) if isinstance(whole, list) else ([whole], True)


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _Unreadable("the line is not JSON")
