"""The middleware, as plain ASGI: each class does one thing before a request reaches its router.

Order, outermost first: Envelope (ids, metrics), AllowedHosts (allowed_hosts.py), Origins (origins.py),
Failures (failures.py), TimeLimit (time_limit.py), RateLimit, KeyCheck, BodyLimit, HeadAsGet, Repeats
(repeats.py). A page of another origin may read what is answered within Origins, errors too.
"""

import asyncio
import random
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from pyrate_limiter import Duration, Limiter, Rate, StateBucket, TokenBucket
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from database.settings import Settings
from serving.api.auth import Keys, given_key, is_loopback, is_public, key_of_beacon
from serving.api.connections import Connections
from serving.api.errors import ApiError, error_answer
from serving.api.unknown_fields import HEADER, header_of
from serving.observe.http_metrics import Metrics
from serving.request_context import Request, current_request

MAX_DEPTH = 32
"""Deepest nesting of a JSON body."""

BATCHES = frozenset({"/v1/items:batch", "/v1/users:batch", "/v1/events"})
"""Paths of bodies of many rows: they may be larger, and their parser refuses what is nested too deep."""

STREAMED = frozenset({"/v1/items:batch", "/v1/users:batch"})
"""Those of them that are read as they come."""

BODY_SECONDS = 20.0
"""A body has so long to come: the rest of its request's time (time_limit.py) is for storing what it holds."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_RANDOM = random.Random()
"""For request ids, which are no secrets: faster than uuid4, and nobody else gives it a seed."""
_MAX_CLIENTS = 10_000


class Envelope:
    """Gives a request its id, normalises its path, and counts it.

    It has the server close a connection that would be better off at another worker.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        bundle_id: Callable[[], str],
        stale: Callable[[], bool],
        metrics: Metrics,
        connections: Connections,
    ):
        self._app = app
        self._keys = Keys(settings)
        self._bundle_id = bundle_id
        self._stale = stale
        self._metrics = metrics
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["path"] = _without_slash(scope)
        started = time.perf_counter()
        status = 500
        request = Request(request_id.decode(), stranger=_stranger(scope, self._keys))
        current_request.set(request)
        self._connections.begin()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id)]
                bundle_id = request.bundle_id or self._bundle_id()
                headers.append((b"x-bundle", bundle_id.encode("latin-1", "replace")))
                if request.stale or self._stale():
                    headers.append((b"x-stale", b"true"))
                if request.words_only:
                    headers.append((b"x-words-only", b"true"))
                if request.ignored:
                    headers.append((HEADER.lower().encode(), header_of(request.ignored)))
                if status < 400 and self._connections.closes():
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            self._connections.end()
            self._metrics.observe(scope, status, time.perf_counter() - started)


def _without_slash(scope: Scope) -> str:
    """The path without the slashes that end it as it was sent: one that is part of an id, %2F, stays."""
    path: str = scope["path"]
    sent: bytes = scope.get("raw_path") or path.encode()
    return path[: len(path) - (len(sent) - len(sent.rstrip(b"/")))] or "/"


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return b"%032x" % _RANDOM.getrandbits(128)


class RateLimit:
    """A token bucket for each accepted key or, without one, address; loopback is free.

    Answers tell what is left of it: `RateLimit-Limit`, `-Remaining`, and `-Reset`, seconds until it is full.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = Keys(settings)
        per_minute = settings.rate_limit_per_minute
        self._per_minute = per_minute
        self._rate = Rate(per_minute, Duration.MINUTE)
        self._limiters: OrderedDict[str, tuple[Limiter, StateBucket]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = self._client(scope)
        if client is None:
            await self._app(scope, receive, send)
            return
        limiter, bucket = self._limiter(client)
        allowed = limiter.try_acquire(client, blocking=False)
        left = self._headers(bucket)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *left]
            await send(message)

        if allowed:
            await self._app(scope, receive, send_with_headers)
            return
        wait = str(max(1, ceil(60 / self._per_minute)))
        response = error_answer(
            429, "too_many_requests", "too many requests: try again later", headers={"Retry-After": wait}
        )
        await response(scope, receive, send_with_headers)

    def _headers(self, bucket: StateBucket) -> list[tuple[bytes, bytes]]:
        used = min(int(bucket.count()), self._per_minute)  # type: ignore[arg-type]  # it is in memory
        figures = {
            b"ratelimit-limit": self._per_minute,
            b"ratelimit-remaining": self._per_minute - used,
            b"ratelimit-reset": ceil(60 * used / self._per_minute),
        }
        return [(name, str(value).encode()) for name, value in figures.items()]

    def _limiter(self, client: str) -> tuple[Limiter, StateBucket]:
        found = self._limiters.pop(client, None)
        if found is None:
            bucket = StateBucket([self._rate], TokenBucket())
            found = Limiter(bucket), bucket
        self._limiters[client] = found
        if len(self._limiters) > _MAX_CLIENTS:
            self._limiters.popitem(last=False)
        return found

    def _client(self, scope: Scope) -> str | None:
        if (host := _far_host(scope)) is None:
            return None
        key = given_key(scope["headers"])
        return f"key {key!r}" if self._keys.accepts(key) else host


def _far_host(scope: Scope) -> str | None:
    """The client's address; None on this machine."""
    host = scope["client"][0] if scope.get("client") else None
    return None if host is None or is_loopback(host) else str(host)


