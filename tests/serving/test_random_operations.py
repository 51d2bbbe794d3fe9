"""Two workers through random days: bundles, experiments, edits, clicks, restarts, in any order.

After every step each list of each worker is made and held against what a plain model of the shop allows: only
live items that are not hidden, each once, nothing that the user has seen, finite scores, and the same list on
both workers.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from database.connection import libpq_url
from database.experiments import Arm, ExperimentError, start_experiment, stop_experiment
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.plane import LivePlane
from serving.types import Ranked
from tests.serving.words import BagOfWords
from tests.serving.worker import Clock, Deployer, fill_shop, score_trends, shop_items
from training.params import Params

T = TypeVar("T")

USERS = ("u00", "u07", "stranger")
WORDS = st.sampled_from(["teapot", "garden", "paper", "blue", "tray", "Ω", "7"])
ITEMS = st.sampled_from(
    [item_id for item_id, _ in shop_items()] + [f"NEW000000{number}" for number in range(4)]
)
EVENTS = st.sampled_from(["product_click", "like", "skip", "purchase", "view_time"])


class Shop:
    """A database, bundles in a folder, and workers, behind plain calls."""

    def __init__(self, postgres: Any, name: str, folder: Path, params: Params) -> None:
        postgres.execute(f"create database {name} template template_shortlist")
        self.dsn = libpq_url(postgres.url(name))
        self.folder, self.params, self.clock = folder, params, Clock()
        self.loop = asyncio.new_event_loop()
        self.workers: list[LivePlane] = []
        self.run(self._fill())

    def run(self, awaited: Awaitable[T]) -> T:
        return self.loop.run_until_complete(awaited)

    async def _fill(self) -> None:
        self.pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=4)
        await fill_shop(self.pool)
        self.workers = [await self.open(), await self.open()]

    async def open(self) -> LivePlane:
        return await LivePlane.open(
            self.pool,
            self.params,
            encoder=BagOfWords(),
            locate=lambda tag: self.folder / tag.rpartition(":")[2],
            clock=self.clock,
        )

    async def restart(self, number: int) -> None:
        await self.workers[number].close()
        self.workers[number] = await self.open()

    def close(self) -> None:
        for worker in self.workers:
            self.run(worker.close())
        self.run(self.pool.close())
        self.loop.close()


class Days(RuleBasedStateMachine):
    """What may happen to a shop, and what must hold after it."""

    def __init__(self, open_shop: Callable[[], Shop]) -> None:
        super().__init__()
        self.open_shop = open_shop

    @initialize()
    def begin(self) -> None:
        self.shop = self.open_shop()
        self.live = {item_id for item_id, _ in shop_items()}
        self.hidden: set[str] = set()
        self.seen: dict[str, set[str]] = defaultdict(set)
        self.experiments = 0

    def worker(self, number: int) -> LivePlane:
        return self.shop.workers[number]

    @rule(tag=st.sampled_from(["a", "b"]))
    def deploy(self, tag: str) -> None:
        Deployer(self.shop.dsn, self.shop.folder, self.shop.params).deploy(tag)

    @rule(number=st.integers(0, 1), item_id=ITEMS, words=st.lists(WORDS, min_size=1, max_size=3))
    def save(self, number: int, item_id: str, words: list[str]) -> None:
        plane, title = self.worker(number), " ".join(words)
        if item_id in self.live:
            self.shop.run(plane.update_item(item_id, {"title": title}))
        else:
            self.shop.run(plane.create_item(ItemDraft(kind="product", title=title, item_id=item_id)))
            self.live.add(item_id)

    @rule(number=st.integers(0, 1), item_id=ITEMS)
    def delete(self, number: int, item_id: str) -> None:
        if item_id in self.live:
            self.shop.run(self.worker(number).delete_item(item_id))
            self.live.remove(item_id)
            self.hidden.discard(item_id)

    @rule(number=st.integers(0, 1), item_id=ITEMS, price=st.sampled_from([0.5, 7.0, 7.0, 300.0]))
    def reprice(self, number: int, item_id: str, price: float) -> None:
        if item_id in self.live:
            self.shop.run(self.worker(number).update_item(item_id, {"price": price}))

    @rule(number=st.integers(0, 1), item_id=ITEMS)
    def hide_or_show(self, number: int, item_id: str) -> None:
        if item_id in self.live:
            self.hidden ^= {item_id}
            self.shop.run(self.worker(number).update_item(item_id, {"hidden": item_id in self.hidden}))

    @rule(user=st.sampled_from(USERS), item_id=ITEMS, event=EVENTS, times=st.sampled_from([1, 1, 16]))
    def interact(self, user: str, item_id: str, event: str, times: int) -> None:
        for _ in range(times):
            draft = InteractionDraft(user_id=user, event_type=event, item_id=item_id)
            self.shop.run(self.worker(0).record_interaction(draft))
        self.seen[user].add(item_id)

    @rule()
    def count_trending(self) -> None:
        score_trends(self.shop.dsn, self.shop.clock(), self.shop.params)

    @rule(number=st.integers(0, 1))
    def restart(self, number: int) -> None:
        self.shop.run(self.shop.restart(number))

    @rule(bundle=st.sampled_from(["a", "b"]), starts=st.booleans())
    def experiment(self, bundle: str, starts: bool) -> None:
        with psycopg2.connect(self.shop.dsn) as conn, suppress(ExperimentError):
            if starts:
                self.experiments += 1
                arms = (Arm("now", 0.5), Arm("other", 0.5, bundle_id=bundle))
                start_experiment(conn, f"e{self.experiments}", "ab", arms)
            else:
                stop_experiment(conn, f"e{self.experiments}", "over")
        conn.close()

    @invariant()
    def lists_are_right(self) -> None:
        if not hasattr(self, "shop"):
            return
        # One worker remembers what it made after the step before, the other makes everything anew.
        self.shop.workers[1].lists.forget()
        made = [self.shop.run(self._lists(plane)) for plane in self.shop.workers]
        assert [_shown(lists) for lists in made[:1]] == [_shown(lists) for lists in made[1:]]
        for name, ranked in made[0].items():
            ids = [each.item.item_id for each in ranked]
            assert len(ids) == len(set(ids)), name
            assert set(ids) <= self.live - self.hidden, name
            assert all(math.isfinite(each.score) for each in ranked), name
            if name[0] in {"personalized", "als", "hybrid", "diverse"}:
                assert not set(ids) & self.seen[name[1]], name
            assert all(each.reason for each in ranked), name

    async def _lists(self, plane: LivePlane) -> dict[tuple[str, str], list[Ranked]]:
        await plane.settle()
        found: dict[tuple[str, str], list[Ranked]] = {}
        for user in USERS:
            home = await plane.lists.home(user, 6, explain=True)
            found["personalized", user], found["diverse", user] = home.personalized, home.diverse_picks
            found["trending", user], found["value", user] = home.trending, home.best_value
            for category, ranked in home.top_categories.items():
                found[f"top {category}", user] = ranked
            found["als", user] = await plane.lists.for_user_als(user, 6, explain=True)
            found["hybrid", user] = await plane.lists.hybrid(user, 6, explain=True)
        for item_id in sorted(self.live)[:2]:
            found["similar", item_id] = await plane.lists.similar_products(item_id, 6, explain=True)
            found["near", item_id] = await plane.lists.similar_by_vector(item_id, 6, explain=True)
        found["search", "tea tray"] = (await plane.lists.search("tea tray", 6, explain=True)).results
        return found

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.shop.close()


def _shown(lists: dict[tuple[str, str], list[Ranked]]) -> dict[tuple[str, str], list[object]]:
    """What a shopper sees of them, to the millionth of a score: rows that differ add up in another order."""
    return {
        name: [(each.item, round(each.score, 6), each.model, each.reason) for each in ranked]
        for name, ranked in lists.items()
    }


@pytest.fixture
def open_shop(postgres: Any, tmp_path: Path, small_params: Params) -> Iterator[Callable[[], Shop]]:
    """Opens shops, each in a database of its own, with the same two bundles beside it."""
    for tag, seed in (("a", 0), ("b", 1)):
        Deployer("", tmp_path, small_params).write(tag, seed=seed)
    numbers = iter(range(10_000))
    names: list[str] = []

    def start() -> Shop:
        names.append(f"days_{next(numbers)}")
        return Shop(postgres, names[-1], tmp_path, small_params)

    yield start
    for name in names:
        postgres.execute(f"drop database if exists {name} with (force)")


def test_lists_stay_right_whatever_happens(open_shop: Callable[[], Shop]) -> None:
    class DaysOfAShop(Days):
        def __init__(self) -> None:
            super().__init__(open_shop)

    run_state_machine_as_test(
        DaysOfAShop,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
