"""Intervals and verdicts: right on textbook numbers, and right under peeking."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.statistics import (
    POWER,
    Difference,
    Rate,
    always_valid,
    compare,
    sample_ratio,
    smallest_found,
)


def rate(shown: np.ndarray, clicked: np.ndarray) -> Rate:
    """The rate of users who were shown and clicked so many items each (int[n_users])."""
    squared, product, size = (clicked**2).sum(), (clicked * shown).sum(), (shown**2).sum()
    return Rate(len(shown), int(shown.sum()), int(clicked.sum()), float(squared), float(product), float(size))


def independent(shown: int, clicked: int) -> Rate:
    """One impression a user."""
    return Rate(shown, shown, clicked, clicked, clicked, shown)


def test_wilson_matches_the_textbook() -> None:
    assert independent(100, 10).wilson(0.95) == pytest.approx((0.0552, 0.1744), abs=1e-3)
    low, high = independent(100, 0).wilson(0.95)
    assert low == 0 and high == pytest.approx(0.037, abs=1e-3)
    assert Rate(0, 0, 0, 0, 0, 0).wilson(0.95) == (0, 1)


def test_users_who_differ_widen_the_interval() -> None:
    alike = rate(np.full(50, 20), np.full(50, 2))
    extreme = rate(np.full(50, 20), np.repeat([20, 0], [5, 45]))
    assert alike.value == extreme.value
    assert extreme.variance > 10 * alike.variance
    assert extreme.wilson(0.95)[1] > alike.wilson(0.95)[1]


def test_the_interval_of_a_rate_is_that_of_the_independent_items_that_it_is_worth() -> None:
    """Five users of fifty clicked on all: a variance as of 49 independent items, however it comes about."""
    alike = rate(np.full(50, 20), np.full(50, 2))
    extreme = rate(np.full(50, 20), np.repeat([20, 0], [5, 45]))
    sampled = replace(alike, independent=49.0)
    assert sampled.wilson(0.95) == pytest.approx(extreme.wilson(0.95))
    smooth = 100.5 / 1001
    assert sampled.variance == pytest.approx(smooth * (1 - smooth) / 49)
    assert alike.variance == pytest.approx(smooth * (1 - smooth) / 1000)


def test_no_clicks_is_not_certainty() -> None:
    assert independent(1000, 0).variance > 0


def test_a_clear_difference_is_found_and_named() -> None:
    better = compare(independent(5000, 250), independent(5000, 500), alpha=0.05, scale=0.01, min_users=100)
    assert better.verdict == "better" and 0 < better.low < 0.05 < better.high and better.p_value < 0.05
    worse = compare(independent(5000, 500), independent(5000, 250), alpha=0.05, scale=0.01, min_users=100)
    assert worse.verdict == "worse"
    early = compare(independent(50, 0), independent(50, 50), alpha=0.05, scale=0.01, min_users=100)
    assert early.verdict == "undecided"


@pytest.mark.parametrize(
    ("control", "other", "verdict"),
    [(99, 5000, "undecided"), (5000, 99, "undecided"), (100, 5000, "better"), (5000, 100, "better")],
)
def test_too_few_users_on_either_side_say_nothing(control: int, other: int, verdict: str) -> None:
    found = compare(independent(control, 0), independent(other, other), alpha=0.05, scale=0.5, min_users=100)
    assert found.verdict == verdict


def test_interval_and_p_value_agree() -> None:
    for clicked in range(250, 420, 5):
        found = compare(
            independent(5000, 250), independent(5000, clicked), alpha=0.05, scale=0.01, min_users=2
        )
        assert (found.p_value < 0.05) == (found.verdict != "undecided")


def _looks(rng: np.random.Generator, second: float, every: int, looks: int) -> list[tuple[Rate, Rate]]:
    """Both arms after each look: users with a taste of their own, several impressions each."""
    arms = []
    for mean in (0.05, second):
        users = every * looks
        shown = rng.integers(5, 25, users)
        clicked = rng.binomial(shown, rng.beta(20 * mean, 20 * (1 - mean), users))
        arms.append((shown, clicked))
    ends = range(every, every * looks + 1, every)
    return [tuple(rate(shown[:end], clicked[:end]) for shown, clicked in arms) for end in ends]  # type: ignore[misc]


def _stopped(rng: np.random.Generator, second: float) -> tuple[bool, bool]:
    """Whether someone who looks every 50 users ever stops: by our verdict, and by the usual 5 % test."""
    safe = naive = False
    for control, other in _looks(rng, second, every=50, looks=40):
        found = compare(control, other, alpha=0.05, scale=0.01, min_users=100)
        safe = safe or found.verdict != "undecided"
        naive = naive or abs(found.value) > 1.96 * (control.variance + other.variance) ** 0.5
    return safe, naive


@pytest.mark.slow
def test_peeking_does_not_raise_the_false_alarms() -> None:
    rng = np.random.default_rng(7)
    safe, naive = np.mean([_stopped(rng, 0.05) for _ in range(400)], axis=0)
    assert safe <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5
    assert naive > 0.15


def test_a_real_difference_is_found_under_the_same_looks() -> None:
    rng = np.random.default_rng(8)
    found = np.mean([_stopped(rng, 0.065)[0] for _ in range(50)])
    assert found > 0.9


def test_arms_with_their_shares_raise_no_alarm_however_often_they_are_looked_at() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(500):
        placed = rng.multinomial(100, (0.7, 0.2, 0.1), size=60).cumsum(axis=0)
        alarms += any(sample_ratio(row.tolist(), (0.7, 0.2, 0.1), 0.05).mismatch for row in placed)
    assert alarms / 500 <= 0.05 + 2 * (0.05 * 0.95 / 500) ** 0.5


@pytest.mark.parametrize("users", [(5000, 4500), (100, 0), (900, 60)])
def test_an_arm_that_lost_users_is_seen(users: tuple[int, int]) -> None:
    shares = (0.9, 0.1) if users == (900, 60) else (0.5, 0.5)
    found = sample_ratio(users, shares, 0.001)
    assert found.mismatch == (users != (900, 60)), "96 expected, 60 found: p is .00002 once, .004 at any look"
    assert found.expected == pytest.approx([sum(users) * share for share in shares])


def test_the_ratio_of_nobody_is_no_mismatch() -> None:
    assert sample_ratio((0, 0), (0.5, 0.5), 0.001).p_value == 1


def alike(users: int, clicks: int) -> Rate:
    """Users who each were shown ten items and clicked on so many."""
    return Rate(users, 10 * users, clicks * users, clicks**2 * users, 10 * clicks * users, 100 * users)


@pytest.mark.parametrize("users", [(99, 5000), (5000, 99)])
def test_too_few_users_on_either_side_leave_the_widest_interval(users: tuple[int, int]) -> None:
    control, other = (alike(n, clicks) for n, clicks in zip(users, (1, 9), strict=True))
    found = compare(control, other, alpha=0.05, scale=0.01, min_users=100)
    assert found == Difference(other.value - control.value, -1.0, 1.0, 1.0, "undecided")
    rates = [replace(alike(100, clicks), clicked_squared=200 * clicks**2) for clicks in (1, 9)]
    assert compare(*rates, alpha=0.05, scale=0.01, min_users=100).low != -1.0


@pytest.mark.parametrize("margin", [0.0, 0.02, 0.2])
@pytest.mark.parametrize(("variance", "scale"), [(0.0004, 0.5), (0.01, 0.05)])
def test_a_loss_of_the_smallest_size_is_shown_to_be_beyond_the_margin_in_four_of_five_looks(
    margin: float, variance: float, scale: float
) -> None:
    size = smallest_found(variance, alpha=0.01, scale=scale, margin=margin)
    measured = np.random.default_rng(3).normal(-size, variance**0.5, 4000)
    found = [always_valid(each, variance, alpha=0.01, scale=scale).high < -margin for each in measured]
    assert np.mean(found) == pytest.approx(POWER, abs=0.03)
