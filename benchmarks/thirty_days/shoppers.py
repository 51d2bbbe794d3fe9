"""Shoppers who never stop asking, and by day click on what they are shown: every answer is counted."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks.thirty_days.whole import Answers

LIKE = 10
HOME_ITEMS = 3
BY_NIGHT = ("product", "search", "similar")
BY_DAY = ("home", "home", "home", *BY_NIGHT)
"""What they ask for. A home page shown to a user counts in its bundle's click rate, so only by day."""
SEARCHES = ("red retrospot bag", "christmas lights", "tea set", "cake stand", "vintage heart")
PLEASED, DISPLEASED = 0.5, 0.05
"""Share of the home pages on which something is clicked: usually, and on a bundle that nobody likes."""

_BY_DAY_SECONDS, _BY_NIGHT_SECONDS = 0.0, 0.15
_TIMEOUT_SECONDS = 10.0
_REQUESTS_A_CONNECTION = 20
"""Then a new one, which the kernel deals to either worker."""


@dataclass
class Tally:
    """What was answered since the last look."""

    asked: int = 0
    failures: list[str] = field(default_factory=list)
    again: int = 0
    """Requests that were answered at the second try, for the connection broke."""
    compared: int = 0
    """Answers that were held against the bundle that they name."""
    telling: int = 0
    """Of these, those that the bundle before it would not have given."""
    slowest_ms: float = 0.0


class Shoppers:
    """Threads that ask the service for lists until they are told to stop."""

    def __init__(
        self, address: str, users: Sequence[str], items: Sequence[str], answers: Answers, *, threads: int = 2
    ) -> None:
        self._address, self._users, self._items, self._answers = address, users, items, answers
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._pool, self._running = ThreadPoolExecutor(threads), list[Future[None]]()
        self._count = threads
        self._tally = Tally()
        self.open = False
        """Whether it is day: they sign in, see their home pages and click."""
        self.displeasing: str | None = None
        """A bundle that nobody likes."""
        self.visitors: dict[str, set[str]] = {}
        """Who saw which bundle's home page."""
        self.clicks: Counter[str] = Counter()
        """acknowledged (200), refused (503), unknown (no answer)."""

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._run, seed) for seed in range(self._count)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown()
        for thread in self._running:
            thread.result()

    def take(self) -> Tally:
        """What was answered since the last call."""
        with self._lock:
            tally, self._tally = self._tally, Tally()
        return tally

    def _run(self, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            with httpx.Client(base_url=self._address, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
                for _ in range(_REQUESTS_A_CONNECTION):
                    self._visit(client, chance)
                    if self._stop.wait(_BY_DAY_SECONDS if self.open else _BY_NIGHT_SECONDS):
                        break

    def _visit(self, client: httpx.Client, chance: random.Random) -> None:
        user, item = chance.choice(self._users), chance.choice(self._items)
        kind = chance.choice(BY_DAY if self.open else BY_NIGHT)
        if kind == "home":
            query = {"user_id": user, "response_limit": HOME_ITEMS}
            answer = self._ask(client, "GET", "/recommendations/home", query)
            if answer is not None:
                self._click(client, chance, user, answer)
        elif kind == "product":
            self._ask(client, "GET", f"/recommendations/product/{item}", {})
        elif kind == "search":
            self._ask(client, "GET", "/recommendations/search", {"query": chance.choice(SEARCHES)})
        else:
            body = {"item_id": item, "n": LIKE}
            answer = self._ask(client, "POST", "/matrix_factor/similar", {"explain": "true"}, body)
            if answer is not None:
                self._compare(item, answer)

    def _ask(
        self, client: httpx.Client, method: str, path: str, query: dict[str, Any], body: Any = None
    ) -> httpx.Response | None:
        """Ask, and once more when the connection breaks; None when there was no good answer."""
        started, again, answer = time.monotonic(), False, None
        try:
            try:
                answer = client.request(method, path, params=query, json=body)
            except httpx.TransportError:
                again = True
                answer = client.request(method, path, params=query, json=body)
            failure = "" if answer.status_code == httpx.codes.OK else f"{path}: {answer.status_code}"
        except httpx.TransportError as error:
            failure = f"{path}: {type(error).__name__} {error}"
        with self._lock:
            self._tally.asked += 1
            self._tally.again += again and not failure
            self._tally.slowest_ms = max(self._tally.slowest_ms, 1000 * (time.monotonic() - started))
            self._tally.failures += [failure] if failure else []
        return None if failure else answer

    def _compare(self, item: str, answer: httpx.Response) -> None:
        bundle = answer.headers["X-Bundle"]
        shown = {each["item_id"]: each["score"] for each in answer.json()["recommendations"]}
        fits, telling = self._answers.compare(bundle, item, shown)
        with self._lock:
            self._tally.compared += 1
            self._tally.telling += telling
            if not fits:
                self._tally.failures.append(f"{bundle} answered for {item} what is not its own: {shown}")

    def _click(self, client: httpx.Client, chance: random.Random, user: str, home: httpx.Response) -> None:
        """Perhaps click on something shown; a click that is acknowledged may never be lost."""
        bundle, lists = home.headers["X-Bundle"], home.json()
        with self._lock:
            self.visitors.setdefault(bundle, set()).add(user)
        shown = [each["id"] for name in ("personalized", "trending", "diverse_picks") for each in lists[name]]
        if not shown or chance.random() >= (DISPLEASED if bundle == self.displeasing else PLEASED):
            return
        body = {"user_id": user, "event_type": "product_click", "product_id": chance.choice(shown)}
        try:
            status = client.post("/api/v1/interactions/interactions", json=body).status_code
        except httpx.TransportError:
            status = 0
        known = {httpx.codes.OK: "acknowledged", httpx.codes.SERVICE_UNAVAILABLE: "refused", 0: "unknown"}
        with self._lock:
            if status in known:
                self.clicks[known[status]] += 1
            else:
                self._tally.failures.append(f"a click: {status}")
