"""What the users of an experiment did besides clicking, counted on a real database."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Arm, get_experiment, start_experiment
from database.impressions import write_impressions
from database.interactions import record
from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, arm_outcomes
from tests.database.test_online import NOW, shown

BEFORE = timedelta(days=28)
HOUR = timedelta(hours=1)


async def event(
    conn: asyncpg.Connection, user: str, kind: str, hours: float, item: str = "x", value: float | None = None
) -> None:
    moment = NOW + hours * HOUR
    await record(conn, user_id=user, event_type=kind, item_id=item, value=value, occurred_at=moment)


@pytest.fixture
async def two_arms(pool: asyncpg.Pool, connection: Connection) -> asyncpg.Pool:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    with connection.cursor() as cursor:
        cursor.execute("update experiments set started_at = %s", (NOW,))
        cursor.execute(
            """insert into items (item_id, title, price, change_seq)
            values ('x', 'x', 2.5, 1), ('y', 'y', null, 2)"""
        )
    connection.commit()
    rows = [
        shown(user, "x", minutes=minutes, experiment_id="e", arm=arm)
        for user, arm, minutes in (("ann", "a", 60), ("ann", "a", 600), ("bob", "a", 1), ("eve", "b", 1))
    ]
    async with pool.acquire() as conn:
        await write_impressions(conn, [*rows, shown("out", "x", minutes=1)])
    return pool


async def test_purchases_count_from_the_first_list_on_and_those_before_apart(
    two_arms: asyncpg.Pool, connection: Connection
) -> None:
    async with two_arms.acquire() as conn:
        await event(conn, "ann", "purchase", 0.5)  # after the start, before ann's first list
        await event(conn, "ann", "purchase", 2, value=3)
        await event(conn, "ann", "purchase", 3, item="y")  # without a price
        await event(conn, "ann", "purchase", 100)  # later than the reading
        await event(conn, "bob", "purchase", -24 * 3)
        await event(conn, "bob", "purchase", -24 * 29)  # too long ago
        await event(conn, "eve", "skip", 2)
        await event(conn, "bob", "feedback", 2, value=1)
        await event(conn, "out", "purchase", 2)
    experiment = get_experiment(connection, "e")
    found = arm_outcomes(connection, experiment, NOW + 20 * HOUR, BEFORE)
    bought = found["a", PURCHASE_RATE]
    assert (bought.users, bought.active, bought.mean, bought.mean_before) == (2, 1, 0.5, 0.5)
    assert bought.covariance == pytest.approx(-0.5)
    spent = found["a", REVENUE]
    assert (spent.mean, spent.mean_before) == (3 * 2.5 / 2, 2.5 / 2)
    assert spent.variance == pytest.approx(7.5**2 / 2)
    assert (found["a", DISLIKES].mean, found["b", DISLIKES].mean) == (0, 1)
    alone = found["b", PURCHASE_RATE]
    assert (alone.users, alone.mean, alone.variance) == (1, 0, 0)


async def test_an_experiment_that_showed_nothing_has_no_outcomes(connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    assert arm_outcomes(connection, get_experiment(connection, "e"), datetime.now(UTC), BEFORE) == {}
