"""Starting, stopping and listing experiments."""

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.deployments import activate
from database.experiments import (
    Arm,
    ExperimentBusyError,
    ExperimentInvalidError,
    ExperimentUnknownError,
    get_experiment,
    list_experiments,
    running_experiments,
    start_experiment,
    stop_experiment,
)
from database.gate_decisions import record_decision

HALVES = (Arm("now", 0.5), Arm("more-cf", 0.5, blend={"cf": 0.8, "embeddings": 0.2}, epsilon=0.1))


async def test_an_experiment_runs_until_it_is_stopped(pool: asyncpg.Pool, connection: Connection) -> None:
    started = start_experiment(connection, "blend-1", "ab", HALVES)
    connection.commit()
    async with pool.acquire() as conn:
        assert await running_experiments(conn) == [started]
        assert started.arms == HALVES and started.stopped_at is None
        stopped = stop_experiment(connection, "blend-1", "enough seen")
        connection.commit()
        assert await running_experiments(conn) == []
    assert stopped.stop_reason == "enough seen" and stopped.stopped_at is not None
    assert get_experiment(connection, "blend-1") == stopped
    assert list_experiments(connection, 10) == [stopped]
    with pytest.raises(ExperimentUnknownError):
        stop_experiment(connection, "blend-1", "again")


def test_one_of_each_kind_at_a_time(connection: Connection) -> None:
    start_experiment(connection, "one", "ab", HALVES)
    start_experiment(connection, "beside", "shadow", (Arm("now", 1), Arm("unseen", 0.2)))
    connection.commit()
    with pytest.raises(ExperimentBusyError):
        start_experiment(connection, "two", "ab", HALVES)
    connection.rollback()
    assert {one.experiment_id for one in list_experiments(connection, 9, running_only=True)} == {
        "one",
        "beside",
    }


@pytest.mark.parametrize(
    ("kind", "arms"),
    [
        ("ab", (Arm("only", 1),)),
        ("ab", (Arm("same", 0.5), Arm("same", 0.5))),
        ("ab", (Arm("a", 0.5), Arm("b", 0.4))),
        ("ab", (Arm("a", 0.5), Arm("b", 0.5, epsilon=1))),
        ("ab", (Arm("a", 0), Arm("b", 1))),
        ("shadow", (Arm("a", 0.5), Arm("b", 0.5))),
        ("shadow", (Arm("a", 1), Arm("b", 0.5, epsilon=0.1))),
        ("ab", (Arm("a", 0.5), Arm("b", 0.5, bundle_id="never-seen"))),
    ],
)
def test_what_makes_no_sense_is_refused(connection: Connection, kind: str, arms: tuple[Arm, ...]) -> None:
    with pytest.raises(ExperimentInvalidError):
        start_experiment(connection, "wrong", kind, arms)  # type: ignore[arg-type]


def test_an_id_must_be_plain(connection: Connection) -> None:
    with pytest.raises(ExperimentInvalidError):
        start_experiment(connection, "Not An Id", "ab", HALVES)


def test_a_bundle_must_have_passed_the_gate(connection: Connection) -> None:
    activate(connection, "b1", "shortlist:b1", {}, "first")
    record_decision(connection, "b2", "b1", True, {})
    record_decision(connection, "b3", "b1", False, {})
    arms = (Arm("old", 0.5, bundle_id="b1"), Arm("new", 0.5, bundle_id="b2"))
    started = start_experiment(connection, "bundles", "ab", arms)
    assert [arm.bundle_tag for arm in started.arms] == ["shortlist:b1", "shortlist:b2"]
    with pytest.raises(ExperimentInvalidError, match="b3"):
        start_experiment(connection, "refused", "ab", (Arm("a", 0.5), Arm("b", 0.5, bundle_id="b3")))


def test_a_test_of_bundles_compares_with_the_one_deployed_at_its_start(connection: Connection) -> None:
    """The control stays on it, whatever the nights deploy."""
    activate(connection, "b1", "shortlist:b1", {}, "first")
    record_decision(connection, "b2", "b1", True, {})
    arms = (Arm("now", 0.5), Arm("new", 0.5, bundle_id="b2"))
    started = start_experiment(connection, "bundles", "ab", arms)
    assert [(arm.bundle_id, arm.bundle_tag) for arm in started.arms] == [
        ("b1", "shortlist:b1"),
        ("b2", "shortlist:b2"),
    ]
    activate(connection, "b3", "shortlist:b3", {}, "the next night")
    assert get_experiment(connection, "bundles").arms == started.arms


def test_a_test_of_blends_follows_the_deployed_bundle_in_all_arms(connection: Connection) -> None:
    activate(connection, "b1", "shortlist:b1", {}, "first")
    started = start_experiment(connection, "blends", "ab", HALVES)
    assert [arm.bundle_id for arm in started.arms] == [None, None]


def test_a_shadow_is_compared_with_what_is_deployed(connection: Connection) -> None:
    activate(connection, "b1", "shortlist:b1", {}, "first")
    arms = (Arm("now", 1, epsilon=0.1), Arm("unseen", 0.2, bundle_id="b1"))
    assert start_experiment(connection, "shade", "shadow", arms).arms[0].bundle_id is None
