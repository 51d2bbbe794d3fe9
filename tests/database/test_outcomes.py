"""What the users of an experiment did besides clicking, counted on a real database."""

import random
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.experiments import Arm, get_experiment, start_experiment
from database.impressions import write_impressions
from database.interactions import record
from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, arm_outcomes
from database.partitions import INTERACTIONS, ensure_partitions
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


PRICES = {"x": 2.5, "y": 0.0}
USERS = {**{f"a{number}": "a" for number in range(8)}, **{f"b{number}": "b" for number in range(8)}}
UNTIL = 200.0


@pytest.mark.parametrize("seed", range(4))
async def test_outcomes_are_those_of_a_plain_count(
    two_arms: asyncpg.Pool, connection: Connection, seed: int
) -> None:
    """Lists shown and not, events before, at and after each edge, with a price of their own and without."""
    draw = random.Random(seed)
    edges = [-24.0 * 28 - 1, -24.0 * 28, -1.0, 0.0, 1.0, 2.0, 50.0, UNTIL, UNTIL + 1]
    lists = [
        (user, draw.choice([-1.0, 0.0, 1.0, 2.0, UNTIL, UNTIL + 1]), draw.random() < 0.6, draw.random() < 0.8)
        for user in USERS
        for _ in range(3)
    ]
    events = [
        (
            draw.choice(list(USERS)),
            draw.choice(["purchase", "purchase", "skip", "feedback", "view_time"]),
            draw.choice(["x", "y", "unknown"]),
            draw.choice([None, -1.0, 1.0, 3.0]),
            draw.choice([None, None, 0.0, 7.0]),
            draw.choice(edges),
        )
        for _ in range(120)
    ]
    rows = [
        shown(
            user,
            "x",
            minutes=60 * hours,
            request_id=f"r{number}",
            shown=was_shown,
            **({"experiment_id": "e", "arm": USERS[user]} if counted else {}),
        )
        for number, (user, hours, was_shown, counted) in enumerate(lists)
    ]
    with connection.cursor() as cursor:
        cursor.execute("update experiments set started_at = %s where experiment_id = 'e'", (NOW,))
        cursor.execute("delete from impression_lists")
        cursor.execute("update items set price = 0 where item_id = 'y'")
        ensure_partitions(connection, INTERACTIONS, NOW - 30 * 24 * HOUR, NOW + 300 * HOUR)
        cursor.executemany("insert into users (user_id) values (%s)", [(user,) for user in USERS])
        execute_values(
            cursor,
            """insert into interactions
            (user_id, event_type, item_id, value, price, occurred_at, source) values %s""",
            [(*event[:5], NOW + event[5] * HOUR, "test") for event in events],
        )
    connection.commit()
    async with two_arms.acquire() as conn:
        await write_impressions(conn, rows)
    found = arm_outcomes(connection, get_experiment(connection, "e"), NOW + UNTIL * HOUR, BEFORE)
    for arm in ("a", "b"):
        since = {
            user: min(
                hours
                for of, hours, was_shown, counted in lists
                if of == user and was_shown and counted and 0 <= hours < UNTIL
            )
            for user in {
                of
                for of, hours, was_shown, counted in lists
                if was_shown and counted and 0 <= hours < UNTIL and USERS[of] == arm
            }
        }
        plain: dict[str, list[tuple[float, float]]] = {PURCHASE_RATE: [], REVENUE: [], DISLIKES: []}
        for user, first in since.items():
            own = [event for event in events if event[0] == user and -24 * 28 <= event[5] < UNTIL]
            sides = [[each for each in own if each[5] >= first], [each for each in own if each[5] < 0]]
            for name, measured in plain.items():
                measured.append((plain_outcome(name, sides[0]), plain_outcome(name, sides[1])))
        for name, measured in plain.items():
            after, before = np.array(measured).T
            moments = found[arm, name]
            assert (moments.users, moments.active) == (len(after), int(np.count_nonzero(after)))
            assert (moments.mean, moments.mean_before) == pytest.approx((after.mean(), before.mean()))
            covariance = np.cov(after, before)
            assert (moments.variance, moments.variance_before, moments.covariance) == pytest.approx(
                (covariance[0, 0], covariance[1, 1], covariance[0, 1])
            )


def plain_outcome(name: str, events: list[tuple[str, str, str, float | None, float | None, float]]) -> float:
    bought = [each for each in events if each[1] == "purchase"]
    if name == PURCHASE_RATE:
        return float(bool(bought))
    if name == DISLIKES:
        return float(
            any(kind == "skip" or (kind == "feedback" and value == -1) for _, kind, _, value, *_ in events)
        )
    total = 0.0
    for _, _, item, value, price, _ in bought:
        each = PRICES.get(item, 0.0) if price is None else price
        total += (1.0 if value is None else value) * each
    return total
