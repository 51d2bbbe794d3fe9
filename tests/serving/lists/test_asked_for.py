"""Lists that are not asked for are not made, and what a page does not show does not count as shown."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg2
import pytest

from database.online import Attribution, list_clicks, shown_clicks
from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from serving.request_context import Request, current_request
from serving.types import HOME_LISTS
from tests.serving.worker import Clock, logged

OpenPlane = Callable[[], Awaitable[LivePlane]]
CLICKS = Attribution(("click",), timedelta(hours=1))


async def users(plane: LivePlane, count: int) -> list[str]:
    """Users with a history, so that each has all five lists."""
    names = [f"user{number}" for number in range(count)]
    for name in names:
        await plane.record_interaction(
            InteractionDraft(user_id=name, event_type="like", item_id="TEA0000001")
        )
    return names


async def settled(plane: LivePlane, pool: asyncpg.Pool) -> list[asyncpg.Record]:
    """What is logged of the lists so far."""
    await logged(plane)
    rows: list[asyncpg.Record] = await pool.fetch("select * from logged_lists order by list_id")
    return rows


@pytest.mark.parametrize("asked", [["personalized"], ["trending", "top_categories"], ["diverse_picks"]])
async def test_only_the_lists_that_are_asked_for_are_made_and_logged(
    plane: LivePlane, pool: asyncpg.Pool, asked: list[str]
) -> None:
    (user,) = await users(plane, 1)
    home = await plane.lists.home(user, 3, lists=asked)
    assert {name for name in HOME_LISTS if getattr(home, name)} == set(asked)
    assert {row["endpoint"] for row in await settled(plane, pool)} == {f"home.{name}" for name in asked}


async def test_a_list_is_the_same_whether_asked_for_alone_or_with_all(plane: LivePlane) -> None:
    (user,) = await users(plane, 1)
    whole = await plane.lists.home(user, 4)
    for name in ("personalized", "trending", "best_value", "top_categories"):
        assert getattr(await plane.lists.home(user, 4, lists=[name]), name) == getattr(whole, name)


async def test_sixty_asked_for_by_ten_users_are_not_all_seen(
    plane: LivePlane, pool: asyncpg.Pool, database: Any, clock: Clock
) -> None:
    names = await users(plane, 10)
    for name in names:
        await plane.lists.home(name, 60)
    categories = 3
    await settled(plane, pool)
    since, until = clock.now - timedelta(hours=1), clock.now + timedelta(hours=1)
    with psycopg2.connect(database.dsn) as conn:
        rate = shown_clicks(conn, None, since, until, CLICKS)
        lists = list_clicks(conn, None, since, until, CLICKS)
    conn.close()
    assert rate.users == 10
    assert rate.shown <= 10 * 6 * (4 + categories)
    assert lists["home.trending"].shown == 60
    assert lists["home.top_categories"].shown == 10 * 6 * categories


async def test_the_client_tells_how_many_its_page_shows(plane: LivePlane, pool: asyncpg.Pool) -> None:
    (user,) = await users(plane, 1)
    for shown in (4, 0):
        current_request.set(Request(f"r{shown}", shown=shown))
        await plane.lists.home(user, 10, lists=["trending"])
    rows = await settled(plane, pool)
    assert [(row["request_id"], row["seen"], row["shown"]) for row in rows] == [
        ("r4", 4, True),
        ("r0", 0, False),
    ]
