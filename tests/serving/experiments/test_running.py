"""Assignment is sticky and fair, exploration's propensities are exact, shadows never hurt."""

import asyncio
import logging
from collections import Counter
from datetime import UTC, datetime

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.connection import create_pool
from database.experiments import Arm, Experiment, Kind, start_experiment, stop_experiment
from serving.experiments.running import (
    NO_EXPERIMENT,
    Assignment,
    RunningExperiments,
    Shadows,
    _arm_at,
    assign,
    bucket,
)

USERS = [f"user{n}" for n in range(20_000)]


def experiment(name: str, kind: Kind, *arms: Arm) -> Experiment:
    return Experiment(name, kind, arms, datetime.now(UTC), None, None)


def arm_of(assignment: Assignment) -> str | None:
    return assignment.arm.name if assignment.arm else None


SPLIT = experiment("split", "ab", Arm("a", 0.7), Arm("b", 0.2), Arm("c", 0.1))
SHADOW = experiment("shade", "shadow", Arm("now", 1.0), Arm("unseen", 0.25))


def test_who_falls_behind_shares_that_add_up_to_less_than_one_is_in_the_last_arm() -> None:
    arms = [Arm(name, 0.3333333) for name in "abc"]
    assert [_arm_at(arms, place).name for place in (0.0, 0.3333333, 0.9999998, 0.99999999)] == [
        "a",
        "b",
        "c",
        "c",
    ]


def test_traffic_is_split_as_asked_and_everyone_stays() -> None:
    first = [arm_of(assign([SPLIT], user)) for user in USERS]
    shares = {arm: count / len(USERS) for arm, count in Counter(first).items()}
    assert shares == pytest.approx({"a": 0.7, "b": 0.2, "c": 0.1}, abs=0.012)
    assert [arm_of(assign([SPLIT], user)) for user in USERS] == first


def test_experiments_split_independently_of_each_other() -> None:
    both = sum(bucket("one", user) < 0.5 and bucket("two", user) < 0.5 for user in USERS)
    assert both / len(USERS) == pytest.approx(0.25, abs=0.012)
    assert all(0 <= bucket("one", user) < 1 for user in USERS)


def test_the_bucket_is_the_same_on_every_machine() -> None:
    assert bucket("split", "user1") == pytest.approx(0.939182, abs=1e-6)


def test_without_experiment_or_user_nothing_changes() -> None:
    assert assign([], "ann") is NO_EXPERIMENT
    assert assign([SPLIT], None) is NO_EXPERIMENT
    assert arm_of(NO_EXPERIMENT) is None


def test_a_shadow_runs_for_its_share_beside_a_test() -> None:
    alone = [assign([SHADOW], user) for user in USERS]
    shadowed = [one for one in alone if one.shadow is not None]
    assert len(shadowed) / len(USERS) == pytest.approx(0.25, abs=0.012)
    assert {(one.experiment_id, arm_of(one), one.shadow_id) for one in shadowed} == {
        ("shade", "now", "shade")
    }
    beside = assign([SPLIT, SHADOW], next(u for u in USERS if assign([SHADOW], u).shadow))
    assert (beside.experiment_id, beside.shadow_id) == ("split", "shade")


HELD = experiment("held", "holdback", Arm("now", 0.9), Arm("before", 0.1, bundle_id="old"))


def test_a_holdback_has_the_users_that_no_test_has() -> None:
    alone = Counter(arm_of(assign([HELD], user)) for user in USERS)
    assert alone["before"] / len(USERS) == pytest.approx(0.1, abs=0.01)
    assert alone["before"] + alone["now"] == len(USERS)
    assert {assign([HELD, SPLIT], user).experiment_id for user in USERS[:100]} == {"split"}
    for one in (assign([HELD, SHADOW], user) for user in USERS[:200]):
        assert one.experiment_id == ("held" if one.shadow is None else "shade")


def test_only_users_who_are_compared_in_a_test_are_logged_in_full() -> None:
    assert not assign([HELD], "ann").in_full and not NO_EXPERIMENT.in_full
    assert assign([HELD, SPLIT], "ann").in_full
    shadowed = next(user for user in USERS if assign([SHADOW], user).shadow)
    other = next(user for user in USERS if not assign([SHADOW], user).shadow)
    assert assign([HELD, SHADOW], shadowed).in_full and not assign([HELD, SHADOW], other).in_full


async def test_a_worker_follows_starts_and_stops(connection: Connection) -> None:
    pool: asyncpg.Pool = await create_pool(1, 2)
    running = RunningExperiments(pool, poll_seconds=0.02)
    await running.open()
    assert running.assign("ann") is NO_EXPERIMENT
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    await _until(lambda: running.assign("ann").experiment_id == "e")
    stop_experiment(connection, "e", "done")
    connection.commit()
    await _until(lambda: running.assign("ann") is NO_EXPERIMENT)
    await running.close()
    await pool.close()


async def test_a_worker_keeps_what_it_knew_while_the_database_is_away() -> None:
    class Gone:
        asked = 0

        def acquire(self) -> None:
            self.asked += 1
            raise OSError("gone")

    gone = Gone()
    running = RunningExperiments(gone, poll_seconds=0.01)
    running.running = (SPLIT,)
    with pytest.raises(OSError):
        await running.open()
    running._task = asyncio.create_task(running._follow())
    await _until(lambda: gone.asked > 3)
    assert running.assign("ann").experiment_id == "split" and not running._task.done()
    await running.close()


async def test_a_broken_shadow_is_logged_and_too_many_are_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        await asyncio.sleep(0.01)
        raise RuntimeError("bad arm")

    shadows = Shadows(at_once=2)
    with caplog.at_level(logging.ERROR):
        assert [shadows.submit(broken) for _ in range(3)] == [True, True, False]
        await shadows.close()
    assert shadows.skipped == 1 and "bad arm" in caplog.text
    assert shadows.submit(broken)
    await shadows.close()


async def _until(condition) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)
