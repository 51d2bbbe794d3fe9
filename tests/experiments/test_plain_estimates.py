"""Estimates from logs and arms once more, user by user and place by place."""

from math import inf, sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2

from database.online import LoggedSlot
from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, Moments
from experiments.off_policy import estimate, few_events
from experiments.outcomes import MIN_ACTIVE, compare_outcomes, cuped, harmed
from experiments.statistics import Rate, SequentialTest, always_valid

CLIP = 50.0
SUPPORT_TAIL = 0.1 * 0.05 / 2
"""Of the interval of the support: a tenth of the error of an interval of 95 %."""
SLOTS = st.lists(
    st.builds(
        LoggedSlot,
        st.sampled_from(["ann", "bea", "cid", "dot"]),
        st.sampled_from([0.001, 0.0195, 0.02, 0.5, 0.951]),
        st.sampled_from([0.0, 1.0]),
        st.sampled_from([0.0, 0.0, 1.0]),
    ),
    max_size=30,
)


def by_user(slots: list[LoggedSlot], residuals: list[float]) -> float:
    """Standard error of the sum of residuals, over users."""
    sums: dict[str, float] = {}
    for slot, residual in zip(slots, residuals, strict=True):
        sums[slot.user_id] = sums.get(slot.user_id, 0.0) + residual
    return sqrt(sum(each**2 for each in sums.values()) * len(sums) / max(len(sums) - 1, 1))


@given(SLOTS)
@settings(max_examples=60)
def test_the_support_is_the_mean_weight_with_a_weighted_poisson_interval_of_the_rare(
    slots: list[LoggedSlot],
) -> None:
    """Fay and Feuer 1997 for rare places, the normal one over users for others; a tenth of the error."""
    found = estimate(slots, CLIP, 0.95)
    if found is None:
        return
    n, tail = len(slots), SUPPORT_TAIL
    weights = [slot.target / slot.propensity for slot in slots]
    common = [w if w <= CLIP else 0.0 for w in weights]
    margin = NormalDist().inv_cdf(1 - tail) * by_user(slots, [w - sum(common) / n for w in common]) / n
    rare = [w / n for w in weights if w > CLIP]
    total, spread = sum(rare), sum(w**2 for w in rare)
    low = spread / (2 * total) * chi2.ppf(tail, 2 * total**2 / spread) if rare else 0.0
    largest = max(1 / slot.propensity for slot in slots)
    high = total
    if largest > CLIP:
        more, wider = total + largest / n, spread + (largest / n) ** 2
        high = wider / (2 * more) * chi2.ppf(1 - tail, 2 * more**2 / wider)
    mean = sum(weights) / n
    assert found.support == pytest.approx(
        (max(0.0, mean - sqrt(margin**2 + (total - low) ** 2)), mean + sqrt(margin**2 + (high - total) ** 2))
    )
    refused = found.support[0] > 1 or found.support[1] < 1 or len({slot.user_id for slot in slots}) < 2
    assert (found.low is None) == (found.high is None) == refused


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=2, max_size=30))
@settings(max_examples=60)
def test_the_interval_of_shown_lists_is_that_of_clicks_that_come_together_by_user(
    users: list[tuple[int, int]],
) -> None:
    """Shown for certain: the rate's own interval, at the size with which a binomial rate has its error."""
    slots = [
        LoggedSlot(f"user{number}", 1.0, 1.0, float(place < clicked))
        for number, (shown, clicked) in enumerate(users)
        for place in range(shown)
    ]
    found = estimate(slots, CLIP, 0.95)
    assert found is not None and found.low is not None and found.high is not None
    n = len(slots)
    rate = sum(slot.reward for slot in slots) / n
    error = by_user(slots, [slot.reward - rate for slot in slots]) / n
    size = min(n, rate * (1 - rate) / error**2) if error > 0 else n
    low, high = few_events(rate, size, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx((rate, low, high), abs=1e-9)


@given(SLOTS)
@settings(max_examples=60)
def test_the_off_policy_estimate_is_the_sum_that_its_description_writes(slots: list[LoggedSlot]) -> None:
    found = estimate(slots, CLIP, 0.95)
    weights = [slot.target / slot.propensity for slot in slots]
    if not any(weights):
        assert found is None
        return
    assert found is not None
    n = len(slots)
    clicks = [slot.reward for slot in slots]
    assert found.slots == n
    assert found.logged == pytest.approx(sum(clicks) / n)
    assert found.ips == pytest.approx(sum(w * r for w, r in zip(weights, clicks, strict=True)) / n)
    assert found.mean_weight == pytest.approx(sum(weights) / n)
    assert found.effective_slots == pytest.approx(sum(weights) ** 2 / sum(w**2 for w in weights))
    common = [(w, r) for w, r in zip(weights, clicks, strict=True) if 0 < w <= CLIP]
    rare = [(w, r) for w, r in zip(weights, clicks, strict=True) if w > CLIP]
    share = min(1.0, sum(w for w, _ in common) / n)
    if all(1 / slot.propensity <= CLIP for slot in slots):
        share = 1.0
    assert found.rare_slots == len(rare)
    assert found.rare_share == pytest.approx(1 - share)

    def rate(part: list[tuple[float, float]], otherwise: float) -> float:
        return sum(w * r for w, r in part) / sum(w for w, _ in part) if part else otherwise

    value = share * rate(common, 0.0) + (1 - share) * rate(rare, found.logged)
    assert found.value == pytest.approx(value)
    advice = "them: a smaller pool or a larger epsilon gives a narrower interval"
    assert any(advice in each for each in found.warnings) == (found.rare_share > 0)
    if found.low is not None and found.high is not None:
        assert 0 <= found.low <= found.value + 1e-9 and found.value - 1e-9 <= found.high <= 1


def test_the_interval_of_what_was_shown_is_the_exact_one_of_its_clicks_on_either_side() -> None:
    """A user for each place, all of them shown for certain: few clicks have a longer way up than down."""
    slots = [LoggedSlot(f"user{number}", 1.0, 1.0, float(number < 3)) for number in range(200)]
    found = estimate(slots, CLIP, 0.95)
    assert found is not None and found.low is not None and found.high is not None
    low, high = few_events(3 / 200, 200, 0.95)
    assert found.low == pytest.approx(low, rel=0.02) and found.high == pytest.approx(high, rel=0.02)
    assert found.high - found.value > 1.5 * (found.value - found.low)


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4)), min_size=1, max_size=20))
def test_the_variance_of_a_click_rate_is_that_of_users(users: list[tuple[int, int]]) -> None:
    """The linearised ratio's, over users; no less than that of as many independent items."""
    shown, clicked = sum(s for s, _ in users), sum(c for _, c in users)
    made = Rate(
        len(users),
        shown,
        clicked,
        float(sum(c * c for _, c in users)),
        float(sum(c * s for s, c in users)),
        float(sum(s * s for s, _ in users)),
    )
    value = clicked / shown
    clustered = sum((c - value * s) ** 2 for s, c in users) / shown**2 * len(users) / max(len(users) - 1, 1)
    smooth = (clicked + 0.5) / (shown + 1)
    assert made.value == pytest.approx(value)
    assert made.variance == pytest.approx(max(clustered, smooth * (1 - smooth) / shown))


