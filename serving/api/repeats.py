"""Gives an answer of lists again, as it was sent, where nothing has changed that it was made of.

The plane tells whether that is so (`Again`), by the database like any request; past this are the router, the
reading of arguments, the making of lists and their JSON. Hosts, keys, limits and headers are seen to before.
"""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.protocol import ListsProtocol, PlaneProtocol
from serving.lists.answers import Answer
from serving.request_context import Request, current_request

_PATHS = ("/recommendations/home", "/recommendations/product/", "/recommendations/search")
"""Beginnings of the paths whose answers depend on nothing of a request but path, query and client."""

_OF_USER = _PATHS[0]
"""That of the paths whose answers workers share: those that are everybody's are made but once on each."""

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
        lists = self._plane().lists
        answers, asked = lists.answers, _asked(scope)
        known = answers.find(asked)
        if known is None or not await _still(known, request):
            answers.drop(asked)
            of_user = scope["path"].startswith(_OF_USER)
            known = await _of_another(lists, asked, scope, request) if of_user else None
        if known is not None:
            scope["route"] = known.route
            await send({"type": "http.response.start", "status": 200, "headers": list(known.headers)})
            await send({"type": "http.response.body", "body": known.body})
            return
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
                    if request.share is not None:
                        request.share(asked, answer.headers, answer.route.path, answer.body)
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


def _asked(scope: Scope) -> bytes:
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    return query + b"\n" + path.encode(errors="surrogatepass")  # no query has a line break


async def _of_another(lists: ListsProtocol, asked: bytes, scope: Scope, request: Request) -> Answer | None:
    """What another worker has answered to this, and this one would; it is then kept as this one's own."""
    found = await lists.answer_of_another(asked)
    if found is None or request.again is None:
        return None
    shared, body = found
    routes = scope["app"].routes
    route = next(each for each in routes if getattr(each, "path", None) == shared.route)
    answer = Answer(shared.headers, body, route, request.ignored, request.shown, request.again)
    lists.answers.keep(asked, answer)
    return answer


async def _still(known: Answer, request: Request) -> bool:
    """Whether an answer is still right; then it is counted and logged as this request's."""
    request.ignored, request.shown = known.ignored, known.shown
    if await known.again():
        return True
    request.ignored, request.shown = (), None
    return False