def _stranger(scope: Scope, keys: Keys) -> str | None:
    """The client's address, unless it is on this machine or has a key that is accepted."""
    host = _far_host(scope)
    return None if host is None or keys.accepts(given_key(scope["headers"])) else host


_NO_KEY = (401, "unauthorized", "unauthorized")


class KeyCheck:
    """Refuses a request that needs a key and has none that is accepted; says no more than that."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._keys = Keys(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._keys.needed(scope["method"], scope["path"]):
            given = given_key(scope["headers"])
            in_url = key_of_beacon(scope["method"], scope["path"], scope["query_string"])
            public = self._keys.is_public(given if given is not None else in_url)
            if not (self._keys.accepts(given) or (public and is_public(scope["method"], scope["path"]))):
                refusal = (403, "forbidden", "a public key reads and logs events only") if public else _NO_KEY
                await error_answer(*refusal)(scope, receive, send)
                return
            if public and (request := current_request.get()) is not None:
                request.from_page = True
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads a body of at most so many bytes and so deep, and hands it on whole.

    None that ends early, takes too long to come or is compressed.

    A body that is STREAMED is handed on as it comes, to a route that refuses one that ends early.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_batch_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_batch_bytes = max_batch_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        batch = scope["path"] in BATCHES
        most = self._max_batch_bytes if batch else self._max_bytes
        try:
            if _declared_length(scope) > most:
                raise _too_large(most)
            _refuse_encoded(scope)
            limited = _limited(receive, most)
            if scope["path"] not in STREAMED:
                body = await _read(limited)
                if not batch and _too_deep(body):
                    message = f"the body is nested deeper than {MAX_DEPTH} levels"
                    raise ApiError(400, "body_too_deep", message)
                limited = _replay(body, receive)
        except ApiError as error:
            headers = dict(error.headers) if error.headers else None
            refusal = error_answer(error.status_code, error.code, str(error.detail), headers=headers)
            await refusal(scope, receive, send)
            return
        await self._app(scope, limited, send)


def _too_large(most: int) -> ApiError:
    return ApiError(413, "body_too_large", f"the body is larger than {most} bytes")


def _limited(receive: Receive, most: int) -> Receive:
    """The same messages. Raises ApiError with the one by which a body has more than `most` bytes (413), and
    when it has not ended after BODY_SECONDS (408)."""
    size, ended = 0, False
    until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def limited() -> Message:
        nonlocal size, ended
        try:
            async with asyncio.timeout_at(None if ended else until):
                message = await receive()
        except TimeoutError as error:
            said = f"the body did not end within {BODY_SECONDS:.0f} seconds: nothing of it is stored"
            raise ApiError(408, "body_too_slow", said, headers={"Connection": "close"}) from error
        ended = not message.get("more_body", False)
        size += len(message.get("body", b""))
        if size > most:
            raise _too_large(most)
        return message

    return limited


async def _read(receive: Receive) -> bytes:
    """A whole body. Raises ApiError (400) when its sender is gone before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ApiError(400, "bad_request", "the body ended early")
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


class HeadAsGet:
    """Answers HEAD as GET, without the body; its lists are logged as not shown."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        if (request := current_request.get()) is not None:
            request.headers_only = True

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        asked = {**scope, "method": "GET"}
        await self._app(asked, receive, send_headers)
        scope["route"] = asked.get("route")


def _refuse_encoded(scope: Scope) -> None:
    """Raises ApiError (415) for a body that is compressed."""
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            said = f"a body in {value.decode('latin-1')!r} is not read: send it as it is"
            raise ApiError(415, "unsupported_body", said)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH; bodies with few brackets are not even scanned."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(body):
        mark = token.group()
        if mark in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif mark in (b"]", b"}"):
            depth -= 1
    return False


_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Possessive, and content with an unclosed string: linear in the body whatever it holds."""