def moments(
    users: int, active: int, mean: float, variance: float, before: tuple[float, float, float]
) -> Moments:
    mean_before, variance_before, covariance = before
    return Moments(
        users=users,
        active=active,
        mean=mean,
        variance=variance,
        mean_before=mean_before,
        variance_before=variance_before,
        covariance=covariance,
    )


TEST = SequentialTest(alpha=0.05, scale=0.1, min_users=100)
BEFORE = (1.0, 2.0, 1.0)
QUIET = (0.0, 0.0, 0.0)
"""Nobody did anything in the days before."""


def test_what_users_did_before_is_taken_off_by_its_slope_within_the_arms() -> None:
    control = moments(1001, 500, 2.0, 4.0, (1.0, 2.0, 1.0))
    other = moments(501, 250, 2.5, 4.0, (1.4, 2.0, 1.6))
    slope = (1000 * 1.0 + 500 * 1.6) / (1000 * 2.0 + 500 * 2.0)
    value, variance, removed = cuped(control, other)
    assert value == pytest.approx(0.5 - slope * 0.4)
    parts = [(4.0 - 2 * slope * 1.0 + slope**2 * 2.0) / 1001, (4.0 - 2 * slope * 1.6 + slope**2 * 2.0) / 501]
    assert variance == pytest.approx(sum(parts))
    assert removed == pytest.approx(1 - sum(parts) / (4.0 / 1001 + 4.0 / 501))


