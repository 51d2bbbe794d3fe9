"""Bodies of many rows: a JSON array, or one JSON object a line (NDJSON); one object is one row.

Lines are read and checked as they come: of the body only the line that has not ended is held. An array, and
an object that is written on several lines, are read whole.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from serving.api.errors import ApiError, field_problems
from serving.api.v1.problems import FieldProblem

MAX_ROWS = 10_000
MAX_LINE_BYTES = 2**20
"""Of a body of lines: as much as a whole item may have by itself."""
LINES = "application/x-ndjson"
"""What a body of lines may be called; then a line that is not JSON is a row that is refused."""
_LINES = (LINES, "application/ndjson", "application/jsonl", "application/jsonlines")

_BEFORE = b" \t\r\n\v\f\xef\xbb\xbf"
"""What no JSON begins with: white space, and the bytes of the mark that some programs begin a file with."""
_IN_A_THREAD = 4096
"""Bytes from which on a part of a body is read in a thread: fewer take less time than to ask one."""
Row = TypeVar("Row", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """The rows of a body that are as they should be, and what is wrong with the others, by index."""

    good: dict[int, Row]
    bad: dict[int, list[FieldProblem]]
    single: bool
    """Whether the body was one object and no list of them."""


async def read_rows(request: Request, shape: type[Row]) -> Rows[Row]:
    """The rows of a request's body, checked in a thread as they come.

    Raises ApiError for a body without rows or with too many (422), that is no JSON or ended early (400), or
    is too large (413).
    """
    reader = RowReader(shape, lines=_says_lines(request))
    try:
        async for part in request.stream():
            if len(part) < _IN_A_THREAD:
                reader.feed(part)
            else:
                await asyncio.to_thread(reader.feed, part)
    except ClientDisconnect as error:
        raise ApiError(400, "bad_request", "the body ended early: nothing of it is stored") from error
    return await asyncio.to_thread(reader.finish)


class RowReader(Generic[Row]):
    """Reads a body part by part. However it is cut into parts, the rows are the same."""

    def __init__(self, shape: type[Row], *, lines: bool = False) -> None:
        """`lines`: the sender says that the body is lines."""
        self._shape = shape
        self._said_lines = lines
        self._lines: bool | None = None
        """Whether the body is read line by line; None until its first line tells."""
        self._rest = bytearray()
        """What is not read yet: the beginning of a line, or all of a body that is read whole."""
        self._count = 0
        self._single = False
        self._good: dict[int, Row] = {}
        self._bad: dict[int, list[FieldProblem]] = {}

    def feed(self, part: bytes) -> None:
        """Read the next part. Raises ApiError for a row or a line too many."""
        if self._lines is None and not self._rest:
            part = part.lstrip(_BEFORE)
        self._rest += part
        if self._lines is None and self._rest and self._rest[:1] != b"{":
            self._lines = self._said_lines and self._rest[:1] != b"["
        if self._lines is False:
            return
        last = max(part.rfind(b"\n"), part.rfind(b"\r"))
        if last >= 0:
            ended = len(self._rest) - len(part) + last + 1
            lines = bytes(self._rest[:ended]).splitlines()
            if self._lines is None and not self._begins_lines(lines[0]):
                self._lines = False
                return
            self._lines = True
            del self._rest[:ended]
            self._read_lines(lines)
        _refuse_long(self._rest)

    def finish(self) -> Rows[Row]:
        """The rows, after the last part. Raises ApiError for a body of none, and as `feed` does."""
        if self._lines:
            self._read_lines([bytes(self._rest)])
        else:
            self._read_whole(bytes(self._rest).strip())
        if not self._count:
            raise ApiError(422, "invalid", "the body has no rows")
        return Rows(self._good, self._bad, self._single and self._count == 1)

    def _begins_lines(self, first: bytes) -> bool:
        _refuse_long(first)
        return self._said_lines or not isinstance(_line(first), _Unreadable)

    def _read_whole(self, body: bytes) -> None:
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if not body.startswith(b"{"):
                raise ApiError(
                    400, "bad_request", "the body is neither JSON nor one object a line"
                ) from error
            self._read_lines(body.splitlines())
            return
        self._single = not isinstance(found, list)
        for value in found if isinstance(found, list) else [found]:
            self._add(value)

    def _read_lines(self, lines: list[bytes]) -> None:
        for line in lines:
            _refuse_long(line)
            if text := line.strip():
                value = _line(text)
                self._single = not isinstance(value, _Unreadable)
                self._add(value)

    def _add(self, value: Any) -> None:
        if self._count == MAX_ROWS:
            said = f"the body has more than {MAX_ROWS} rows: send them in parts. None of them is stored"
            raise ApiError(422, "invalid", said)
        index, self._count = self._count, self._count + 1
        if isinstance(value, _Unreadable):
            self._bad[index] = [FieldProblem(field=None, detail="the line is not JSON")]
            return
        try:
            self._good[index] = self._shape.model_validate(value)
        except ValidationError as error:
            self._bad[index] = field_problems(error.errors())


class _Unreadable:
    """A line that is not JSON."""


def _line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _Unreadable()


def _refuse_long(line: bytes | bytearray) -> None:
    if len(line) > MAX_LINE_BYTES:
        said = f"a line of the body is longer than {MAX_LINE_BYTES} bytes: none of its rows is stored"
        raise ApiError(413, "body_too_large", said)


def _says_lines(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in _LINES
