"""A promotion keeps a share of the users on the previous bundle, where that tells anything."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import execute_values

from database.deployments import Deployment, activate
from database.experiments import Arm, list_experiments, running_experiments, start_experiment
from database.holdback import HoldbackPlan, begin_holdback

PLAN = HoldbackPlan(share=0.1, days=2, min_users=20)


def deploy(conn: Connection, bundle: str) -> Deployment:
    return activate(conn, bundle, f"shortlist:{bundle}", {}, "test")


def show(conn: Connection, users: int) -> None:
    rows = [(f"r{n}", True, "home", f"u{n}", ["i"], [1.0], "old", datetime.now(UTC)) for n in range(users)]
    with conn.cursor() as cursor:
        execute_values(
            cursor,
            """insert into impression_lists
            (request_id, shown, endpoint, user_id, item_ids, propensities, bundle_id, shown_at) values %s""",
            rows,
        )


def begin(conn: Connection, plan: HoldbackPlan = PLAN, users: int = 300) -> bool:
    old, new = deploy(conn, "old"), deploy(conn, "new")
    show(conn, users)
    began = begin_holdback(conn, new, old, plan)
    conn.commit()
    return began


async def test_a_tenth_keeps_the_previous_bundle_for_two_days(
    connection: Connection, pool: asyncpg.Pool
) -> None:
    assert begin(connection)
    (held,) = list_experiments(connection, 5, running_only=True)
    assert [(arm.name, arm.share, arm.bundle_id) for arm in held.arms] == [
        ("now", 0.9, None),
        ("before", 0.1, "old"),
    ]
    assert held.arms[1].bundle_tag == "shortlist:old"
    assert held.ends_at is not None
    assert held.ends_at - held.started_at == pytest.approx(timedelta(days=2), abs=timedelta(seconds=1))
    async with pool.acquire() as conn:
        assert await running_experiments(conn) == [held]
    assert list_experiments(connection, 5, kinds=("ab", "shadow")) == []


async def test_it_ends_by_itself(connection: Connection, pool: asyncpg.Pool) -> None:
    begin(connection)
    with connection.cursor() as cursor:
        cursor.execute("update experiments set ends_at = clock_timestamp()")
    connection.commit()
    async with pool.acquire() as conn:
        assert await running_experiments(conn) == []
    (over,) = list_experiments(connection, 5)
    assert over.over(datetime.now(UTC) + timedelta(days=1)) == over.ends_at


def test_any_further_deployment_ends_it_and_the_next_one_may_begin(connection: Connection) -> None:
    begin(connection)
    begin(connection)
    running, first = list_experiments(connection, 5)
    assert (running.stopped_at, first.stop_reason) == (None, "another bundle was deployed")
    deploy(connection, "newest")
    assert list_experiments(connection, 5, running_only=True) == []


@pytest.mark.parametrize(
    ("plan", "users"),
    [(PLAN, 199), (HoldbackPlan(0, 2, 20), 300), (HoldbackPlan(0.1, 2, 31), 300)],
    ids=["few users", "switched off", "more needed"],
)
def test_a_tiny_shop_has_none(connection: Connection, plan: HoldbackPlan, users: int) -> None:
    assert not begin(connection, plan, users)
    assert list_experiments(connection, 5) == []


def test_there_is_none_beside_a_test_that_has_all_users(connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5, epsilon=0.1)))
    assert not begin(connection)


def test_the_same_bundle_again_has_none(connection: Connection) -> None:
    old = deploy(connection, "old")
    show(connection, 300)
    assert not begin_holdback(connection, deploy(connection, "old"), old, PLAN)
