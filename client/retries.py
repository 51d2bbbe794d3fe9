"""Sending again what the service could not answer, for about ten seconds in all.

503 and 429 say that nothing was done, and when to come again (`Retry-After`); so does a connection that is
refused. After a connection that dropped or fell silent nobody knows: then only what may be done twice is sent
again, which is what reads, what sets or deletes, and interactions, for these carry an Idempotency-Key.
"""

from typing import Any

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from .calls import Call
from .errors import ServiceFailed

SECONDS = 10.0
"""How long a call is sent again; no wait begins that would end later."""

_BACKOFF = wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.1)
_AGAIN = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS)


def send(attempts: int, http: httpx.Client, call: Call[Any]) -> httpx.Response:
    """Send a call until it is answered, at most `attempts` times; the last 503 or 429 is given back.

    Raises ServiceFailed if there is no response.
    """
    try:
        return Retrying(**_policy(attempts, call))(http.request, call.method, call.path, **_arguments(call))
    except httpx.HTTPError as error:
        raise ServiceFailed(f"no response: {error or type(error).__name__}") from error


async def send_async(attempts: int, http: httpx.AsyncClient, call: Call[Any]) -> httpx.Response:
    """The same for the asynchronous client."""
    try:
        retrying = AsyncRetrying(**_policy(attempts, call))
        return await retrying(http.request, call.method, call.path, **_arguments(call))
    except httpx.HTTPError as error:
        raise ServiceFailed(f"no response: {error or type(error).__name__}") from error


def _policy(attempts: int, call: Call[Any]) -> dict[str, Any]:
    def may_be_sent_again(error: BaseException) -> bool:
        undone = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        return undone or (isinstance(error, httpx.TransportError) and call.repeatable)

    return {
        "retry": retry_if_result(_is_asked_to_wait) | retry_if_exception(may_be_sent_again),
        "stop": stop_after_attempt(attempts) | stop_before_delay(SECONDS),
        "wait": _wait,
        "retry_error_callback": _last,
    }


def _is_asked_to_wait(response: httpx.Response) -> bool:
    return response.status_code in _AGAIN


def _wait(state: RetryCallState) -> float:
    """Seconds until the next attempt: what the service asks for, else longer each time."""
    if state.outcome is not None and not state.outcome.failed:
        asked = state.outcome.result().headers.get("Retry-After", "")
        if asked.isdecimal():
            return float(asked)
    return _BACKOFF(state)


def _last(state: RetryCallState) -> httpx.Response:
    assert state.outcome is not None
    response: httpx.Response = state.outcome.result()
    return response


def _arguments(call: Call[Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {"params": call.query, "headers": dict(call.headers)}
    if call.body is not None:
        arguments["json"] = call.body
    return arguments
