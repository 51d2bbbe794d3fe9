"""Figures of the newest day and week: each kind of change is found by its figure, what is usual by none."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from database.population import InteractionWeeks
from database.settings import REPOSITORY
from training.params import load_params
from watch.figures import Figure
from watch.interaction_drift import compare_weeks, expect_day, popularity_groups

PARAMS = load_params(REPOSITORY / "params.yaml").monitoring
WEEKDAYS = np.array([1.0, 0.9, 1.0, 1.1, 1.1, 1.4, 0.6])


def weeks(count: int = 9, seed: int = 1) -> InteractionWeeks:
    """A calm shop: 400 clicks and 80 purchases a day, most on the sixth day of a week."""
    generator = np.random.default_rng(seed)
    shares = 1 / np.arange(1, 301)
    days = {
        name: generator.poisson(rate * np.tile(WEEKDAYS, count)).tolist()
        for name, rate in (("click", 400), ("purchase", 80))
    }
    bought = [generator.multinomial(3000, shares / shares.sum()) for _ in range(count)]
    items = [{f"i{n}": int(of_item) for n, of_item in enumerate(week) if of_item} for week in bought]
    activity = [dict(Counter(generator.geometric(0.3, 900).tolist())) for _ in range(count)]
    return InteractionWeeks(datetime(2026, 5, 4, tzinfo=UTC), days, items, activity)


def figures(now: InteractionWeeks) -> dict[str, Figure]:
    return {figure.name: figure for figure in compare_weeks(now, PARAMS)}


def drifted(now: InteractionWeeks) -> set[str]:
    return {name for name, figure in figures(now).items() if figure.drifted}


def test_a_week_like_those_before_it_is_calm() -> None:
    found = figures(weeks())
    assert [*found] == ["day_click", "day_purchase", "event_mix_psi", "activity_ks", "popularity_psi"]
    assert all(figure.judged and not figure.drifted for figure in found.values())


def test_a_day_is_compared_with_its_weekday() -> None:
    calm = weeks()
    usual = np.reshape(calm.days["click"], (-1, 7))
    as_on_saturdays = usual.copy()
    as_on_saturdays[-1, -1] = usual[:, 5].mean()
    assert figures(calm)["day_click"].detail.endswith("213 events, 235 expected of such a weekday (-9%)")
    found = figures(replace(calm, days={**calm.days, "click": as_on_saturdays.ravel().tolist()}))
    assert found["day_click"].drifted and found["day_click"].value > 1
    assert not found["day_purchase"].drifted


@pytest.mark.parametrize("factor", [0, 0.5, 2])
def test_a_day_of_one_type_of_event_that_stops_halves_or_doubles_is_found(factor: float) -> None:
    calm = weeks()
    purchases = [*calm.days["purchase"][:-1], int(factor * calm.days["purchase"][-1])]
    assert drifted(replace(calm, days={**calm.days, "purchase": purchases})) == {"day_purchase"}


def test_a_type_of_event_that_was_never_seen_is_found() -> None:
    calm = weeks()
    likes = [0] * (len(calm.days["click"]) - 1) + [250]
    assert "day_like" in drifted(replace(calm, days={**calm.days, "like": likes}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("event_mix_psi", {"days": {"click": [400] * 56 + [200] * 7, "purchase": [80] * 56 + [180] * 7}}),
        ("popularity_psi", {"items": [*weeks().items[:-1], {f"new{n}": 10 for n in range(200)}]}),
        ("activity_ks", {"activity": [*weeks().activity[:-1], {1: 100, 8: 500, 9: 400}]}),
    ],
)
def test_each_change_of_a_week_is_found_by_its_figure(name: str, change: dict[str, object]) -> None:
    found = {figure for figure in drifted(replace(weeks(), **change)) if not figure.startswith("day_")}  # type: ignore[arg-type]
    assert found == {name}


def test_the_newest_week_is_no_part_of_what_it_is_compared_with() -> None:
    """With 27 of 28 days on both sides, as it was once, a whole week of a new taste was 7 days against 6."""
    calm = weeks()
    new_taste = {f"new{n}": count for n, count in enumerate(calm.items[-1].values())}
    figure = figures(replace(calm, items=[*calm.items[:-1], new_taste]))["popularity_psi"]
    assert figure.value > 10 * figure.threshold


def test_new_items_that_come_every_week_are_usual() -> None:
    """A newspaper: what is read is two weeks old at most."""
    calm = weeks()
    read = [
        {f"i{n // 100 * 100 + week * 100}-{n}": count for n, count in enumerate(items.values())}
        for week, items in enumerate(calm.items)
    ]
    assert drifted(replace(calm, items=read)) == set()


@pytest.mark.parametrize("count", range(9))
def test_a_short_history_is_judged_as_far_as_it_goes(count: int) -> None:
    found = figures(weeks(count))
    assert not any(figure.drifted for figure in found.values())
    assert found["event_mix_psi"].judged == found["activity_ks"].judged == (count >= 2)
    assert found["popularity_psi"].judged == (count >= 3)
    assert found["day_click"].judged == (count >= 4)
    assert all(figure.detail for figure in found.values())


def test_days_with_few_events_are_judged_by_their_weeks() -> None:
    calm = weeks()
    few = {"click": calm.days["click"], "like": [3] * 62 + [0]}
    figure = figures(replace(calm, days=few))["day_like"]
    assert not figure.judged and "fewer than 20" in figure.detail


def test_a_growing_shop_is_expected_to_grow() -> None:
    """5 % more every week."""
    counts = 1000 * np.exp(0.05 * np.arange(63) / 7)
    expected, p_value = expect_day(np.round(counts))
    assert expected == pytest.approx(counts[-1], rel=0.01) and p_value > 0.5


def test_popularity_groups_hold_equal_mass_and_strangers_apart() -> None:
    earlier = {f"i{n}": 10 for n in range(100)}
    assert popularity_groups(earlier, earlier).tolist() == [100.0] * 10 + [0.0]
    assert popularity_groups(earlier, {"stranger": 7}).tolist() == [0.0] * 10 + [7.0]
    assert popularity_groups({}, {"a": 1}).sum() == 0
