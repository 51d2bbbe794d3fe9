"""Two workers that share their answers, through random days: each answer is what a third, which shares none,
makes anew, with its headers and its log of lists.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psycopg2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from database.connection import libpq_url
from database.experiments import Arm, ExperimentError, start_experiment, stop_experiment
from database.settings import Settings
from serving.api.app import create_app
from serving.catalogue.drafts import InteractionDraft, ItemChanges, ItemDraft
from serving.lists.shared_answers import OFFERED, SharedAnswers
from serving.plane import LivePlane
from tests.serving.api.test_repeats import LOGGED, Asking, click, client_of
from tests.serving.words import BagOfWords
from tests.serving.worker import Clock, Deployer, OpenPlane, fill_shop, logged, score_trends, shop_items
from training.params import Params

T = TypeVar("T")

USERS = ("ann", "bea", "u00")
HOMES = (
    "/recommendations/home?user_id={user}&response_limit=4",
    "/recommendations/home/?user_id={user}&shown=2&nonsense=1",
    "/recommendations/home?user_id={user}&lists=personalized,diverse_picks&explain=true",
)
ITEMS = st.sampled_from([item_id for item_id, _ in shop_items()])
WORKERS = st.integers(0, 1)
PLAIN = 2


@pytest.fixture(scope="session")
def small_params(small_params: Params) -> Params:
    """With lists that are logged at once."""
    impressions = small_params.impressions.model_copy(update={"flush_ms": 1})
    return small_params.model_copy(update={"impressions": impressions})


class Shop:
    """A database, and three workers with their apps: two that share their answers, and one that does not."""

    def __init__(self, postgres: Any, name: str, folder: Path, params: Params) -> None:
        postgres.execute(f"create database {name} template template_shortlist")
        self.dsn = libpq_url(postgres.url(name))
        self.folder, self.params, self.clock = folder, params, Clock()
        self.memory = folder / f"{name}-answers"
        self.memory.touch()
        self.loop = asyncio.new_event_loop()
        self.workers: list[LivePlane] = []
        self.apps: list[FastAPI] = []
        self.asked = 0
        self.made: list[int] = []
        """Which workers' routers were asked."""
        self.run(self._fill())

    def run(self, awaited: Awaitable[T]) -> T:
        return self.loop.run_until_complete(awaited)

    async def _fill(self) -> None:
        self.pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=12)
        await fill_shop(self.pool)
        for number in range(3):
            self.workers.append(await self._open(number))
            self.apps.append(self._app(number))

    async def _open(self, number: int) -> LivePlane:
        return await LivePlane.open(
            self.pool,
            self.params,
            encoder=BagOfWords(),
            locate=lambda tag: self.folder / tag.rpartition(":")[2],
            clock=self.clock,
            shared_answers=SharedAnswers(None if number == PLAIN else str(self.memory)),
        )

    def _app(self, number: int) -> FastAPI:
        @asynccontextmanager
        async def opened() -> Any:
            yield self.workers[number]

        app = create_app(opened, Settings(_env_file=None))
        route = app.router.middleware_stack

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"].startswith("/recommendations"):
                self.made.append(number)
            await route(scope, receive, send)

        app.router.middleware_stack = noted
        return app

    async def restart(self, number: int) -> None:
        await self.workers[number].close()
        self.workers[number] = await self._open(number)

    def ask(self, number: int, path: str) -> Any:
        """All that an answer is and leaves behind; of the worker that shares nothing it is made anew."""
        return self.run(self._ask(number, path))

    async def _ask(self, number: int, path: str) -> Any:
        app, plane = self.apps[number], self.workers[number]
        if number == PLAIN:
            plane.lists.forget()
        self.asked += 1
        name = f"asked-{self.asked}"
        app.state.plane = plane
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.get(path, headers={"X-Request-ID": name})
        assert answer.headers.pop("x-request-id") == name
        # A sum of the same numbers in another order has other last digits.
        body = json.loads(answer.content, parse_float=lambda told: round(float(told), 6))
        for its_own in ("content-length", "connection"):
            answer.headers.pop(its_own, None)
        await logged(plane)
        rows = [tuple(row) for row in await self.pool.fetch(LOGGED, name)]
        return answer.status_code, dict(answer.headers), body, rows

    def close(self) -> None:
        for worker in self.workers:
            self.run(worker.close())
        self.run(self.pool.close())
        self.loop.close()


