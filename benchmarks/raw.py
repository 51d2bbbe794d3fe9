"""The least that an ASGI server can do: as many fixed bytes as SHORTLIST_BENCHMARK_BYTES says."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

SIZE = "SHORTLIST_BENCHMARK_BYTES"
_BODY = b"x" * int(os.environ.get(SIZE, "30000"))
_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(_BODY)).encode())]


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer any request."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})
