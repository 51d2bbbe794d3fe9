"""Gives up a request that takes too long, so that nobody waits for ever.

It costs a timer for each request, where BentoML's own limit takes a task and a timer that stays for its time.
"""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.errors import TIMED_OUT, error_answer

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""A request is given up whose answer has not begun after so long."""


class TimeLimit:
    """Middleware that answers 504 where nothing else was in time; what was waited for is cancelled."""

    def __init__(self, app: ASGIApp, seconds: float = REQUEST_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = asyncio.timeout(self._seconds)

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start" and not limit.expired():
                limit.reschedule(None)  # from here on it takes what the client takes to read it
            await send(message)

        try:
            async with limit:
                await self._app(scope, receive, send_in_time)
        except TimeoutError:
            if not limit.expired():
                raise
            logger.warning("%s %s took more than %g seconds", scope["method"], scope["path"], self._seconds)
            await error_answer(504, "timed_out", TIMED_OUT)(scope, receive, send)
