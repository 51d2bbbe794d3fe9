"""Which days, weeks and arms the guard compares, without a database: rates come from a log in memory."""

from datetime import UTC, datetime, timedelta
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.deployments import Deployment
from database.experiments import Arm, Experiment
from database.rollback import ROLLBACK
from database.settings import REPOSITORY
from experiments.statistics import Difference, Rate
from training.params import load_params
from watch.bundle_comparison import ClickRateComparison, compare_bundles, judge_change, measure_change

LIMITS = load_params(REPOSITORY / "params.yaml").guard
NEW_AT = datetime(2026, 11, 27, 3, tzinfo=UTC)
DAY, WEEK, HOUR = timedelta(days=1), timedelta(days=7), timedelta(hours=1)
WINDOW = timedelta(days=LIMITS.window_days)


def rate(users: int, clicked: int) -> Rate:
    """Each user was shown ten items, and so many of them clicked on one."""
    return Rate(users, 10 * users, clicked, clicked, 10 * clicked, 100 * users)


Asked = tuple[str | None, datetime, datetime, datetime, str | None]


class Log:
    """What was shown, by what is asked for; anything else was shown to nobody."""

    def __init__(self, shown: dict[Asked, Rate]) -> None:
        self.shown = shown

    def __call__(
        self,
        bundle_id: str | None,
        start: datetime,
        until: datetime,
        /,
        *,
        clicks_until: datetime,
        experiment_id: str | None = None,
    ) -> Rate:
        return self.shown.get((bundle_id, start, until, clicks_until, experiment_id), rate(0, 0))


def deployed(bundle: str, at: datetime, reason: str = "daily training") -> Deployment:
    return Deployment(1, bundle, f"shortlist:{bundle}", {}, reason, at, None)


def bundles(before: timedelta = DAY) -> tuple[Deployment, Deployment]:
    return deployed("old", NEW_AT - before), deployed("new", NEW_AT)


def of_days(now: datetime, old: Rate, new: Rate, before: timedelta = DAY) -> dict[Asked, Rate]:
    start = NEW_AT - before
    return {("old", start, NEW_AT, now, None): old, ("new", NEW_AT, now, now, None): new}


def of_week(number: int, now: datetime, first: Rate, second: Rate) -> dict[Asked, Rate]:
    """What was shown in the two bundles' hours, so many weeks earlier."""
    back = number * WEEK
    start, since, until = NEW_AT - DAY - back, NEW_AT - back, now - back
    return {(None, start, since, until, None): first, (None, since, until, until, None): second}


def of_arms(name: str, now: datetime, old: Rate, new: Rate) -> dict[Asked, Rate]:
    return {("old", NEW_AT, now, now, name): old, ("new", NEW_AT, now, now, name): new}


def experiment(name: str, *held: str, stopped: datetime | None = None) -> Experiment:
    arms = (Arm("now", 0.5), *(Arm(f"arm {bundle}", 0.5, bundle_id=bundle) for bundle in held))
    return Experiment(name, "ab", arms, NEW_AT - DAY, stopped, None)


RATES = st.builds(rate, st.sampled_from([0, 199, 200, 5000]), st.integers(0, 200))


@given(RATES, RATES, st.dictionaries(st.integers(1, 6), st.tuples(RATES, RATES)))
@settings(max_examples=50)
def test_the_days_are_compared_with_each_earlier_week_that_had_the_users(
    old: Rate, new: Rate, weeks: dict[int, tuple[Rate, Rate]]
) -> None:
    now = NEW_AT + 6 * HOUR
    shown = of_days(now, old, new)
    for number, week in weeks.items():
        shown |= of_week(number, now, *week)
    found = compare_bundles(bundles(), [], Log(shown), now, LIMITS)
    enough = [
        week
        for number, week in sorted(weeks.items())
        if number <= LIMITS.weeks and all(each.users >= LIMITS.min_users for each in week)
    ]
    change = measure_change((old, new), enough, None, LIMITS)
    judged = judge_change(change, LIMITS)
    assert found is not None
    assert (found.old, found.new, found.weeks, found.change) == (old, new, len(enough), judged)
    assert (found.bundle_id, found.against_id, found.side_by_side) == ("new", "old", False)
    assert found.worse == (exp(judged.high) < 1 - LIMITS.min_relative_drop)


@pytest.mark.parametrize("number", range(LIMITS.weeks + 2))
def test_the_weeks_compared_with_begin_a_week_ago_and_end_at_the_limit(number: int) -> None:
    """Week 0 is the bundles' own time: compared with itself, no change would ever show."""
    now = NEW_AT + 6 * HOUR
    old, new = rate(5000, 150), rate(5000, 90)
    shown = of_days(now, old, new) | of_week(number, now, rate(5000, 150), rate(5000, 140))
    found = compare_bundles(bundles(), [], Log(shown), now, LIMITS)
    assert found is not None
    assert found.weeks == (1 if 1 <= number <= LIMITS.weeks else 0)


