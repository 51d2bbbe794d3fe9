"""Trending scores, deployments, gate decisions."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import connect
from database.deployments import (
    PromotionBusyError,
    activate,
    current,
    fetch_deployment,
    history,
    previous,
    promotion_lock,
)
from database.gate_decisions import decisions, record_decision
from database.interactions import record
from database.state import read_state
from database.trending import compute_trending, load_trending

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEIGHTS = {"click": 2.0, "rating": 1.0, "feedback": 5.0, "skip": -1.0}


async def test_trending_decays_with_age(pool: asyncpg.Pool, connection: Connection) -> None:
    events = [
        ("new", "click", None, 0),
        ("old", "click", None, 2),
        ("gone", "click", None, 40),
        ("disliked", "click", None, 0),
        ("disliked", "feedback", -1.0, 0),
        ("rated", "rating", 5.0, 1),
        ("viewed", "view_time", 30.0, 0),
    ]
    async with pool.acquire() as conn:
        assert await load_trending(conn) == ({}, None)
        for item, event, value, days in events:
            await record(
                conn,
                user_id="ann",
                event_type=event,
                item_id=item,
                value=value,
                occurred_at=NOW - timedelta(days=days),
            )
        count = compute_trending(
            connection,
            NOW,
            decay_rate=0.9,
            step_hours=24,
            window_days=30,
            weights=WEIGHTS,
            neutral_stars=2.5,
        )
        assert (count, await load_trending(conn)) == (3, ({}, None))
        connection.commit()
        found, computed = await load_trending(conn)
        scores = {item_id: score for item_id, (score, _) in found.items()}
        assert scores == pytest.approx({"rated": 2.5 * 0.9, "new": 2.0, "old": 2.0 * 0.81})
        assert {item_id: events for item_id, (_, events) in found.items()} == dict.fromkeys(scores, 1)
        assert (await read_state(conn)).trending_version == 1
        assert computed == NOW


async def test_deployments_follow_each_other(pool: asyncpg.Pool, connection: Connection) -> None:
    assert current(connection) is None and previous(connection) is None
    first = activate(connection, "b1", "shortlist:b1", {"models": {}}, "first")
    second = activate(connection, "b2", "shortlist:b2", {"models": {}}, "better")
    async with pool.acquire() as conn:
        assert await fetch_deployment(conn, first.deployment_id) is None, "not committed yet"
        connection.commit()
        assert await fetch_deployment(conn, second.deployment_id) == second == current(connection)
        assert await fetch_deployment(conn, first.deployment_id) == first == previous(connection)
        assert (await read_state(conn)).deployment_id == second.deployment_id
    assert [row.bundle_id for row in history(connection, 10)] == ["b2", "b1"]


def test_promotions_do_not_race(connection: Connection) -> None:
    with (
        connect() as other,
        promotion_lock(connection, 1),
        pytest.raises(PromotionBusyError),
        promotion_lock(other, 0.05),
    ):
        pytest.fail("two promotions at once")
    with connect() as other, promotion_lock(other, 0.05):
        assert current(other) is None


def test_the_lock_outlives_a_failed_transaction(connection: Connection) -> None:
    with pytest.raises(ZeroDivisionError), promotion_lock(connection, 1):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        raise ZeroDivisionError
    with connect() as other, promotion_lock(other, 0.05):
        pass


def test_decisions_are_kept_with_their_numbers(connection: Connection) -> None:
    record_decision(connection, "b1", None, True, {"ndcg": 0.1})
    record_decision(connection, "b2", "b1", False, {"ndcg": 0.05})
    assert [row.accepted for row in decisions(connection, 10)] == [False, True]
    assert decisions(connection, 10, "b1")[0].report == {"ndcg": 0.1}