@pytest.fixture
def open_shop(postgres: Any, tmp_path: Path, small_params: Params) -> Iterator[Callable[[], Shop]]:
    """Opens shops, each in a database of its own, with the same two bundles beside it."""
    for tag, seed in (("a", 0), ("b", 1)):
        Deployer("", tmp_path, small_params).write(tag, seed=seed)
    names: list[str] = []

    def start() -> Shop:
        names.append(f"shared_{len(names)}")
        return Shop(postgres, names[-1], tmp_path, small_params)

    yield start
    for name in names:
        postgres.execute(f"drop database if exists {name} with (force)")


class Days(RuleBasedStateMachine):
    """What may happen to a shop, and what must hold after it."""

    def __init__(self, open_shop: Callable[[], Shop]) -> None:
        super().__init__()
        self.open_shop = open_shop

    @initialize()
    def begin(self) -> None:
        self.shop = self.open_shop()
        Deployer(self.shop.dsn, self.shop.folder, self.shop.params).deploy("a")
        self.live = {item_id for item_id, _ in shop_items()}
        for user in USERS[:2]:
            self.click(0, user, "TEA0000000")

    @rule(number=WORKERS, user=st.sampled_from(USERS), item_id=ITEMS)
    def click(self, number: int, user: str, item_id: str) -> None:
        draft = InteractionDraft(user_id=user, event_type="product_click", item_id=item_id)
        self.shop.run(self.shop.workers[number].record_interaction(draft))

    @rule(user=st.sampled_from(USERS))
    def lose_events(self, user: str) -> None:
        """Past the service."""
        self.shop.run(
            self.shop.pool.execute(
                """delete from interactions where interaction_id in
                (select max(interaction_id) from interactions where user_id = $1)""",
                user,
            )
        )

    @rule(number=WORKERS, user=st.sampled_from(USERS))
    def delete_user(self, number: int, user: str) -> None:
        worker = self.shop.workers[number]
        if self.shop.run(self.shop.pool.fetchval("select true from users where user_id = $1", user)):
            self.shop.run(worker.delete_user(user, lambda row: None))

    @rule(
        number=WORKERS,
        item_id=ITEMS,
        changes=st.sampled_from(
            [{"title": "blue teapot"}, {"price": 300.0}, {"hidden": True}, {"hidden": False}]
        ),
    )
    def edit(self, number: int, item_id: str, changes: ItemChanges) -> None:
        if item_id in self.live:
            self.shop.run(self.shop.workers[number].update_item(item_id, changes))

    @rule(number=WORKERS, item_id=ITEMS)
    def delete_or_create(self, number: int, item_id: str) -> None:
        worker = self.shop.workers[number]
        if item_id in self.live:
            self.shop.run(worker.delete_item(item_id))
        else:
            self.shop.run(worker.create_item(ItemDraft(kind="product", title="paper tray", item_id=item_id)))
        self.live ^= {item_id}

    @rule(number=WORKERS, item_id=ITEMS, published=st.booleans())
    def plan(self, number: int, item_id: str, published: bool) -> None:
        if item_id in self.live:
            moment = self.shop.clock.now + timedelta(minutes=2)
            changes: ItemChanges = {"publish_at": moment} if published else {"expire_at": moment}
            self.shop.run(self.shop.workers[number].update_item(item_id, changes))

    @rule(tag=st.sampled_from(["a", "b"]))
    def deploy(self, tag: str) -> None:
        Deployer(self.shop.dsn, self.shop.folder, self.shop.params).deploy(tag)

    @rule()
    def count_trending(self) -> None:
        score_trends(self.shop.dsn, self.shop.clock(), self.shop.params)

    @rule(starts=st.booleans())
    def experiment(self, starts: bool) -> None:
        with psycopg2.connect(self.shop.dsn) as conn, conn.cursor() as cursor, suppress(ExperimentError):
            cursor.execute("select experiment_id from experiments where stopped_at is null")
            running = cursor.fetchone()
            if starts and running is None:
                arms = (Arm("now", 0.5), Arm("other", 0.5, bundle_id="b"))
                cursor.execute("select count(*) from experiments")
                start_experiment(conn, f"e{(cursor.fetchone() or (0,))[0]}", "ab", arms)
            elif not starts and running is not None:
                stop_experiment(conn, running[0], "over")
        conn.close()

    @rule(number=WORKERS)
    def restart(self, number: int) -> None:
        self.shop.run(self.shop.restart(number))

    @rule(step=st.sampled_from(["minutes", "midnight", "month"]))
    def pass_time(self, step: str) -> None:
        clock = self.shop.clock
        if step == "minutes":
            clock.now += timedelta(minutes=3)
        elif step == "midnight":
            clock.now = datetime.combine(clock.now.date() + timedelta(days=1), time(0, 0, 1), UTC)
        else:
            clock.now += timedelta(days=self.shop.params.blend.stale_days)

    @invariant()
    def answers_are_those_made_anew(self) -> None:
        if not hasattr(self, "shop"):
            return
        for worker in self.shop.workers:
            self.shop.run(worker.settle())
        for user, path in zip(USERS, HOMES, strict=True):
            asked = path.format(user=user)
            plain = self.shop.ask(PLAIN, asked)
            for number in (0, 1):
                assert self.shop.ask(number, asked) == plain, (number, asked)

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.shop.close()


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What workers that are opened from now on share."""
    path = tmp_path / "answers"
    path.touch()
    monkeypatch.setenv(OFFERED, str(path))
    return path


def homes(asking: Asking) -> int:
    """How many home pages this worker's router was asked for."""
    return sum(path.startswith("/recommendations/home") for path in asking.made)


