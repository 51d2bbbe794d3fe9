"""Gives an answer of lists again, as it was sent, where nothing has changed that it was made of.

The plane tells whether that is so (`Again`), by the database like any request; past this are the router, the
reading of arguments, the making of lists and their JSON. Hosts, keys, limits and headers are seen to before.
"""

from collections.abc import Callable, Hashable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.protocol import PlaneProtocol
from serving.lists.answers import Answer
from serving.request_context import Request, current_request

_PATHS = ("/recommendations/home", "/recommendations/product/", "/recommendations/search")
"""Beginnings of the paths whose answers depend on nothing of a request but path, query and client."""

_LONGEST = 500
"""Bytes of a query above which its answer is not kept: it would take more memory than is counted for it."""


class Repeats:
    """Middleware next to the router."""

    def __init__(self, app: ASGIApp, plane: Callable[[], PlaneProtocol]) -> None:
        self._app = app
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = current_request.get()
        if request is None or scope["type"] != "http" or not _may_repeat(scope):
            await self._app(scope, receive, send)
            return
        answers = self._plane().lists.answers
        asked = _asked(scope)
        known = answers.find(asked)
        if known is not None and await _still(known, request):
            scope["route"] = known.route
            await send({"type": "http.response.start", "status": 200, "headers": list(known.headers)})
            await send({"type": "http.response.body", "body": known.body})
            return
        answers.drop(asked)
        head: Message = {}

        async def send_and_keep(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message  # sent with the body: nothing comes between the making of a list and this
                return
            if head:
                whole = head["status"] == 200 and not message.get("more_body", False)
                answer = _answer(scope, request, head, message["body"]) if whole else None
                if answer is not None:
                    answers.keep(asked, answer)
                await send(head)
                head = {}
            await send(message)

        await self._app(scope, receive, send_and_keep)


def _answer(scope: Scope, request: Request, head: Message, body: bytes) -> Answer | None:
    """What may be sent again; None where nobody can tell for how long it holds."""
    if request.again is None or request.stale or request.words_only:
        return None
    body = bytes(memoryview(body))  # a copy: orjson's takes up to twice its length
    headers = tuple(head["headers"])
    return Answer(headers, body, scope["route"], request.ignored, request.shown, request.again)


def _may_repeat(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "GET" and path.startswith(_PATHS) and len(scope["query_string"]) <= _LONGEST


def _asked(scope: Scope) -> Hashable:
    return scope["path"], scope["query_string"]


async def _still(known: Answer, request: Request) -> bool:
    """Whether an answer is still right; then it is counted and logged as this request's."""
    request.ignored, request.shown = known.ignored, known.shown
    if await known.again():
        return True
    request.ignored, request.shown = (), None
    return False
