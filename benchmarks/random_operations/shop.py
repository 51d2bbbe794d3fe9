"""The running service, the database under it, and what is known of both."""

import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from benchmarks.random_operations.seen import Read, Seen
from benchmarks.random_operations.shop_model import ShopModel
from training.release.bundle import StoredBundle

PRODUCTS, SHELF, USERS = 200, 20, 40
"""Products that are edited, made and deleted; after them, products that are withdrawn and put back; users."""
ASKED_BY_POST = frozenset({"/matrix_factor/user", "/matrix_factor/similar", "/recommendations", "/search"})

CONTENTS = f"""
insert into items (item_id, kind, title, category, price, rating, rating_count, change_seq)
select 'ITEM' || lpad(n::text, 6, '0'), 'product',
    (array['tea','garden','paper','lamp','mug','blue','tray'])[1 + n % 7] || ' number ' || n,
    'category ' || n % 5, 1 + n, 4, n % 50, 1
from generate_series(0, {PRODUCTS + SHELF - 1}) n;
insert into users (user_id) select 'user' || u from generate_series(0, {USERS - 1}) u;
insert into interactions (user_id, item_id, event_type, value, session_id, occurred_at, source)
select 'user' || u, 'ITEM' || lpad((u % 4 * 50 + (u * 7 + b * 3 + line * 5) % 50)::text, 6, '0'),
    'purchase', 1, 'basket-' || u || '-' || b, now() - make_interval(days => 20 - b * 2), 'shop'
from generate_series(0, {USERS - 1}) u, generate_series(0, 9) b, generate_series(0, 1) line;
update change_state set catalogue_seq = 1;
"""
"""Fills an empty database."""


@dataclass
class Shop:
    """The running service, the database under it, and what is known of both."""

    http: httpx.AsyncClient
    pool: asyncpg.Pool
    dsn: str
    server: subprocess.Popen[bytes]
    postgres: int
    """The process id of its server."""
    folder: Path
    bundles: list[StoredBundle]
    random: random.Random
    model: ShopModel = field(default_factory=ShopModel)
    seen: Seen = field(default_factory=Seen)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))
    killed: int = 0
    """Workers that were killed."""
    experiment: str | None = None
    changed: float = 0.0
    """When the experiments were last changed."""

    async def learn(self) -> None:
        """The shop's items and what users have seen, as they are before anything happens."""
        for row in await self.pool.fetch("select item_id, title from items"):
            self.model.live(row["item_id"], row["title"], 0.0)
        for row in await self.pool.fetch("select distinct user_id, item_id from interactions"):
            self.model.saw(row["user_id"], row["item_id"], 0.0)

    async def ask(self, method: str, path: str, **body: Any) -> tuple[float, httpx.Response | None]:
        """Send a request on a connection of its own choice; gives when it was sent. None: it was dropped."""
        sent = time.monotonic()
        try:
            answer = await self.http.request(method, path, **body)
        except httpx.TransportError as error:
            self.seen.dropped += 1
            if self.seen.settled(sent, time.monotonic() - sent):
                self.seen.failed.append(f"{method} {path}: {error!r}")
            return sent, None
        took = time.monotonic() - sent
        reads = _reads(method, path)
        self.seen.statuses[f"{'read' if reads else 'write'} {answer.status_code}"] += 1
        silent = answer.status_code == 503 and not reads
        if answer.status_code >= 500 and not (silent and not self.seen.settled(sent, took)):
            phase = self.seen.phase(sent, took)
            self.seen.failed.append(f"{method} {path}: {answer.status_code} in {phase}, {answer.text[:300]}")
        return sent, answer

    def note_read(self, sent: float, answer: httpx.Response, faults: list[str]) -> None:
        """Count an answer to a reader, and what is wrong with it."""
        took = time.monotonic() - sent
        stale = "X-Stale" in answer.headers
        self.seen.reads.append(Read(sent, took, answer.status_code, stale, bool(faults)))
        self.seen.wrong += [f"{self.seen.phase(sent, took)}: {fault}" for fault in faults]


def _reads(method: str, path: str) -> bool:
    return method == "GET" or path.partition("?")[0] in ASKED_BY_POST
