"""An experiment as it is read: rates and verdicts by arm."""

from datetime import timedelta

import asyncpg
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.experiments import Arm, start_experiment
from database.impressions import write_impressions
from database.online import arm_clicks
from experiments.reading import read_experiment
from experiments.statistics import SequentialTest
from tests.database.test_online import CLICKS, NOW, click, shown

TEST = SequentialTest(alpha=0.05, scale=0.1, min_users=2)


async def test_an_experiment_is_read_by_arm(pool: asyncpg.Pool, connection: Connection) -> None:
    start_experiment(connection, "e", "ab", (Arm("a", 0.5), Arm("b", 0.5)))
    connection.commit()
    async with pool.acquire() as conn:
        rows = [shown(f"a{n}", "x", minutes=1, experiment_id="e", arm="a") for n in range(300)]
        rows += [shown(f"b{n}", "x", minutes=1, experiment_id="e", arm="b") for n in range(300)]
        await write_impressions(conn, [*rows, shown("else", "x", minutes=1)])
        for n in range(90):
            await click(conn, f"b{n}", "x", 2)
    later = NOW + timedelta(hours=1)
    reading = read_experiment(connection, "e", later, CLICKS, TEST)
    control, other = reading.arms
    assert (control.rate.shown, control.rate.clicked, control.difference) == (300, 0, None)
    assert (other.rate.shown, other.rate.value) == (300, 0.3)
    assert other.low < 0.3 < other.high
    assert other.difference is not None and other.difference.verdict == "better"
    assert set(arm_clicks(connection, reading.experiment, NOW + timedelta(seconds=1), CLICKS)) == set()
