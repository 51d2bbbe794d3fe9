"""ETag, If-Match and If-None-Match (RFC 9110) of what /v1 shows one by one."""

from hashlib import blake2b
from typing import Annotated, Any

import orjson
from fastapi import Header, Response

from serving.api.errors import ApiError
from serving.api.responses import answer

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="only if it still has this ETag; `*`: only if it is there"),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="only if it has another ETag; `*`: only if it is not there"),
]


def etag_of(shape: dict[str, Any]) -> str:
    """The ETag of a JSON answer, quotes included."""
    digest = blake2b(orjson.dumps(shape, option=orjson.OPT_UTC_Z), digest_size=12).hexdigest()
    return f'"{digest}"'


def read(shape: dict[str, Any], if_none_match: str | None) -> Response:
    """The answer that shows it: 304 without a body to a client that has its ETag already."""
    headers = {"ETag": etag_of(shape)}
    if if_none_match is not None and matches(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return answer(shape, headers=headers)


def check(shape: dict[str, Any] | None, if_match: str | None, if_none_match: str | None = None) -> None:
    """Raises ApiError (412) when a write is not to be done to what is there now; None is nothing."""
    if if_match is not None and (shape is None or not matches(if_match, etag_of(shape))):
        raise ApiError(412, "changed_meanwhile", "it is not what If-Match names: read it again")
    if if_none_match is not None and shape is not None and matches(if_none_match, etag_of(shape)):
        raise ApiError(412, "changed_meanwhile", "it is there already, which If-None-Match rules out")


def matches(header: str, etag: str) -> bool:
    """Whether one of a header's ETags is this one."""
    return header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]
