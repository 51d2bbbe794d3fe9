"""The gate's rules once more, in plain sentences, on measurements about every limit at once."""

from dataclasses import replace
from math import sqrt
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.release.test_gate import CHALLENGER, LIMITS, covers
from training.evaluation.intervals import NORMAL
from training.release.gate import decide
from training.release.measurements import ChallengerReport, Change, Comparison, standard_error

USERS = st.sampled_from([0, 19, 20, 500])
REFERENCE = 0.2
FLOOR = -LIMITS.max_relative_loss * REFERENCE
NEAR_A_LIMIT = st.sampled_from(
    [-0.05, FLOOR - 1e-6, FLOOR + 1e-6, -0.011, -0.01, -0.009, -1e-6, 0.0, 1e-6, 0.05]
)


@st.composite
def comparisons(draw: st.DrawFn, name: str) -> Comparison:
    """A mean, and an interval about it that need not lie even."""
    mean, users = draw(NEAR_A_LIMIT), draw(USERS)
    below, above = (draw(st.sampled_from([1e-7, 0.005, 0.03])) for _ in range(2))
    return Comparison(name, "other", "ndcg@10", mean, mean - below, mean + above, users, REFERENCE)


REPORTS = st.builds(
    lambda blend, als, nmf, cold, changes: replace(
        CHALLENGER, comparisons=(als, blend, nmf), cold=cold, **changes
    ),
    comparisons("blend"),
    comparisons("als"),
    comparisons("nmf"),
    st.none() | comparisons("popularity"),
    st.fixed_dictionaries(
        {},
        optional={
            "champion_id": st.just(None),
            "champion_error": st.just("damaged"),
            "incomparable": st.just("seen the test"),
            "champion_measured": st.just(False),
            "lost": st.sampled_from([None, ("12 items instead of 900",)]),
            "index_recall": st.sampled_from([None, 0.9499, 0.95]),
            "smoke_p95_ms": st.sampled_from([50.0, 50.1]),
            "coverage": st.none()
            | st.builds(covers, st.sampled_from([0.0, 0.2, 0.24, 0.25, 0.3]), st.just(0.3), USERS),
            "earlier": st.lists(
                st.builds(Change, st.just("older"), st.sampled_from([-0.09, -0.02, 0.0, 0.3]), st.just(0.01)),
                max_size=3,
            ).map(tuple),
        },
    ),
)


def refused_by(report: ChallengerReport) -> set[str]:
    """The names of the rules that refuse it."""
    found = accuracy_rules(report)
    cold, coverage = report.cold, report.coverage
    if report.champion_id and report.lost:
        found.add("volume")
    if coverage and coverage.users >= LIMITS.min_test_users:
        mine, theirs = coverage.challenger.value, coverage.champion.value
        # Both margins are 0.01: 1.96 standard errors each, which the ratio's has as shares of the two.
        shares = [0.01 / NORMAL / value for value in (mine, theirs) if value]
        if mine / theirs * (1 + NORMAL * sqrt(sum(share**2 for share in shares))) < LIMITS.min_coverage_ratio:
            found.add("coverage of blend")
    if cold and cold.users >= LIMITS.min_test_users and cold.high < LIMITS.min_cold_difference:
        found.add("cold start")
    if report.index_recall is not None and report.index_recall < LIMITS.min_index_recall:
        found.add("index recall")
    if report.smoke_p95_ms > LIMITS.max_smoke_ms:
        found.add("smoke test")
    return found


def accuracy_rules(report: ChallengerReport) -> set[str]:
    """Those of accuracy; without test users a champion that was measured stays."""
    judged = {each.challenger: each for each in report.comparisons}
    blend = judged.pop("blend")
    if blend.users < LIMITS.min_test_users:
        return {"accuracy"} if report.champion_measured and not report.champion_error else set()
    if not report.champion_id or report.champion_error or report.incomparable:
        gained = blend.difference > LIMITS.min_gain_over_baseline
        return set() if gained else {"accuracy against the baseline"}
    found = {
        f"accuracy of {name}"
        for name, one in judged.items()
        if one.users >= LIMITS.min_test_users and one.high < 0 and one.difference < LIMITS.min_ndcg_difference
    }
    if blend.difference < FLOOR or (blend.high < 0 and blend.low < FLOOR):
        found.add("accuracy of blend")
    if lost_in_all(report, blend):
        found.add("small losses")
    return found


def lost_in_all(report: ChallengerReport, blend: Comparison) -> bool:
    """Whether tonight's loss and those of the nights before are together shown to be too much."""
    sums: list[tuple[float, float]] = []
    loss, error = blend.difference / REFERENCE, standard_error(blend, LIMITS) / REFERENCE
    for change in report.earlier:
        loss, error = loss + change.relative, sqrt(error**2 + change.error**2)
        sums.append((loss, error))
    if not sums:
        return False
    worst, error = min(sums)
    return worst < -LIMITS.max_relative_loss and worst + NORMAL * error < 0


@given(REPORTS)
@settings(max_examples=150)
def test_a_bundle_is_refused_by_the_rules_that_it_breaks_and_by_no_other(report: ChallengerReport) -> None:
    decision = decide(report, LIMITS)
    refused: set[Any] = {check.name for check in decision.checks if not check.passed}
    assert refused == refused_by(report)
    assert decision.accepted == (not refused)


def interval(one: Comparison) -> str:
    return f"{one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}] over {one.users} users"


