"""An answer that is given again is the one that would be made: body, headers, log of lists and metrics."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from weakref import ref

import asyncpg
import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from database.experiments import Arm, Experiment
from database.settings import Settings
from serving.api.app import create_app
from serving.api.protocol import PlaneProtocol
from serving.catalogue.drafts import InteractionDraft
from serving.lists.answers import Answer, Answers
from serving.plane import LivePlane
from tests.serving.worker import Clock, OpenPlane, logged, score_trends
from training.params import Params

HOME = "/recommendations/home?user_id=ann&response_limit=6"
ASKED = (
    HOME,
    "/recommendations/home/?user_id=bea&shown=2&nonsense=1",
    "/recommendations/home?user_id=ann&lists=personalized,trending&explain=true&kind=all",
    "/recommendations/home?user_id=nobody",
    "/recommendations/product/TEA0000003?response_limit=4",
    "/recommendations/search?query=tea+cosy&shown=0",
    "/recommendations/search?query=nothing+like+it",
    "/recommendations/search?query=",
    "/recommendations/product/NOSUCHITEM",
)
COUNTED = {
    "shortlist_fallbacks_total",
    "shortlist_http_requests_total",
    "shortlist_list_items_total",
    "shortlist_lists_total",
}
LOGGED = """
    select endpoint, user_id, item_ids, propensities, bundle_id, experiment_id, arm, shown, seen, part,
        weight, content_id, request_id = $1 as asked
    from impression_lists where request_id = $1 order by endpoint, list_id
