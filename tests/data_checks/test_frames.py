"""What the checks look at, on small tables, without the checks themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_checks.frames import USUAL_DAYS, Limits, read_frames

NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMITS = Limits(unknown=0.1, deleted=0.1, min_rows=100)
SUITES: list[dict[str, Any]] = [{"table": "interactions", "id": None, "expectations": []}]


def frames(folder: Path, ages: list[float], description: dict[str, Any]) -> dict[str, Any]:
    """Of a shop of one item, with an interaction so many days before the newest for each of `ages`."""
    pd.DataFrame({"item_id": ["a"]}).to_parquet(folder / "items.parquet")
    pd.DataFrame({"user_id": ["u"]}).to_parquet(folder / "users.parquet")
    vectors = pd.DataFrame({"item_id": ["a"], "model": ["m"], "vector": [b"\\0\\0\\0\\0"]})
    vectors.to_parquet(folder / "embeddings.parquet")
    times = pd.to_datetime([NEWEST - timedelta(days=age) for age in ages], utc=True).as_unit("us")
    rows = {"interaction_id": range(len(ages)), "item_id": "a", "event_type": "view", "occurred_at": times}
    pd.DataFrame(rows).to_parquet(folder / "interactions.parquet")
    found = read_frames(folder, {"as_of": NEWEST.isoformat(), **description}, LIMITS, SUITES)
    return {name: next(iter(parts)).iloc[0].to_dict() for name, parts in found.items() if name in ASKED}


ASKED = ("volume", "left_out")


BUSY_HALF = [day for day in range(1, 15) for _ in range(2)]
"""Half of the days have twice as many: with the newest among them their median would be another."""


@example(BUSY_HALF, 1)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=40), st.integers(0, 3))
@settings(max_examples=30)
def test_the_newest_day_is_a_share_of_the_usual_day_before_it(
    tmp_path_factory: pytest.TempPathFactory, days: list[int], silent: int
) -> None:
    """The median of the 28 days before, without the newest; a history of under two weeks has no usual day."""
    folder = tmp_path_factory.mktemp("snapshot")
    description = {"as_of": (NEWEST + timedelta(days=silent)).isoformat()}
    ages = [0.0, *map(float, days), *(float(day) for day in range(1, USUAL_DAYS) for _ in range(2))]
    if silent == 0:
        ages = [0.0, *(age for age in map(float, days) if age < USUAL_DAYS // 2)]
    volume = frames(folder, ages, description)["volume"]
    counts = [sum(age == day for age in ages) for day in range(USUAL_DAYS + 1)]
    usual = median(counts[1:]) if max(ages) >= USUAL_DAYS // 2 else 0
    assert volume["newest_day_share"] == pytest.approx(counts[0] / usual if usual else 1.0)
    assert volume["silent_days"] == pytest.approx(silent)


@pytest.mark.parametrize(("rows", "share"), [(99, 0.0), (100, 0.4), (101, 0.4)])
def test_a_share_of_few_rows_says_nothing(tmp_path: Path, rows: int, share: float) -> None:
    left_out = {"rows": 500, "recent_rows": rows, "recent_share": 0.4, "examples": ["x"]}
    found = frames(tmp_path, [0.0], {"left_out": {"unknown": left_out}})["left_out"]
    assert found == {"unknown": share, "deleted": 0.0}