@given(REPORTS)
@settings(max_examples=150)
def test_each_check_says_what_was_measured_the_limit_and_why_something_was_not_judged(
    report: ChallengerReport,
) -> None:
    checks = {check.name: check for check in decide(report, LIMITS).checks}
    told = {name: (check.value, check.limit, check.detail) for name, check in checks.items()}
    assert told["size"] == (report.size_mb, LIMITS.max_size_mb, "MB on disk")
    smoke = (report.smoke_p95_ms, LIMITS.max_smoke_ms, "95th percentile per list, ms")
    assert told["smoke test"] == smoke
    recall = (report.index_recall, LIMITS.min_index_recall, "share of the exact 10 nearest neighbours found")
    assert told["index recall"] == (recall if report.index_recall else (None, None, "not judged: no vectors"))
    volume: tuple[float | None, float | None, str] | None = None
    if report.champion_id:
        lost = "not judged: the champion's is not known" if report.lost is None else "; ".join(report.lost)
        volume = (None, None, lost or "nothing that the champion's snapshot held has gone")
    assert told.get("volume") == volume
    cold = report.cold
    if cold is None:
        assert told["cold start"] == (None, None, "not judged: no champion to compare with")
    elif cold.users < LIMITS.min_test_users:
        few = f"not judged: {cold.users} users without history, fewer than {LIMITS.min_test_users}"
        assert told["cold start"] == (None, None, few)
    else:
        value, limit, detail = told["cold start"]
        assert (value, limit) == (cold.difference, LIMITS.min_cold_difference)
        assert detail == f"popularity minus other in ndcg@10: {interval(cold)}"
    for one in report.comparisons:
        if (name := f"accuracy of {one.challenger}") not in told:
            continue
        value, limit, detail = told[name]
        if one.users < LIMITS.min_test_users:
            few = f"not judged: {one.users} test users, fewer than {LIMITS.min_test_users}"
            assert (value, limit, detail) == (None, None, few)
        else:
            floor = FLOOR if one.challenger == "blend" else LIMITS.min_ndcg_difference
            assert (value, limit) == (one.difference, floor)
            assert detail.startswith(f"{one.challenger} minus other in ndcg@10: {interval(one)}")
    assert_coverage(report, told.get("coverage of blend"))


def assert_coverage(report: ChallengerReport, told: tuple[float | None, float | None, str] | None) -> None:
    """The ratio and its interval, of as many users."""
    coverage = report.coverage
    if coverage is None:
        assert told is None
        return
    if coverage.users < LIMITS.min_test_users:
        few = f"not judged: {coverage.users} test users, fewer than {LIMITS.min_test_users}"
        assert told == (None, None, few)
        return
    mine, theirs = coverage.challenger.value, coverage.champion.value
    ratio = mine / theirs
    shares = [0.01 / NORMAL / value for value in (mine, theirs) if value]
    margin = NORMAL * ratio * sqrt(sum(share**2 for share in shares))
    assert told == (
        ratio,
        LIMITS.min_coverage_ratio,
        f"{mine:.4f} of the catalogue, the champion {theirs:.4f}; ratio "
        f"[{ratio - margin:.2f}, {ratio + margin:.2f}] over {coverage.users} users",
    )


def test_a_champion_that_covers_nothing_is_no_measure() -> None:
    decision = decide(replace(CHALLENGER, coverage=covers(0.3, 0.0)), LIMITS)
    (check,) = (each for each in decision.checks if each.name == "coverage of blend")
    assert (check.passed, check.value, check.limit) == (True, None, None)
    assert check.detail == "not judged: the champion covers nothing"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"champion_error": "damaged"}, "can't be evaluated (damaged); compared with the baseline instead"),
        ({"incomparable": "seen it"}, "can't be compared (seen it); compared with the baseline instead"),
    ],
)
def test_a_champion_that_is_not_compared_with_is_named_with_the_reason(
    change: dict[str, Any], detail: str
) -> None:
    (check,) = (
        each for each in decide(replace(CHALLENGER, **change), LIMITS).checks if each.name == "champion"
    )
    assert (check.passed, check.value, check.limit, check.detail) == (True, None, None, detail)


@pytest.mark.parametrize("measured", [False, True])
def test_too_few_test_users_are_told_and_what_follows_for_the_champion(measured: bool) -> None:
    few = tuple(replace(each, users=19) for each in CHALLENGER.comparisons)
    decision = decide(replace(CHALLENGER, comparisons=few, champion_measured=measured), LIMITS)
    (check,) = (each for each in decision.checks if each.name == "accuracy")
    told = "not judged: 19 test users with a history, fewer than 20"
    assert check.detail == (f"{told}; the champion was measured, so it stays" if measured else told)
    assert (check.passed, check.value, check.limit) == (not measured, None, None)


@given(comparisons("blend"))
@settings(max_examples=60)
def test_the_margin_says_how_often_chance_rejects_and_the_loss_that_would_be_found(blend: Comparison) -> None:
    """A mean below the floor is rejected, and an interval all below 0 that reaches below the floor."""
    blend = replace(blend, users=500)
    details = [
        check.detail
        for check in decide(replace(CHALLENGER, comparisons=(blend,)), LIMITS).checks
        if check.name == "accuracy of blend"
    ]
    half, error = (blend.high - blend.low) / 2, standard_error(blend, LIMITS)
    cut = max(FLOOR, min(-half, FLOOR + half))
    alarm, loss = NormalDist(0, error).cdf(cut), NormalDist(0, error).inv_cdf(0.8) - cut
    assert details == [details[0]]
    said = f"it rejects an equally good bundle in {alarm:.0%} of nights, and one worse by {loss:.4f} in 80%"
    assert said in details[0]