"""


@dataclass
class Asking:
    """A client of one worker, which tells all that an answer leaves behind."""

    plane: LivePlane
    http: httpx.AsyncClient
    pool: asyncpg.Pool
    made: list[str] = field(default_factory=list)
    """What the router answered."""
    _asked: int = 0

    async def everything(self, path: str, method: str = "GET", **headers: str) -> tuple[Any, ...]:
        self._asked += 1
        name = f"asked-{self._asked}"
        before = await self._counted()
        answer = await self.http.request(method, path, headers={"X-Request-ID": name, **headers})
        assert answer.headers.pop("x-request-id") == name
        answer.headers.pop("connection", None)
        await logged(self.plane)
        rows = await self.pool.fetch(LOGGED, name)
        counted = await self._counted() - before
        return answer.status_code, dict(answer.headers), answer.content, [tuple(row) for row in rows], counted

    async def plainly(self, path: str, method: str = "GET", **headers: str) -> tuple[Any, ...]:
        """The same, made anew."""
        self.plane.lists.forget()
        return await self.everything(path, method, **headers)

    async def _counted(self) -> Counter[str]:
        text = (await self.http.get("/api/v1/metrics")).text
        return Counter(
            {
                f"{sample.name}{sample.labels}": int(sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name in COUNTED and sample.labels.get("route") != "/api/v1/metrics"
            }
        )


@pytest.fixture(scope="session")
def small_params(small_params: Params) -> Params:
    """With lists that are logged at once."""
    impressions = small_params.impressions.model_copy(update={"flush_ms": 1})
    return small_params.model_copy(update={"impressions": impressions})


@pytest_asyncio.fixture
async def asking(
    shop: list[str], open_plane: OpenPlane, pool: asyncpg.Pool, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Asking]:
    deploy()
    async with client_of(await open_plane(), pool, monkeypatch) as asked:
        yield asked


@asynccontextmanager
async def client_of(
    plane: LivePlane, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Asking]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[PlaneProtocol]:
        yield plane

    app = create_app(opened, Settings(_env_file=None, api_keys="secret", cors_origins="http://shop.example"))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 5000))
    key = {"X-API-Key": "secret"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=key) as http,
    ):
        asked = Asking(plane, http, pool)
        route = app.router.app

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            asked.made.append(scope["path"])
            await route(scope, receive, send)

        monkeypatch.setattr(app.router, "middleware_stack", noted)
        yield asked


async def click(plane: LivePlane, user_id: str, item_id: str) -> None:
    await plane.record_interaction(
        InteractionDraft(user_id=user_id, event_type="product_click", item_id=item_id, value=None)
    )


async def test_repeated_answers_are_those_made_anew(asking: Asking) -> None:
    await click(asking.plane, "ann", "TEA0000000")
    await click(asking.plane, "bea", "GAR0000000")
    for path in ASKED:
        for method in ("GET", "HEAD"):
            origin = {"Origin": "http://shop.example"} if method == "GET" else {}
            plain = await asking.plainly(path, method, **origin)
            first = await asking.everything(path, method, **origin)
            assert await asking.everything(path, method, **origin) == first == plain, path


async def test_what_is_asked_again_does_not_reach_the_router(asking: Asking) -> None:
    await click(asking.plane, "ann", "TEA0000000")
    for path in (HOME, ASKED[4], ASKED[5]):
        for _ in range(2):  # the first after a click reads the events again
            await asking.http.get(path)
        count = len(asking.made)
        assert (await asking.http.get(path)).status_code == 200
        assert len(asking.made) == count


async def test_nothing_is_repeated_that_has_changed(
    asking: Asking,
    open_plane: OpenPlane,
    deploy: Callable[..., Path],
    clock: Clock,
    database: Any,
    small_params: Params,
) -> None:
    plane, other = asking.plane, await open_plane()
    await click(plane, "ann", "TEA0000000")
    await click(plane, "bea", "GAR0000000")

    async def sql(statement: str) -> None:
        await asking.pool.execute(statement)

    async def trend() -> None:
        score_trends(database.dsn, clock.now + timedelta(minutes=1), small_params)

    async def deploy_another() -> None:
        deploy("second", seed=1)
        await plane.lists.catch_up()
        await plane.settle()

    async def pass_days(days: int) -> None:
        clock.now += timedelta(days=days)

    changes: list[tuple[Callable[[], Awaitable[object]], tuple[str, ...]]] = [
        (lambda: click(other, "ann", "OFF0000001"), (HOME,)),
        (lambda: click(plane, "ann", "OFF0000002"), (HOME,)),
        (lambda: sql("delete from interactions where item_id = 'OFF0000001'"), (HOME,)),
        (lambda: other.update_item("TEA0000001", {"title": "tea cosy, knitted"}), (HOME, ASKED[4], ASKED[5])),
        (lambda: other.update_item("TEA0000002", {"hidden": True}), (HOME, ASKED[4], ASKED[5])),
        (trend, (HOME, ASKED[6])),
        (deploy_another, (HOME, ASKED[4])),
        (lambda: pass_days(1), (HOME,)),
        (lambda: pass_days(40), (HOME,)),
        (lambda: other.delete_user("ann", lambda row: None), (HOME,)),
    ]
    for change, changed in changes:
        for path in ASKED * 2:
            await asking.http.get(path)
        count = len(asking.made)
        await change()
        found = {path: await asking.everything(path) for path in ASKED}
        assert {path.partition("?")[0] for path in changed} <= set(asking.made[count:])
        for path in ASKED:
            assert await asking.plainly(path) == found[path], (changed, path)


async def test_what_expires_while_a_list_is_made_is_not_shown_again(
    asking: Asking, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, exposure = asking.plane, asking.plane._components.exposure
    await click(plane, "ann", "TEA0000000")
    show = exposure.show

    def and_time_passes(*arguments: Any) -> Any:
        clock.now += timedelta(seconds=2)
        return show(*arguments)

    for path in (HOME, *ASKED[4:6]):
        await plane.update_item("TEA0000001", {"expire_at": clock.now + timedelta(seconds=1)})
        with monkeypatch.context() as patch:
            patch.setattr(exposure, "show", and_time_passes)
            assert b"TEA0000001" in (await asking.http.get(path)).content
        again = (await asking.http.get(path)).content
        assert b"TEA0000001" not in again
        plane.lists.forget()
        assert again == (await asking.http.get(path)).content


async def test_what_an_arm_made_as_its_experiment_ended_is_not_shown_again(
    asking: Asking, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, rankings = asking.plane._components.experiments, asking.plane.lists._rankings
    await click(asking.plane, "ann", "TEA0000000")
    for _ in range(2):  # the first after a click reads the events again
        await asking.http.get(HOME)
    arms = Arm("now", 0.5, blend={"cold_below": 3}), Arm("other", 0.5, blend={"cold_below": 4})
    prepare = rankings.prepare

    async def and_experiments_end(*arguments: Any, **named: Any) -> None:
        await prepare(*arguments, **named)
        running.running = ()

    with monkeypatch.context() as patch:
        patch.setattr(rankings, "prepare", and_experiments_end)
        running.running = (Experiment("ab", "ab", arms, clock.now, None, None),)
        *_, rows, _ = await asking.everything(HOME)
    assert "ab" in {row[5] for row in rows}
    assert await asking.everything(HOME) == await asking.plainly(HOME)


async def test_answers_take_no_more_memory_than_they_count(asking: Asking) -> None:
    """Of users whose events and lists nobody else keeps."""
    plane, users = asking.plane, [f"user{number}" for number in range(20)]
    for user_id in users:
        for item_id in ("TEA0000000", "GAR0000001", "OFF0000002"):
            await asking.pool.execute(
                """insert into interactions (user_id, event_type, item_id, occurred_at, source)
                select $1, 'product_click', $2, now() - n * interval '1 minute', 'service'
                from generate_series(1, 60) n""",
                *(user_id, item_id),
            )
    tracemalloc.start()
    try:
        for user_id in users:
            path = f"/recommendations/home?user_id={user_id}&explain=true"
            assert (await asking.http.get(path)).status_code == 200
        answers, counted = plane.lists.answers, plane.lists.answers.nbytes
        for kept in (plane.lists.remembered, plane.lists._single, plane.lists._users._histories):
            kept.clear()
        plane._components.feed.users.forget(users)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        answers.clear()
        gc.collect()
        taken = before - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.5 * counted < taken < counted


async def test_an_answer_to_a_very_long_query_is_not_kept(asking: Asking) -> None:
    answers = asking.plane.lists.answers
    for length, kept in ((10, True), (10_000, False)):
        answers.clear()
        await asking.http.get(f"{ASKED[4]}&nonsense={'x' * length}")
        assert (answers.nbytes > 0) is kept


async def test_answers_keep_no_bundle(asking: Asking, deploy: Callable[..., Path]) -> None:
    plane = asking.plane
    await click(plane, "ann", "TEA0000000")
    for path in ASKED:
        await asking.http.get(path)
    before = ref(plane._components.deployed.bundle)
    deploy("second", seed=1)
    await plane.lists.catch_up()
    await plane.settle()
    plane.lists.remembered.clear()
    plane.lists.rankings()
    gc.collect()
    assert before() is None


def answer_of(size: int) -> Answer:
    async def again() -> bool:
        return True

    return Answer((), b"x" * size, None, (), None, again)


def test_the_oldest_answers_make_room() -> None:
    answers = Answers(most_bytes=50_000)
    for number in range(20):
        answers.keep(number, answer_of(1000))
        answers.find(0)
    assert answers.find(0) is not None
    assert answers.find(1) is None
    assert answers.find(19) is not None
    assert answers.nbytes <= 50_000
    answers.keep("long", answer_of(1_000_000))
    assert answers.find("long") is None
    for number in range(20):
        answers.drop(number)
    assert answers.nbytes == 0


def test_another_moment_forgets_the_answers() -> None:
    answers = Answers()
    answers.keep_only((1,))
    answers.keep("asked", answer_of(10))
    answers.keep_only((1,))
    assert answers.find("asked") is not None
    answers.keep_only((2,))
    assert answers.find("asked") is None
    assert answers.nbytes == 0