def test_each_outcome_has_its_third_of_the_chance_of_a_false_alarm() -> None:
    """A difference that would be shown with all of alpha is not shown with a third of it."""
    control = moments(1000, 500, 1.0, 1.0, QUIET)
    value = next(
        step / 1000
        for step in range(1000)
        if always_valid(step / 1000, 2.0 / 1000, alpha=TEST.alpha, scale=TEST.scale).verdict == "better"
    )
    other = moments(1000, 500, 1.0 + value, 1.0, QUIET)
    found = compare_outcomes({REVENUE: control}, {REVENUE: other}, TEST)[REVENUE].difference
    third = always_valid(other.mean - control.mean, 2.0 / 1000, alpha=TEST.alpha / 3, scale=TEST.scale)
    assert found == third and found.verdict == "undecided"


@pytest.mark.parametrize(
    ("users", "active"),
    [((99, 1000), (99, 500)), ((1000, 99), (500, 99)), ((1000, 1000), (29, 500)), ((1000, 1000), (500, 29))],
)
def test_too_few_users_or_buyers_on_either_side_say_nothing(
    users: tuple[int, int], active: tuple[int, int]
) -> None:
    control, other = (
        moments(n, a, mean, 0.1, QUIET) for n, a, mean in zip(users, active, (1.0, 9.0), strict=True)
    )
    found = compare_outcomes({REVENUE: control}, {REVENUE: other}, TEST)[REVENUE].difference
    assert found is not None and (found.verdict, found.low, found.high, found.p_value) == (
        "undecided",
        -inf,
        inf,
        1.0,
    )
    assert (found.value, MIN_ACTIVE, TEST.min_users) == (8.0, 30, 100)


def test_just_enough_users_and_buyers_on_both_sides_say_something() -> None:
    control, other = (moments(100, 30, mean, 0.1, QUIET) for mean in (1.0, 9.0))
    found = compare_outcomes({REVENUE: control}, {REVENUE: other}, TEST)[REVENUE].difference
    assert found is not None and found.verdict == "better"


def test_fewer_dislikes_are_better_and_more_are_harm() -> None:
    control = moments(5000, 500, 1.0, 1.0, BEFORE)
    less, more = (moments(5000, 500, mean, 1.0, BEFORE) for mean in (0.5, 1.5))
    both: dict[str, Moments] = {PURCHASE_RATE: control, DISLIKES: control}
    arms: dict[str, Moments] = {PURCHASE_RATE: less, DISLIKES: more}
    found = compare_outcomes(both, arms, TEST)
    assert harmed(found, (PURCHASE_RATE, DISLIKES)) == (PURCHASE_RATE, DISLIKES)
    found = compare_outcomes(both, {DISLIKES: less, PURCHASE_RATE: more}, TEST)
    assert harmed(found, (PURCHASE_RATE, DISLIKES)) == ()
    assert {each.difference.verdict for each in found.values() if each.difference} == {"better"}


def test_an_arm_alone_has_the_normal_interval_of_its_mean() -> None:
    arm = moments(400, 200, 3.0, 9.0, BEFORE)
    found = compare_outcomes({}, {}, TEST)
    assert found == {}
    (reading,) = compare_outcomes({REVENUE: arm}, {REVENUE: arm}, TEST).values()
    half = NormalDist().inv_cdf(1 - TEST.alpha / 2) * sqrt(9.0 / 400)
    assert (reading.low, reading.high) == pytest.approx((3.0 - half, 3.0 + half))


def test_a_reading_says_what_its_arm_did_and_what_the_days_before_removed() -> None:
    control, other = moments(1000, 500, 1.0, 4.0, BEFORE), moments(400, 200, 9.0, 4.0, BEFORE)
    found = compare_outcomes({REVENUE: control}, {REVENUE: other}, TEST)[REVENUE]
    assert (found.users, found.active, found.mean) == (400, 200, 9.0)
    assert (
        found.variance_reduction == pytest.approx(cuped(control, other)[2]) and found.variance_reduction > 0
    )
    assert found.low < 9.0 < found.high and found.low + found.high == pytest.approx(18.0)


def test_where_nothing_varies_nothing_is_said() -> None:
    control, other = (moments(1000, 500, mean, 0.0, QUIET) for mean in (1.0, 9.0))
    found = compare_outcomes({REVENUE: control}, {REVENUE: other}, TEST)[REVENUE].difference
    assert found is not None and (found.verdict, found.low, found.high) == ("undecided", -inf, inf)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
@settings(max_examples=40)
def test_the_interval_of_few_events_is_the_exact_one_of_a_binomial(
    counted: tuple[int, int], confidence: float
) -> None:
    events, size = counted
    low, high = few_events(events / size, size, confidence)
    exact = binomtest(events, size).proportion_ci(confidence, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)
