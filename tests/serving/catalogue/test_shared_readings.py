"""The state is read once for all who wait, and never from before they asked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from database.interactions import record
from database.state import State, read_changes, read_request
from serving.catalogue import feed as feeds
from serving.plane import LivePlane
from serving.request_context import Request, current_request

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read of the database: the state, or a user's events with it."""
    made = []
    for name in ("read_changes", "read_request"):
        read = getattr(feeds, name)

        async def counted(*asked: Any, _name: str = name, _read: Any = read) -> Any:
            made.append(_name)
            return await _read(*asked)

        monkeypatch.setattr(feeds, name, counted)
    return made


async def test_who_waits_shares_the_next_reading(plane: LivePlane, readings: list[str]) -> None:
    await asyncio.gather(*(plane.catch_up() for _ in range(50)))
    assert len(readings) <= 2


async def test_one_who_gives_up_takes_nobody_along(plane: LivePlane) -> None:
    feed = plane._components.feed
    waiting = [asyncio.create_task(feed._state()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(each, State) for each in done[1:])


async def test_who_waits_while_the_feed_is_closed_is_answered_as_stale(
    plane: LivePlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def slow(*asked: Any) -> Any:
        begun.set()
        await asyncio.sleep(60)

    async def is_stale() -> bool:
        request = Request("r")
        current_request.set(request)
        await plane.catch_up()
        return request.stale

    monkeypatch.setattr(feeds, "read_changes", slow)
    waiting = [asyncio.create_task(is_stale())]
    await begun.wait()
    waiting += [asyncio.create_task(is_stale()) for _ in range(2)]
    await asyncio.sleep(0)
    await plane._components.feed.close()
    assert all(await asyncio.gather(*waiting))


async def test_what_was_committed_before_one_asked_is_seen_by_all_of_many(
    plane: LivePlane, pool: asyncpg.Pool
) -> None:
    feed = plane._components.feed

    async def write_and_read(number: int) -> None:
        for turn in range(5):
            item_id, user = f"I{turn}", f"user{number % 3}"
            async with pool.acquire() as conn:
                await record(conn, user_id=user, event_type="click", item_id=item_id)
            events = await feed.user_events(user, 500)
            assert item_id in {each.item_id for each in events.latest}
            assert len(events.latest) >= turn + 1

    await asyncio.gather(*(write_and_read(number) for number in range(9)))
    for user in ("user0", "user1", "user2"):
        assert len((await feed.user_events(user, 500)).latest) == 15


async def test_events_are_read_again_only_when_they_have_changed(
    plane: LivePlane, pool: asyncpg.Pool, readings: list[str]
) -> None:
    feed = plane._components.feed
    async with pool.acquire() as conn:
        for user in ("ann", "bob"):
            await record(conn, user_id=user, event_type="click", item_id="I1")
        await plane.catch_up()
        first = await feed.user_events("ann", 500)
        await record(conn, user_id="bob", event_type="click", item_id="I2")
        assert await feed.user_events("ann", 500) is first
        assert readings.count("read_request") == 1
        await conn.execute("update interactions set value = 2 where user_id = 'ann'")
    assert [each.value for each in (await feed.user_events("ann", 500)).latest] == [2]
    assert readings.count("read_request") == 2


async def test_what_is_dated_in_the_future_comes_at_its_time(
    plane: LivePlane, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = plane._components.feed
    now = 1000.0
    monkeypatch.setattr(feeds, "monotonic", lambda: now)
    monkeypatch.setattr("serving.catalogue.known_users.monotonic", lambda: now)
    async with pool.acquire() as conn:
        soon = datetime.now(UTC) + timedelta(seconds=40)
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        await record(conn, user_id="ann", event_type="click", item_id="I2", occurred_at=soon)
        await plane.catch_up()
        first = await feed.user_events("ann", 500)
        now += 20
        assert await feed.user_events("ann", 500) is first
        now += 20
        assert await feed.user_events("ann", 500) is not first


async def test_after_a_connection_broke_nothing_is_taken_for_known(
    plane: LivePlane, pool: asyncpg.Pool, readings: list[str]
) -> None:
    feed = plane._components.feed
    async with pool.acquire() as conn:
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        await plane.catch_up()
        first = await feed.user_events("ann", 500)
        assert await feed.user_events("ann", 500) is first
        await conn.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
        readings.clear()
        again = await feed.user_events("ann", 500)
    assert again == first
    assert again is not first
    assert "read_request" in readings


async def test_events_that_were_overtaken_by_a_change_are_read_again(
    plane: LivePlane, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = plane._components.feed

    async def slow(*asked: Any) -> Any:
        read = await read_request(*asked)
        async with pool.acquire() as conn:
            await record(conn, user_id="ann", event_type="click", item_id="I2")
            # As another request does; the lane of this test's worker has room for one.
            feed.users.note((await read_changes(conn, feed.users.snapshot))[1])
        return read

    async with pool.acquire() as conn:
        await record(conn, user_id="ann", event_type="click", item_id="I1")
    await plane.catch_up()
    with monkeypatch.context() as held:
        held.setattr(feeds, "read_request", slow)
        await feed.user_events("ann", 500)
    assert {each.item_id for each in (await feed.user_events("ann", 500)).latest} == {"I1", "I2"}
