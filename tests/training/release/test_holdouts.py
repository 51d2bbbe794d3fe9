"""Which champions can be tested on tonight's holdout."""

from typing import Any

import pytest

from training.data.split import DAY
from training.evaluation.holdout import HoldoutFacts
from training.release.holdouts import facts_of, incomparable


def by_time(end: int, days: float, users: int = 50) -> HoldoutFacts:
    """A test of so many days that ends with this day."""
    return HoldoutFacts("time", int((end - days) * DAY) + 1, end * DAY, users, users)


@pytest.mark.parametrize(
    ("mine", "theirs", "why"),
    [
        (by_time(101, 28), by_time(100, 28), None),
        (by_time(31, 10.4), by_time(30, 10), None),
        (by_time(31, 9.5), by_time(30, 10), None),
        (by_time(160, 28), by_time(100, 28), None),
        (by_time(101, 28), by_time(100, 14), "have seen the first 13.0 days of the test"),
        (by_time(101, 14), by_time(100, 28), "28.0 days were held out"),
        (by_time(101, 28), by_time(100, 28, users=0), "nothing was held out"),
        (by_time(101, 28), HoldoutFacts("leave_last_out", None, 100 * DAY, 50, 50), "split.protocol"),
    ],
)
def test_a_champion_is_tested_on_what_it_has_not_seen(
    mine: HoldoutFacts, theirs: HoldoutFacts, why: str | None
) -> None:
    found = incomparable(mine, theirs)
    assert found is None if why is None else why in str(found)


def manifest(test_days: int, metrics: dict[str, float]) -> dict[str, Any]:
    split = {"protocol": "time", "validation_days": 28, "test_days": test_days}
    return {"params": {"split": split}, "models": {"als": {"metrics": metrics}}}


def test_a_bundle_of_an_earlier_version_is_known_by_its_manifest() -> None:
    tonight = by_time(101, 28)

    def why(test_days: int, metrics: dict[str, float]) -> str | None:
        return incomparable(tonight, facts_of(manifest(test_days, metrics), {}, tonight, 20))

    assert why(28, {"ndcg@10": 0.1}) is None
    assert "nothing was held out" in str(why(28, {})), "its history was too short: it has seen everything"
    assert "have seen" in str(why(14, {"ndcg@10": 0.1}))


def test_an_earlier_version_held_out_its_days_and_not_a_second_more() -> None:
    tonight = by_time(101, 28)
    found = facts_of(manifest(28, {"ndcg@10": 0.1}), {}, tonight, 20)
    assert (found.start, found.end) == (73 * DAY + 1, 101 * DAY), "the last of 28 whole days is 101"
    assert (found.start, found.end) == (tonight.start, tonight.end)
