"""Shoppers who never stop asking, and now and then click: every answer is counted."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

_PAUSE_SECONDS = 0.2
_TIMEOUT_SECONDS = 10.0
SEARCHES = ("red retrospot bag", "christmas lights", "tea set", "cake stand", "vintage heart")


@dataclass
class Tally:
    """What was answered since the last look."""

    asked: int = 0
    failures: list[str] = field(default_factory=list)
    bundles: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0


class Shoppers:
    """A thread that asks the service for lists until it is told to stop."""

    def __init__(self, address: str, users: Sequence[str], items: Sequence[str], seed: int) -> None:
        self._client = httpx.Client(base_url=address, timeout=_TIMEOUT_SECONDS)
        self._users, self._items = users, items
        self._random = random.Random(seed)
        self._tally = Tally()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shoppers")
        self.acknowledged = 0
        """Clicks that were answered with 200."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def take(self) -> Tally:
        """What was answered since the last call."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally

    def click(self, count: int) -> None:
        """Click on so many items; one that is acknowledged may never be lost."""
        for _ in range(count):
            body = {
                "user_id": self._random.choice(self._users),
                "event_type": "product_click",
                "product_id": self._random.choice(self._items),
            }
            answer = self._client.post("/api/v1/interactions/interactions", json=body)
            if answer.status_code == httpx.codes.OK:
                self.acknowledged += 1
            else:
                with self._lock:
                    self._tally.failures.append(f"click: {answer.status_code} {answer.text[:200]}")

    def _run(self) -> None:
        while not self._stop.wait(_PAUSE_SECONDS):
            path, params = self._question()
            started = time.monotonic()
            try:
                answer = self._client.get(path, params=params)
                failure = None if answer.status_code == httpx.codes.OK else f"{path}: {answer.status_code}"
                bundle = answer.headers.get("X-Bundle", "")
            except httpx.TransportError as error:
                failure, bundle = f"{path}: {type(error).__name__} {error}", ""
            seconds = time.monotonic() - started
            with self._lock:
                self._tally.asked += 1
                self._tally.slowest_ms = max(self._tally.slowest_ms, 1000 * seconds)
                if failure:
                    self._tally.failures.append(failure)
                else:
                    self._tally.bundles[bundle] += 1

    def _question(self) -> tuple[str, dict[str, str]]:
        user = self._random.choice(self._users)
        return self._random.choice(
            (
                ("/recommendations/home", {"user_id": user}),
                (f"/recommendations/product/{self._random.choice(self._items)}", {}),
                ("/recommendations/search", {"query": self._random.choice(SEARCHES)}),
            )
        )
