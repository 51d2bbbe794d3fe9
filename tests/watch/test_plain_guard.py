"""The guard's arithmetic once more, step by step, where the mean and the interval do not say the same."""

from math import exp, inf, log, sqrt
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from experiments.statistics import Rate
from training.params import load_params
from watch.bundle_comparison import Change, Week, compare_days, detectable_drop, judge_change, measure_change

LIMITS = load_params(REPOSITORY / "params.yaml").guard


def rate(users: int, clicked: int, shown_each: int = 6) -> Rate:
    """Each user was shown as many items, and clicked on one or none."""
    clicked = min(users, clicked)
    return Rate(users, shown_each * users, clicked, clicked, shown_each * clicked, shown_each**2 * users)


RATES = st.builds(rate, st.sampled_from([199, 200, 2000, 50_000]), st.integers(0, 20_000))
WEEKS = st.lists(st.tuples(RATES, RATES), max_size=4)


def log_ratio(old: Rate, new: Rate) -> tuple[float, float]:
    """log(new / old) and its variance, with half a click and one item added to each side."""
    smooth = [(side.clicked + 0.5) / (side.shown + 1) for side in (old, new)]
    return log(smooth[1] / smooth[0]), old.variance / smooth[0] ** 2 + new.variance / smooth[1] ** 2


def plain_change(old: Rate, new: Rate, weeks: list[Week]) -> tuple[float, float]:
    """The change between the bundles' days less the usual one, with the variance of users and of days."""
    if old.users < LIMITS.min_users or new.users < LIMITS.min_users:
        return 0.0, inf
    value, users = log_ratio(old, new)
    if not weeks:
        return value, users + LIMITS.unmatched_spread**2
    usual = [log_ratio(*week)[0] for week in weeks]
    noise = mean(log_ratio(*week)[1] for week in weeks)
    spread = (
        sum((each - mean(usual)) ** 2 for each in usual) / (len(usual) - 1) - noise if len(usual) > 1 else 0.0
    )
    days = max(LIMITS.day_spread**2, spread) * (1 + 1 / len(weeks))
    return value - mean(usual), users + noise / len(weeks) + days


def plain_interval(value: float, variance: float) -> tuple[float, float]:
    """Of the mixture sequential probability ratio test."""
    scale = LIMITS.effect_scale**2
    half = sqrt(
        2
        * variance
        * (variance + scale)
        / scale
        * (log(1 / LIMITS.alpha) + log((variance + scale) / variance) / 2)
    )
    return value - half, value + half


@given(RATES, RATES, WEEKS, st.none() | st.tuples(RATES, RATES))
@settings(max_examples=100)
def test_the_guard_says_what_its_description_says(
    old: Rate, new: Rate, weeks: list[Week], arms: tuple[Rate, Rate] | None
) -> None:
    value, variance = plain_change(old, new, weeks)
    days = compare_days(old, new, weeks, LIMITS)
    if variance == inf:
        assert days.verdict == "undecided" and days.value == 0
    else:
        assert (days.low, days.high) == pytest.approx(plain_interval(value, variance))
        assert (days.verdict == "worse") == (plain_interval(value, variance)[1] < 0)
    found = measure_change((old, new), weeks, arms, LIMITS)
    beside = arms is not None and log_ratio(*arms)[1] <= variance
    assert found.side_by_side is beside
    wanted = log_ratio(*arms) if beside and arms is not None else (value, variance)
    assert (found.value, found.variance) == pytest.approx(wanted)
    assert found.weeks == (0 if beside else len(weeks))


def test_a_mean_far_below_is_not_enough_while_the_interval_holds_no_change() -> None:
    """Half of the clicks are gone, without an earlier week to compare with: it may be the weekday."""
    found = compare_days(rate(300, 30), rate(300, 15), [], LIMITS)
    assert found.value < log(0.6) and found.high > 0 and found.verdict == "undecided"


@pytest.mark.parametrize(("old", "new"), [(199, 50_000), (50_000, 199)])
def test_too_few_users_on_either_side_say_nothing(old: int, new: int) -> None:
    found = compare_days(rate(old, old), rate(new, 0), [], LIMITS)
    assert (found.verdict, found.value, found.p_value) == ("undecided", 0.0, 1.0)
    assert (found.low, found.high) == (-10.0, 10.0), "anything may be"


def test_what_is_usual_between_their_days_is_taken_off() -> None:
    """On these weekdays the rate halves every week: a bundle under which it halves again changed nothing."""
    halved = [(rate(20_000, 8000), rate(20_000, 4000))] * 4
    old, new = rate(20_000, 8000), rate(20_000, 4000)
    assert compare_days(old, new, halved, LIMITS).value == pytest.approx(0, abs=1e-9)
    assert compare_days(old, new, halved, LIMITS).verdict == "undecided"
    same = [(rate(20_000, 8000), rate(20_000, 8000))] * 4
    assert compare_days(old, new, same, LIMITS).verdict == "worse"


def test_weeks_that_differ_are_a_wider_interval_than_weeks_that_agree() -> None:
    old, new = rate(20_000, 8000), rate(20_000, 4000)
    even = [(rate(20_000, 8000), rate(20_000, clicked)) for clicked in (7900, 8000, 8100, 8000)]
    uneven = [(rate(20_000, 8000), rate(20_000, clicked)) for clicked in (4000, 12_000, 8000, 8000)]
    assert compare_days(old, new, even, LIMITS).verdict == "worse"
    assert compare_days(old, new, uneven, LIMITS).verdict == "undecided"


@given(st.floats(1e-5, 0.2))
@settings(max_examples=50)
def test_a_drop_of_the_size_that_is_named_is_just_found(variance: float) -> None:
    """In four of five looks: if chance lifts what is measured by no more than 0.84 standard errors."""
    drop = detectable_drop(variance, LIMITS)
    rate_less = rate(1000, 10)
    for unlucky, found in ((0.8416 * sqrt(variance) - 1e-6, True), (0.8417 * sqrt(variance) + 1e-3, False)):
        change = Change(rate_less, rate_less, log(1 - drop) + unlucky, variance)
        assert (judge_change(change, LIMITS).high < log(1 - LIMITS.min_relative_drop)) is found
    assert 0 < drop < 1 and detectable_drop(inf, LIMITS) == 1.0
    assert exp(log(1 - drop)) == pytest.approx(1 - drop)