async def test_one_worker_makes_a_page_and_each_counts_and_logs_it(
    shop: list[str],
    open_plane: OpenPlane,
    pool: asyncpg.Pool,
    deploy: Any,
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy()
    async with (
        client_of(await open_plane(), pool, monkeypatch) as one,
        client_of(await open_plane(), pool, monkeypatch) as other,
    ):
        other._asked = 1000
        await click(one.plane, "ann", "TEA0000000")
        await other.everything(HOMES[0].format(user="bea"))  # who begins forgets what others have shared
        other.made.clear()
        for path in HOMES:
            asked = path.format(user="ann")
            made = await one.plainly(asked)
            for _ in range(2):
                assert await other.everything(asked) == made, asked
                assert homes(other) == 0, asked
        assert homes(other) == 0
        await click(one.plane, "ann", "OFF0000002")
        asked = HOMES[0].format(user="ann")
        made = await other.everything(asked)
        assert homes(other) == 1
        count = homes(one)
        assert await one.everything(asked) == made == await one.everything(asked)
        assert homes(one) == count


async def test_a_page_of_before_some_moment_is_made_anew_after_it(
    shop: list[str],
    open_plane: OpenPlane,
    pool: asyncpg.Pool,
    deploy: Any,
    memory: Path,
    clock: Clock,
    small_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    clock.now = datetime.combine(clock.now.date(), time(12), UTC) + timedelta(days=1)
    await click(one, "ann", "TEA0000000")
    occurred_at = await pool.fetchval("select occurred_at from interactions")
    asked = HOMES[0].format(user="ann")
    stale = timedelta(days=small_params.blend.stale_days)
    moments = [
        ("expires", clock.now + timedelta(minutes=1)),
        ("is published", clock.now + timedelta(minutes=2)),
        ("another day", datetime.combine(clock.now.date() + timedelta(days=1), time(0), UTC)),
        ("events are too old", occurred_at + stale + timedelta(milliseconds=500)),
    ]
    await one.update_item("TEA0000001", {"expire_at": moments[0][1]})
    await one.update_item("TEA0000002", {"publish_at": moments[1][1]})
    async with (
        client_of(one, pool, monkeypatch) as first,
        client_of(other, pool, monkeypatch) as second,
    ):
        second._asked = 1000
        await second.everything(asked)
        for what, moment in moments:
            for before in (timedelta(seconds=1), timedelta()):
                clock.now = moment - before
                second.made.clear()
                made = await first.everything(asked)
                second.plane.lists.answers.clear()
                assert await second.everything(asked) == made, what
                assert homes(second) == 0, what
                if before:
                    clock.now = moment
                    second.plane.lists.answers.clear()
                    found = await second.everything(asked)
                    assert homes(second) == 1, what
                    assert found == await second.plainly(asked), what


async def test_a_page_of_before_a_change_is_made_anew_after_it(
    shop: list[str],
    open_plane: OpenPlane,
    pool: asyncpg.Pool,
    deploy: Any,
    memory: Path,
    clock: Clock,
    database: Any,
    small_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    await click(one, "ann", "TEA0000000")
    asked = HOMES[0].format(user="ann")

    async def trend() -> None:
        score_trends(database.dsn, clock.now + timedelta(minutes=1), small_params)

    async def deploy_another() -> None:
        deploy("second", seed=1)
        await other.settle()

    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: click(one, "ann", "OFF0000001"),
        lambda: pool.execute("delete from interactions where item_id = 'OFF0000001'"),
        lambda: one.update_item("TEA0000002", {"title": "tea cosy, knitted"}),
        lambda: one.delete_user("bea", lambda row: None),
        trend,
        deploy_another,
    ]
    await click(one, "bea", "TEA0000001")
    async with (
        client_of(one, pool, monkeypatch) as first,
        client_of(other, pool, monkeypatch) as second,
    ):
        second._asked = 1000
        await second.everything(asked)
        for place, change in enumerate(changes):
            await one.settle()
            await first.everything(asked)
            await change()
            second.made.clear()
            found = await second.everything(asked)
            assert homes(second) == 1, place
            assert found == await second.plainly(asked), place


async def test_of_a_deleted_user_nothing_is_left_in_what_workers_share(
    shop: list[str],
    open_plane: OpenPlane,
    pool: asyncpg.Pool,
    deploy: Any,
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy()
    one, other = await open_plane(), await open_plane()
    async with client_of(one, pool, monkeypatch) as asking:
        await click(one, "ann77", "TEA0000000")
        asked = HOMES[0].format(user="ann77")
        await asking.everything(asked)
        assert b"ann77" in memory.read_bytes()
        await other.delete_user("ann77", lambda row: None)
        assert b"ann77" not in memory.read_bytes()
        found = await asking.everything(asked)
        assert b"ann77" not in memory.read_bytes()
        assert await asking.plainly(asked) == found


@pytest.mark.parametrize("changes", [{"positions": 7}, {}])
async def test_workers_with_other_params_share_nothing(
    shop: list[str],
    open_plane: OpenPlane,
    pool: asyncpg.Pool,
    memory: Path,
    clock: Clock,
    small_params: Params,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, int],
) -> None:
    """As after a restart of one worker, when params.yaml has changed."""
    changed = small_params.impressions.model_copy(update=changes)
    params = small_params.model_copy(update={"impressions": changed})
    planes = [
        await LivePlane.open(pool, each, encoder=BagOfWords(), clock=clock) for each in (small_params, params)
    ]
    async with (
        client_of(planes[0], pool, monkeypatch) as first,
        client_of(planes[1], pool, monkeypatch) as second,
    ):
        await click(planes[0], "ann", "TEA0000000")
        await second.http.get(HOMES[0].format(user="bea"))
        second.made.clear()
        for asking in (first, second):
            await asking.http.get(HOMES[0].format(user="ann"))
        assert homes(second) == (1 if changes else 0)
    for each in planes:
        await each.close()


@pytest.mark.slow
def test_what_workers_share_is_what_each_would_make(open_shop: Callable[[], Shop]) -> None:
    made: list[int] = []

    class DaysOfAShop(Days):
        def __init__(self) -> None:
            super().__init__(open_shop)

        def teardown(self) -> None:
            made.extend(self.shop.made)
            super().teardown()

    run_state_machine_as_test(
        DaysOfAShop,
        settings=settings(
            max_examples=4,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert made.count(1) < made.count(0)  # the second was often spared by the first