def test_a_drop_that_is_shown_but_may_be_too_small_to_matter_is_not_worse() -> None:
    """The interval lies below no change, not below the smallest drop that matters; then it does."""
    now = NEW_AT + 6 * HOUR
    margin = log(1 - LIMITS.min_relative_drop)
    found = {}
    for clicked in range(100_000, 300_000, 500):
        arms = rate(10**6, 300_000), rate(10**6, clicked)
        shown = of_arms("test", now, *arms)
        seen = compare_bundles(bundles(), [experiment("test", "old")], Log(shown), now, LIMITS)
        assert seen is not None and seen.side_by_side
        assert seen.worse == (seen.change.high < margin)
        found[seen.change.verdict, seen.worse] = seen
    assert ("worse", False) in found and ("worse", True) in found


@pytest.mark.parametrize("late", [False, True])
def test_a_bundle_is_compared_until_its_first_days_are_over(late: bool) -> None:
    now = NEW_AT + WINDOW + late * timedelta(seconds=1)
    assert (compare_bundles(bundles(), [], Log({}), now, LIMITS) is None) == late


def test_the_previous_bundle_is_compared_in_its_last_days_only() -> None:
    """It served for a month: what its first weeks were like is left out."""
    now = NEW_AT + 6 * HOUR
    shown = of_days(now, rate(3000, 300), rate(3000, 310), before=WINDOW)
    found = compare_bundles(bundles(30 * DAY), [], Log(shown), now, LIMITS)
    assert found is not None and (found.old, found.new) == (rate(3000, 300), rate(3000, 310))


def test_a_bundle_that_came_back_and_the_same_bundle_once_more_are_not_compared() -> None:
    now = NEW_AT + 6 * HOUR
    shown = Log(of_days(now, rate(3000, 300), rate(3000, 3)))
    old, new = bundles()
    assert compare_bundles((old, new), [], shown, now, LIMITS) is not None
    back = deployed("new", NEW_AT, f"{ROLLBACK}by hand")
    assert compare_bundles((old, back), [], shown, now, LIMITS) is None
    assert compare_bundles((deployed("new", NEW_AT - DAY), new), [], shown, now, LIMITS) is None


@pytest.mark.parametrize(("users", "beside"), [(LIMITS.min_users - 1, False), (LIMITS.min_users, True)])
@pytest.mark.parametrize("short", ["old", "new"])
def test_arms_side_by_side_need_the_users_on_both_sides(users: int, beside: bool, short: str) -> None:
    now = NEW_AT + 6 * HOUR
    few, many = rate(users, users // 2), rate(50_000, 25_000)
    arms = (few, many) if short == "old" else (many, few)
    shown = of_arms("test", now, *arms)
    found = compare_bundles(bundles(), [experiment("test", "old")], Log(shown), now, LIMITS)
    assert found is not None and found.side_by_side is beside
    assert (found.old, found.new) == (arms if beside else (rate(0, 0), rate(0, 0)))


def test_the_latest_experiment_that_shows_both_bundles_since_the_new_one_serves_is_used() -> None:
    """Passed over: one of another bundle, one that ended as the new one came, one with too few users."""
    now = NEW_AT + 6 * HOUR
    whole, wrong = (rate(4000, 2000), rate(4000, 1900)), (rate(9000, 4000), rate(9000, 10))
    shown = of_arms("few", now, rate(50, 25), rate(4000, 20))
    for name in ("another", "ended", "earlier"):
        shown |= of_arms(name, now, *wrong)
    shown |= of_arms("this", now, *whole)
    running = [
        experiment("another", "third"),
        experiment("ended", "old", stopped=NEW_AT),
        experiment("few", "old"),
        experiment("this", "third", "old", stopped=NEW_AT + HOUR),
        experiment("earlier", "old"),
    ]
    found = compare_bundles(bundles(), running, Log(shown), now, LIMITS)
    assert found is not None and found.side_by_side and (found.old, found.new) == whole


@pytest.mark.parametrize(
    ("weeks", "side_by_side", "beside"),
    [
        (0, False, "with no earlier week yet"),
        (2, False, "compared with 2 earlier weeks"),
        (0, True, "in the same hours"),
    ],
)
def test_the_reason_says_what_was_compared_and_what_would_have_been_found(
    weeks: int, side_by_side: bool, beside: str
) -> None:
    found = ClickRateComparison(
        bundle_id="new",
        against_id="old",
        new=rate(1000, 400),
        old=rate(1000, 500),
        weeks=weeks,
        side_by_side=side_by_side,
        change=Difference(log(0.8), log(0.7), log(1.1), 0.2, "undecided"),
        worse=False,
        detectable_drop=0.25,
    )
    assert found.reason == (
        "click rate 0.0400 of bundle new against 0.0500 of old: -20.0 % [-30.0, +10.0] "
        f"{beside}; the smallest drop found with so many users: 25 %"
    )
