"""Answers as bytes: orjson, with the headers a JSON answer has."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def answer(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """A JSON response; dates, UUIDs and numpy numbers are written as JSON clients expect."""
    return Response(orjson.dumps(content, option=_OPTIONS), status, headers, media_type=media_type)


def written(content: Any) -> orjson.Fragment:
    """A part of an answer, as `answer` would write it: what many answers have is written once."""
    return orjson.Fragment(orjson.dumps(content, option=_OPTIONS))


def printable(text: str) -> str:
    """A text that can be encoded: halves of surrogate pairs become escapes such as \\ud83c."""
    return text.encode("utf-8", "backslashreplace").decode()
