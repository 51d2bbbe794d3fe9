"""Retries of requests: on a 503 response, or when there is no connection.

In both cases nothing was stored, except when the database went away during a commit. Interactions carry an
Idempotency-Key, so a retry never stores one twice.
"""

from typing import Any

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_exponential_jitter,
)

from client.calls import Call
from client.errors import ServiceFailed


def send(attempts: int, http: httpx.Client, call: Call[Any]) -> httpx.Response:
    """Send a call up to `attempts` times, until the response is not a 503; returns the last response.

    Raises ServiceFailed if there is no response.
    """
    try:
        return Retrying(**_policy(attempts))(http.request, call.method, call.path, **_arguments(call))
    except httpx.HTTPError as error:
        raise ServiceFailed(f"no response: {error or type(error).__name__}") from error


async def send_async(attempts: int, http: httpx.AsyncClient, call: Call[Any]) -> httpx.Response:
    """The same for the asynchronous client."""
    try:
        retrying = AsyncRetrying(**_policy(attempts))
        return await retrying(http.request, call.method, call.path, **_arguments(call))
    except httpx.HTTPError as error:
        raise ServiceFailed(f"no response: {error or type(error).__name__}") from error


def _policy(attempts: int) -> dict[str, Any]:
    return {
        "retry": retry_if_result(_is_unavailable) | retry_if_exception_type(httpx.ConnectError),
        "stop": stop_after_attempt(attempts),
        "wait": wait_exponential_jitter(multiplier=0.1, max=5.0, jitter=0.1),
        "retry_error_callback": _last,
    }


def _is_unavailable(response: httpx.Response) -> bool:
    return response.status_code == httpx.codes.SERVICE_UNAVAILABLE


def _last(state: RetryCallState) -> httpx.Response:
    assert state.outcome is not None
    response: httpx.Response = state.outcome.result()
    return response


def _arguments(call: Call[Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {"params": call.query, "headers": dict(call.headers)}
    if call.body is not None:
        arguments["json"] = call.body
    return arguments
