"""What the tests of /v1 check of answers."""

import time
from collections.abc import Callable
from typing import Any

import httpx


def eventually(found: Callable[[], Any], seconds: float = 60) -> Any:
    """What `found` gives once it gives anything."""
    end = time.monotonic() + seconds
    while not (value := found()) and time.monotonic() < end:
        time.sleep(0.05)
    assert value
    return value


def refused(answer: httpx.Response, field: str, status: int = 422) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field
