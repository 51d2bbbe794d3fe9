"""Who may do what: reads are open unless the settings say otherwise, everything else needs a key."""

import hmac
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qs

from pydantic import SecretStr

from database.settings import Settings
from serving.errors import ServingError

ADMINISTRATION = "/api/v1/metrics"
EVENTS = "/v1/events"
PRIVATE = ("/v1/users/", "/v1/metrics")
"""Beginnings of the paths that are not read without a key, nor with one that stands in a page."""
READS_BY_POST = frozenset(
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
"""Paths (without trailing slash) whose POST changes nothing."""

_SAFE_METHODS = frozenset({"GET", "HEAD"})


class ExposureRefusedError(ServingError):
    """The service would listen beyond this machine and let anyone write."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refusing to listen on {host} without keys: set SHORTLIST_API_KEYS, "
            "or SHORTLIST_ALLOW_PUBLIC_WITHOUT_KEYS=true to allow it"
        )
        self.host = host


class Keys:
    """The accepted keys, compared in constant time."""

    def __init__(self, settings: Settings) -> None:
        self._keys = [key.encode() for key in key_list(settings)]
        self._public = [key.encode() for key in _listed(settings.public_keys)]
        self._reads_need_key = settings.reads_need_key

    def needed(self, method: str, path: str) -> bool:
        """Whether this request must bring a key; `path` is without its trailing slash."""
        if not self._keys or method == "OPTIONS":
            return False
        if is_private(path):
            return True
        return self._reads_need_key or not is_read(method, path)

    def accepts(self, given: bytes | None) -> bool:
        """Whether a key is one of the accepted; all of them are compared, whichever matches."""
        return _is_one_of(given, self._keys)

    def is_public(self, given: bytes | None) -> bool:
        """Whether a key is one of those that may stand in a page."""
        return _is_one_of(given, self._public)


def is_read(method: str, path: str) -> bool:
    """Whether a request changes nothing."""
    return method in _SAFE_METHODS or (method == "POST" and path in READS_BY_POST)


def is_private(path: str) -> bool:
    """Whether not even reads of a path are open: what is told there is of users, or of the business."""
    return path == ADMINISTRATION or path.startswith(PRIVATE)


def is_public(method: str, path: str) -> bool:
    """Whether a public key is enough for a request; `path` is without its trailing slash."""
    return not is_private(path) and (is_read(method, path) or (method, path) == ("POST", EVENTS))


def key_list(settings: Settings) -> list[str]:
    """The keys of the settings, without blanks."""
    return _listed(settings.api_keys)


def _listed(keys: SecretStr | None) -> list[str]:
    text = keys.get_secret_value() if keys else ""
    return [key.strip() for key in text.split(",") if key.strip()]


def _is_one_of(given: bytes | None, keys: Sequence[bytes]) -> bool:
    if given is None:
        return False
    matches = [hmac.compare_digest(given, key) for key in keys]
    return any(matches)


def given_key(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """The key of a request: `X-API-Key`, or `Authorization: Bearer`."""
    for name, value in headers:
        if name == b"x-api-key":
            return value
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
    return None


def key_of_beacon(method: str, path: str, query: bytes) -> bytes | None:
    """The key in the URL of an event that `navigator.sendBeacon` sends, which can't send a header.

    Only public keys are taken from there: URLs stand in logs.
    """
    if (method, path) != ("POST", EVENTS):
        return None
    (given, *_) = parse_qs(query).get(b"api_key", [None])
    return given


def refuse_exposure(settings: Settings, host: str | None = None) -> None:
    """Raise ExposureRefusedError when the service would be open to the network without keys.

    `host` is the address that it is told to bind in place of the settings' own.
    """
    host = host or settings.service_host
    if not (is_loopback(host) or key_list(settings) or settings.allow_public_without_keys):
        raise ExposureRefusedError(host)


def bind_host(arguments: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """The address that a command line (`--host X`, `--host=X`), or BENTOML_HOST, tells BentoML to bind."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host")
    given, _ = parser.parse_known_args(arguments)
    host: str | None = given.host
    return host or environment.get("BENTOML_HOST") or None


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
