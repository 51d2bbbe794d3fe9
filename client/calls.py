"""A request as data, and how its response is read; how a client's method sends an endpoint's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import update_wrapper
from inspect import Parameter, signature
from typing import Any, Generic, TypeVar, get_args

import httpx

from .errors import AnswerUnreadable, NotFound, RequestRefused, ServiceFailed, TooManyRequests

T = TypeVar("T")

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_READS_BY_POST = frozenset(
    {
        "/api/recommend",
        "/matrix_factor/similar",
        "/matrix_factor/user",
        "/recommendations",
        "/recommendations/cart",
        "/search",
        "/v1/recommend",
        "/v1/rerank",
        "/v1/search",
        "/v1/similar",
        "/v1/trending",
    }
)
_KINDS: Mapping[int, type[RequestRefused]] = {404: NotFound, 429: TooManyRequests}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request; `read` takes the decoded body (None when it is empty)."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    again: bool = False
    """Whether it changes nothing more when it is done again, though it is a POST."""
    tagged: bool = False
    """Whether the body gets the answer's ETag, as `etag`."""

    @property
    def repeatable(self) -> bool:
        """Whether it may be done twice: it reads, sets, deletes, or carries a key of its own."""
        harmless = self.method in _IDEMPOTENT or self.path in _READS_BY_POST
        return harmless or self.again or "Idempotency-Key" in self.headers


def outcome(call: Call[T], response: httpx.Response) -> T:
    """What the call gives. Raises RequestRefused, ServiceFailed, or a kind of them: see `client.errors`."""
    if response.is_success:
        try:
            body: Any = response.json() if response.content else None
            return call.read(body | {"etag": response.headers["ETag"]} if call.tagged else body)
        except (ValueError, KeyError, TypeError) as unread:
            raise AnswerUnreadable(response.status_code, response.text) from unread
    error = _error(response)
    message = str(error.get("message", response.reason_phrase))
    if response.is_server_error or not response.is_client_error:
        raise ServiceFailed(f"{response.status_code}: {message}", response.status_code)
    kind = _KINDS.get(response.status_code, RequestRefused)
    raise kind(response.status_code, str(error.get("code", "error")), message, error.get("field"))


def _error(response: httpx.Response) -> dict[str, Any]:
    """Code, message and field of an error: of the original APIs, or a problem of /v1 (RFC 9457)."""
    try:
        body = response.json()
        if "type" in body:
            code = str(body["type"]).rpartition("#")[2]
            return {"code": code, "message": body["detail"], "field": body.get("field")}
        error = body["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def name_after(method: Any, endpoint: Callable[..., Call[Any]]) -> None:
    """Give a client's method the name, docstring, parameters and result of the endpoint that it sends."""
    update_wrapper(method, endpoint)
    found = signature(endpoint)
    own = Parameter("self", Parameter.POSITIONAL_ONLY)
    (result,) = get_args(found.return_annotation)
    method.__annotations__ = {**endpoint.__annotations__, "return": result}
    method.__signature__ = found.replace(
        parameters=[own, *found.parameters.values()], return_annotation=result
    )
