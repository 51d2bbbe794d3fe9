"""Which `Host` a request may name: a page of another site that points its name at this machine is refused.

An address is always allowed, as no name can be made to stand for it (DNS rebinding needs a name).
"""

from functools import lru_cache
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from database.settings import Settings
from serving.api.errors import error_answer

ANY = "*"
_LONGEST = 300
"""Characters of a header that can name a host: a name has 253 at most. Longer ones would fill the memory."""


class AllowedHosts:
    """Answers 421 to requests for a host that the settings don't name."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._allowed = allowed_hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or ANY in self._allowed or is_allowed(_host(scope), self._allowed):
            await self._app(scope, receive, send)
            return
        message = "this host is not served: add it to SHORTLIST_ALLOWED_HOSTS"
        await error_answer(421, "host_not_allowed", message)(scope, receive, send)


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names of the settings, lower case, and this machine's own."""
    named = {name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip()}
    return frozenset({"localhost", settings.service_host.lower(), *named})


def is_allowed(host: str, allowed: frozenset[str]) -> bool:
    """Whether a `Host` header, with its port or without, names an address or an allowed host.

    An allowed name that begins with a dot stands for every host below it.
    """
    return len(host) <= _LONGEST and _names_allowed(host, allowed)


@lru_cache(maxsize=1024)
def _names_allowed(host: str, allowed: frozenset[str]) -> bool:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        name = name.lower().rstrip(".")
        return name in allowed or any(name.endswith(part) for part in allowed if part.startswith("."))
    return True


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            return bytes(value).decode("latin-1")
    return ""
