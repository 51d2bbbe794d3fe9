"""Straight into the app, past what BentoML does with each request before it asks a mounted app.

Its limit of time, its context of a request, its router and its handling of errors are of no use to an app
that has its own, and answered paths that end with a slash, and errors, in shapes of their own.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

BENTOMLS = frozenset({"/healthz", "/livez", "/readyz", "/schema.json"})
"""What BentoML answers itself."""
_READS = frozenset({"GET", "HEAD"})


class Entrance:
    """In front of BentoML: hands requests to the app; BentoML's own paths, and what is no request, on."""

    def __init__(self, app: ASGIApp, *, into: ASGIApp) -> None:
        self._bentoml = app
        self._into = into

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        theirs = scope["type"] != "http" or (scope["path"] in BENTOMLS and scope["method"] in _READS)
        await (self._bentoml if theirs else self._into)(scope, receive, send)
