"""Answers for a request that failed in a way that nothing foresaw, and logs why."""

import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.errors import INTERNAL, error_answer
from serving.request_context import current_request

logger = logging.getLogger(__name__)


class Failures:
    """Middleware that answers 500 in the one shape, which says no more than where to look."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception:
            request = current_request.get()
            request_id = None if request is None else request.request_id
            logger.exception("%s %s failed, request %s", scope["method"], scope["path"], request_id)
            await error_answer(500, "internal_error", INTERNAL)(scope, receive, send)
