"""An experiment as it is read: rates and verdicts by arm."""

from datetime import timedelta
from functools import partial

import asyncpg
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Arm, start_experiment
from database.impressions import write_impressions
from database.online import arm_clicks
from database.settings import REPOSITORY
from experiments import reading as experiment_reading
from experiments.commands import describe, describe_mismatch
from experiments.reading import read_experiment
from experiments.statistics import SequentialTest, compare
from tests.database.test_online import CLICKS, NOW, click, shown
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml").experiments.model_copy(
    update={"click_events": ("click",), "attribution_minutes": 60, "effect_scale": 0.1, "min_users": 2}
)
LATER = NOW + timedelta(hours=1)


async def run(conn: asyncpg.Connection, users: dict[str, int], clicks: dict[str, int]) -> None:
    """Show an item to so many users of each arm of "e"; so many click on it."""
    rows = [
        shown(f"{arm}{n}", "x", minutes=1, experiment_id="e", arm=arm)
        for arm, many in users.items()
        for n in range(many)
    ]
    await write_impressions(conn, rows)
    for arm, many in clicks.items():
        for n in range(many):
            await click(conn, f"{arm}{n}", "x", 2)


async def test_an_experiment_is_read_by_arm(pool: asyncpg.Pool, connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    async with pool.acquire() as conn:
        rows = [shown(f"a{n}", "x", minutes=1, experiment_id="e", arm="a") for n in range(300)]
        rows += [shown(f"b{n}", "x", minutes=1, experiment_id="e", arm="b") for n in range(300)]
        await write_impressions(conn, [*rows, shown("else", "x", minutes=1)])
        for n in range(90):
            await click(conn, f"b{n}", "x", 2)
    reading = read_experiment(connection, "e", LATER, PARAMS)
    control, other = reading.arms
    assert (control.rate.shown, control.rate.clicked, control.difference) == (300, 0, None)
    assert (other.rate.shown, other.rate.value) == (300, 0.3)
    assert other.low < 0.3 < other.high
    assert other.difference is not None and other.difference.verdict == other.verdict == "better"
    assert reading.ratio is not None and not reading.ratio.mismatch
    assert set(arm_clicks(connection, reading.experiment, NOW + timedelta(seconds=1), CLICKS)) == set()


async def test_arms_without_their_shares_of_the_users_have_no_verdict(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    """A bundle that did not load on some workers: half of its users are counted nowhere."""
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    async with pool.acquire() as conn:
        await run(conn, {"a": 300, "b": 150}, {"b": 90})
    reading = read_experiment(connection, "e", LATER, PARAMS)
    assert reading.ratio is not None and reading.ratio.mismatch
    assert reading.ratio.users == (300, 150) and reading.ratio.expected == (225, 225)
    other = reading.arms[1]
    assert other.verdict == "withheld"
    assert other.difference is not None and other.difference.verdict == "withheld"
    assert {each.difference and each.difference.verdict for each in other.outcomes.values()} == {"withheld"}
    assert "No verdict: the arms do not have their shares of the users: 300 (expected 225)" in (
        describe_mismatch(reading.ratio)
    )


async def test_each_of_several_arms_has_its_part_of_the_chance_of_a_false_alarm(
    pool: asyncpg.Pool, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be shown beside one other arm is not shown beside three."""
    of_outcomes: list[float] = []

    def noted(alpha: float, scale: float, min_users: int) -> SequentialTest:
        of_outcomes.append(alpha)
        return SequentialTest(alpha, scale, min_users)

    monkeypatch.setattr(experiment_reading, "SequentialTest", noted)
    arms = {"a": 200, "b": 200, "c": 200, "d": 200}
    start_experiment(connection, "e", "ab", tuple(Arm(name, 0.25) for name in arms))
    connection.commit()
    async with pool.acquire() as conn:
        await run(conn, arms, {"a": 20, "b": 43, "c": 43, "d": 43})
    control, *others = read_experiment(connection, "e", LATER, PARAMS).arms
    for arm in others:
        judged = partial(compare, control.rate, arm.rate, scale=PARAMS.effect_scale, min_users=2)
        assert judged(alpha=PARAMS.alpha).verdict == "better"
        third = judged(alpha=PARAMS.alpha / 3)
        assert arm.difference == third and third.verdict == "undecided"
    assert of_outcomes == [PARAMS.alpha / 3] * 3


async def test_an_arm_that_wins_clicks_and_loses_buyers_is_worse(
    pool: asyncpg.Pool, connection: Connection
) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    async with pool.acquire() as conn:
        await run(conn, {"a": 300, "b": 300}, {"b": 90})
        for arm, many in (("a", 200), ("b", 40)):
            for n in range(many):
                await click(conn, f"{arm}{n}", "x", 3, event="purchase")
    other = read_experiment(connection, "e", LATER, PARAMS).arms[1]
    assert other.difference is not None and other.difference.verdict == "better"
    assert (other.verdict, other.harmed) == ("worse", ("purchase_rate",))
    assert "; worse (makes purchase_rate worse): +" in describe(other)
    bought = other.outcomes["purchase_rate"]
    assert (bought.users, bought.active) == (300, 40)
    assert bought.low < 40 / 300 < bought.high
    unguarded = PARAMS.model_copy(update={"guardrails": ()})
    assert read_experiment(connection, "e", LATER, unguarded).arms[1].verdict == "better"


async def test_what_a_verdict_waits_for_is_said(pool: asyncpg.Pool, connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    async with pool.acquire() as conn:
        await run(conn, {"a": 9, "b": 6}, {"b": 3})
    waiting = PARAMS.model_copy(update={"min_users": 100})
    other = read_experiment(connection, "e", LATER, waiting).arms[1]
    assert (other.verdict, other.waits) == ("undecided", "needs 100 users an arm, has 6")
    assert describe(other).endswith("needs 100 users an arm, has 6")


async def test_a_holdback_is_read_like_a_test(pool: asyncpg.Pool, connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    with connection.cursor() as cursor:
        cursor.execute("update experiments set kind = 'holdback', ends_at = now() + interval '2 days'")
    connection.commit()
    async with pool.acquire() as conn:
        await run(conn, {"a": 100, "b": 100}, {"b": 90})
    assert read_experiment(connection, "e", LATER, PARAMS).arms[1].verdict == "better"
