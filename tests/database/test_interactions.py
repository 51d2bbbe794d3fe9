"""Interactions, users and the one-round-trip read of a request."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from database.counts import read_counts
from database.interactions import DedupConflictError, Recorded, recent, record
from database.state import ReadRequest, State, UserEvents, read_request, read_state
from database.user_merge import merge_users
from database.users import get_user, insert_user, update_user
from serving.steps.history import grouped

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def test_a_click_is_read_back_newest_first(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        for minutes in (3, 1, 2):
            await record(
                conn,
                user_id="ann",
                event_type="click",
                item_id=f"I{minutes}",
                occurred_at=NOW - timedelta(minutes=minutes),
            )
        await record(conn, user_id="bob", event_type="search_query", query="lamp")
        rows = await recent(conn, "ann", NOW - timedelta(minutes=2), 10)
        assert [row.item_id for row in rows] == ["I1", "I2"]
        assert await get_user(conn, "ann") is not None
        read = await read_request(conn, "ann", 1)
        assert read.state == State(0, 0, None)
        assert list(read.events.latest) == rows[:1]
        assert {group.item_id for group in read.events.groups} == {"I1", "I2", "I3"}
        assert (await read_request(conn, "ann", 10)).events.groups == ()


async def test_what_is_dated_in_the_future_is_not_read_before_its_time(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        for item_id, hours in (("past", -1), ("future", 5)):
            at = datetime.now(UTC) + timedelta(hours=hours)
            await record(conn, user_id="ann", event_type="click", item_id=item_id, occurred_at=at)
        for limit in (1, 10):
            read = await read_request(conn, "ann", limit)
            events = read.events
            assert read.due_in is not None
            assert 5 * 3600 - 60 < read.due_in <= 5 * 3600
            assert [row.item_id for row in events.latest] == ["past"]
            assert {group.item_id for group in events.groups} <= {"past"}


async def test_a_group_names_its_latest_event_also_of_several_at_one_moment(pool: asyncpg.Pool) -> None:
    ids = []
    async with pool.acquire() as conn:
        for value, hours in ((1.0, 1), (-1.0, 0), (1.0, 0), (-1.0, 0), (1.0, 2)):
            made = await record(
                conn,
                user_id="ann",
                event_type="feedback",
                item_id="I1",
                value=value,
                occurred_at=NOW - timedelta(hours=hours),
            )
            ids.append(made.interaction_id)
        events = (await read_request(conn, "ann", 1)).events
        whole = (await read_request(conn, "ann", 10)).events
    latest = {group.opinion: (group.latest_at, group.latest_id) for group in events.groups}
    assert latest == {-1.0: (NOW, ids[3]), 1.0: (NOW, ids[2])}
    assert sorted(events.groups, key=str) == sorted(grouped(whole.latest), key=str)


async def test_a_request_without_history_still_reads_the_state(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        assert await read_request(conn, "nobody", 10) == ReadRequest(await read_state(conn), UserEvents())


async def test_a_visitors_events_are_read_by_their_id_until_a_user_has_them(
    pool: asyncpg.Pool,
) -> None:
    async with pool.acquire() as conn:
        for number, anonymous_id in enumerate(("v1", "v1", "v2")):
            await conn.execute(
                """insert into interactions (anonymous_id, event_type, item_id, occurred_at, source)
                values ($1, 'click', $2, $3, 'api')""",
                *(anonymous_id, f"I{number}", NOW - timedelta(minutes=number)),
            )
        events = (await read_request(conn, "v1", 10)).events
        assert [row.item_id for row in events.latest] == ["I0", "I1"]
        events = (await read_request(conn, "v1", 1)).events
        assert {group.item_id for group in events.groups} == {"I0", "I1"}
        await merge_users(conn, "v1", "ann")
        assert (await read_request(conn, "v1", 10)).events == UserEvents()
        assert [row.item_id for row in (await read_request(conn, "ann", 10)).events.latest] == ["I0", "I1"]
        assert [row.item_id for row in (await read_request(conn, "v2", 10)).events.latest] == ["I2"]


@pytest.mark.parametrize("who", ["ann", "v1", "nobody"])
async def test_what_a_request_needs_is_read_by_one_statement(pool: asyncpg.Pool, who: str) -> None:
    statements = []
    async with pool.acquire() as conn:
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        await conn.execute(
            """insert into interactions (anonymous_id, event_type, item_id, occurred_at, source)
            values ('v1', 'click', 'I2', now(), 'api'), ('ann', 'click', 'I3', now(), 'api')"""
        )
        with conn.query_logger(lambda each: statements.append(each.query)):
            events = (await read_request(conn, who, 10)).events
    assert len(statements) == 1
    assert [row.item_id for row in events.latest] == {"ann": ["I1"], "v1": ["I2"], "nobody": []}[who]


async def test_the_same_event_sent_twice_at_once_is_stored_once(pool: asyncpg.Pool) -> None:
    key = uuid4()

    async def send(value: float = 0.1) -> Recorded:
        async with pool.acquire() as conn:
            return await record(
                conn, user_id="ann", event_type="like", item_id="I1", value=value, dedup_key=key
            )

    assert len(set(await asyncio.gather(*(send() for _ in range(8))))) == 1
    async with pool.acquire() as conn:
        assert (await read_counts(conn)).interactions == 1
    with pytest.raises(DedupConflictError):
        await send(value=0.2)


async def test_an_unknown_event_type_is_refused(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await record(conn, user_id="ann", event_type="stare")
        assert await get_user(conn, "ann") is None


async def test_users_are_registered_once(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await record(conn, user_id="ann", event_type="click", item_id="I1")
        made = await insert_user(conn, "ann", ["tea"], "beginner")
        assert made is not None and made.interests == ("tea",)
        assert await insert_user(conn, "ann", [], None) is None
        changed = await update_user(conn, "ann", {"interests": ("tea", "cups")})
        assert changed is not None and (changed.interests, changed.skill_level) == (
            ("tea", "cups"),
            "beginner",
        )
        assert await update_user(conn, "nobody", {"skill_level": "expert"}) is None
        with pytest.raises(ValueError, match="user_id"):
            await update_user(conn, "ann", {"user_id": "eve"})
