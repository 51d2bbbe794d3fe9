"""The gate's rules, each on measurements that break only it."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.evaluation.intervals import Estimate, compare
from training.params.operating import GateParams
from training.release.gate import Check, Decision, Override, decide, overrule
from training.release.measurements import ChallengerReport, Change, Comparison, CoverageComparison

LIMITS = GateParams(
    judged=("als", "nmf"),
    baseline="popularity",
    metric="ndcg@10",
    confidence=0.95,
    min_test_users=20,
    min_gain_over_baseline=0.0,
    min_ndcg_difference=-0.01,
    min_coverage_ratio=0.8,
    min_cold_difference=-0.02,
    min_index_recall=0.95,
    max_size_mb=100,
    max_smoke_ms=50,
    smoke_queries=10,
)


def compared(
    name: str, low: float, users: int = 500, width: float = 0.01, reference: float = 0.2
) -> Comparison:
    return Comparison(name, "other", "ndcg@10", low + width / 2, low, low + width, users, reference)


def covers(mine: float, theirs: float, users: int = 500, margin: float = 0.01) -> CoverageComparison:
    first, second = (Estimate(value, value - margin, value + margin) for value in (mine, theirs))
    return CoverageComparison(first, second, users)


AS_GOOD = compared("blend", -0.004)


CHALLENGER = ChallengerReport(
    bundle_id="new",
    champion_id="old",
    comparisons=(AS_GOOD, compared("als", -0.002), compared("nmf", 0.001)),
    coverage=covers(0.3, 0.31),
    cold=compared("popularity for users without history", -0.006),
    index_recall=0.99,
    size_mb=60.0,
    smoke_p95_ms=2.0,
    smoke_errors=(),
    champion_measured=True,
)
FIRST = replace(CHALLENGER, champion_id=None, coverage=None, cold=None, champion_measured=False)


def test_a_challenger_as_good_as_the_champion_is_accepted() -> None:
    decision = decide(CHALLENGER, LIMITS)

    assert decision.accepted
    assert decision.reasons == ()
    assert "| accuracy of als | yes |" in decision.as_table()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"comparisons": (AS_GOOD, compared("als", -0.02), compared("nmf", 0.1))}, "accuracy of als"),
        ({"comparisons": (compared("blend", -0.012, width=0.008, reference=0.1),)}, "accuracy of blend"),
        ({"comparisons": (compared("blend", -0.026),)}, "accuracy of blend"),
        ({"coverage": covers(0.1, 0.31)}, "coverage of blend"),
        ({"lost": ("12 items instead of 900",)}, "volume"),
        ({"comparisons": (compared("blend", -0.5, users=19),)}, "accuracy"),
        ({"cold": compared("popularity", -0.05, users=40)}, "cold start"),
        ({"index_recall": 0.5}, "index recall"),
        ({"smoke_p95_ms": 80.0}, "smoke test"),
        ({"smoke_errors": ("als gave scores that are no numbers",)}, "smoke test"),
    ],
)
def test_each_rule_refuses_by_itself(change: dict[str, Any], check: str) -> None:
    decision = decide(replace(CHALLENGER, **change), LIMITS)

    assert not decision.accepted
    assert [reason.partition(":")[0] for reason in decision.reasons] == [check]
    assert f"| {check} | NO |" in decision.as_table()


def test_a_large_bundle_is_a_warning_with_what_to_do() -> None:
    decision = decide(replace(CHALLENGER, size_mb=101.0), LIMITS)

    assert decision.accepted and not decision.reasons
    assert "| MB on disk; WARNING: above max_size_mb. Workers share" in decision.as_table()
    assert "WARNING" not in decide(CHALLENGER, LIMITS).as_table()


def test_the_luck_of_one_models_start_does_not_refuse() -> None:
    unlucky = (compared("als", -0.012, width=0.008), AS_GOOD)

    assert decide(replace(CHALLENGER, comparisons=unlucky), LIMITS).accepted


def test_noise_alone_does_not_refuse() -> None:
    noisy = (AS_GOOD, compared("als", -0.03, users=30, width=0.06))

    assert decide(replace(CHALLENGER, comparisons=noisy), LIMITS).accepted


def test_a_small_shops_noise_refuses_for_the_blend_alone() -> None:
    """A month with a tenth of the customers refused five nights for NMF's mean, as uncertain as here."""
    unlucky = Comparison("nmf", "other", "ndcg@10", -0.0107, -0.0272, 0.0041, 250, 0.1)
    shown = replace(unlucky, high=-0.0001)
    for comparisons, accepted in (
        ((AS_GOOD, unlucky), True),
        ((AS_GOOD, shown), False),
        ((replace(unlucky, challenger="blend"),), False),
    ):
        decision = decide(replace(CHALLENGER, comparisons=comparisons), LIMITS)
        assert decision.accepted is accepted


def test_cold_users_refuse_only_when_chance_is_ruled_out() -> None:
    unlucky = compared("popularity", -0.09, users=30, width=0.1)
    decision = decide(replace(CHALLENGER, cold=unlucky), LIMITS)
    assert unlucky.difference < LIMITS.min_cold_difference and decision.accepted
    assert "[-0.0900, +0.0100] over 30 users" in decision.as_table()

    few = decide(replace(CHALLENGER, cold=compared("popularity", -0.5, users=19)), LIMITS)
    assert few.accepted
    assert "19 users without history, fewer than 20" in few.as_table()


@pytest.mark.slow
def test_quiet_nights_pass_and_a_broken_cold_start_does_not() -> None:
    generator = np.random.default_rng(3)

    def refused(broken: bool) -> bool:
        # Most lists of both bundles are the same; quality is zero for most users, as it is in life.
        theirs = generator.binomial(1, 0.3, 40) * generator.beta(1, 2, 40)
        moved = np.where(generator.random(40) < 0.2, generator.permutation(theirs), theirs)
        found = compare(np.zeros(40) if broken else moved, theirs, 200, int(generator.integers(2**31)))
        cold = Comparison("popularity", "other", "ndcg@10", found.difference, found.low, found.high, 40)
        return not decide(replace(CHALLENGER, cold=cold), LIMITS).accepted

    assert sum(refused(broken=False) for _ in range(200)) <= 2
    assert sum(refused(broken=True) for _ in range(50)) >= 45


def test_the_first_bundle_is_judged_by_what_serves_not_by_its_best_model() -> None:
    worse = (compared("blend", -0.006), compared("als", 0.1), compared("nmf", 0.1))
    better = (compared("blend", 0.001), compared("als", -0.1), compared("nmf", -0.1))

    assert not decide(replace(FIRST, comparisons=worse), LIMITS).accepted
    assert decide(replace(FIRST, comparisons=better), LIMITS).accepted


FEW = (compared("blend", -0.5, users=3),)


def test_what_cannot_be_measured_leaves_a_measured_champion_in_service() -> None:
    decision = decide(replace(CHALLENGER, comparisons=FEW), LIMITS)

    assert not decision.accepted
    assert "3 test users with a history, fewer than 20; the champion was measured, so it stays" in str(
        decision.reasons
    )
    nobody = replace(CHALLENGER, comparisons=(replace(FEW[0], users=0),), incomparable="nothing held out")
    assert not decide(nobody, LIMITS).accepted


def test_nobody_is_too_few_also_where_no_least_number_of_users_is_asked_for() -> None:
    nobody = replace(CHALLENGER, comparisons=(Comparison("blend", "other", "ndcg@10", 0.0, 0.0, 0.0, 0),))
    limits = LIMITS.model_copy(update={"min_test_users": 0})

    decision = decide(nobody, limits)
    assert "0 test users with a history, fewer than 1; the champion was measured" in str(decision.reasons)
    assert decide(replace(CHALLENGER, comparisons=(compared("blend", 0.001, users=1),)), limits).accepted
    assert decide(replace(FIRST, comparisons=nobody.comparisons), limits).accepted


@pytest.mark.parametrize("report", [FIRST, replace(CHALLENGER, champion_measured=False)])
def test_a_new_shop_without_test_users_still_gets_its_bundles(report: ChallengerReport) -> None:
    decision = decide(replace(report, comparisons=FEW), LIMITS)

    assert decision.accepted
    assert "fewer than 20" in decision.as_table()


def test_a_champion_that_cannot_be_evaluated_stands_in_nobodys_way() -> None:
    lost = replace(CHALLENGER, champion_error="KeyError: 'lift_power'", coverage=None, cold=None)
    for comparisons in (FEW, (compared("blend", 0.001),)):
        decision = decide(replace(lost, comparisons=comparisons), LIMITS)
        assert decision.accepted
        assert decision.champion_id == "old"
        assert "lift_power" in decision.as_table()


def test_a_champion_of_another_holdout_is_not_compared_with_and_that_is_said() -> None:
    other = replace(CHALLENGER, incomparable="the champion's evaluation models have seen the test")
    against_popularity = (compared("blend", 0.001), compared("als", -0.1))

    decision = decide(replace(other, comparisons=against_popularity), LIMITS)

    assert decision.accepted
    said = (
        "can't be compared (the champion's evaluation models have seen the test); compared with the baseline"
    )
    assert said in decision.as_table()
    assert not decide(replace(other, comparisons=(compared("blend", -0.02),)), LIMITS).accepted


def test_a_sparse_shops_collapse_is_refused_though_it_is_small_in_points() -> None:
    collapse = Comparison("blend", "other", "ndcg@10", -0.0088, -0.0101, -0.0071, 400, 0.0090)
    (reason,) = decide(replace(CHALLENGER, comparisons=(collapse,)), LIMITS).reasons
    assert reason.startswith("accuracy of blend")
    assert "Margin -0.0009 (10% of the champion's)" in reason


@pytest.mark.slow
def test_the_margin_is_stated_with_what_so_many_users_can_show() -> None:
    """By simulation: how often the rule rejects, against what the decision says of itself."""
    generator = np.random.default_rng(5)
    champion = generator.binomial(1, 0.3, 400) * generator.beta(1, 2, 400)

    def night(loss: float) -> tuple[bool, str]:
        noise = np.where(generator.random(400) < 0.3, generator.normal(0, 0.1, 400), 0.0)
        mine = champion + noise - loss
        found = compare(mine, champion, 300, int(generator.integers(2**31)), 1 - 0.05 / 4)
        blend = Comparison(
            "blend", "old", "ndcg@10", found.difference, found.low, found.high, 400, float(champion.mean())
        )
        check = decide(replace(CHALLENGER, comparisons=(blend,)), LIMITS).checks[1]
        assert check.name == "accuracy of blend"
        return check.passed, check.detail

    nights = [night(0.0) for _ in range(200)]
    pattern = r"bundle in (\d+)% of nights, and one worse by ([\d.]+) in 80%"
    stated = np.array([re.findall(pattern, said)[0] for _, said in nights], dtype=np.float64).mean(axis=0)
    found = np.mean([not night(float(stated[1]))[0] for _ in range(200)])
    assert np.mean([not passed for passed, _ in nights]) == pytest.approx(stated[0] / 100, abs=0.05)
    assert found == pytest.approx(0.8, abs=0.1)


def test_small_losses_add_up_against_the_best_champion_of_the_last_weeks() -> None:
    """Each night loses 4 %, shown to be real, and none of them more than the margin."""
    tonight = compared("blend", -0.009, width=0.002)
    report = replace(CHALLENGER, comparisons=(tonight,))
    earlier = tuple(Change(f"bundle-{back}", -0.04, 0.005) for back in range(5))

    assert decide(report, LIMITS).accepted
    assert decide(replace(report, earlier=earlier[:1]), LIMITS).accepted
    refused = decide(replace(report, earlier=earlier), LIMITS)
    (reason,) = refused.reasons
    assert reason.startswith("small losses: -0.2400")
    assert "bundle-4" in reason

    better_since = (Change("bundle-0", 0.2, 0.005), *earlier[1:])
    assert decide(replace(report, earlier=better_since), LIMITS).accepted
    noise = tuple(replace(change, error=0.1) for change in earlier)
    assert decide(replace(report, earlier=noise), LIMITS).accepted


def test_coverage_is_judged_with_its_interval_and_enough_users() -> None:
    for coverage, accepted in (
        (covers(0.2, 0.31), False),
        (covers(0.2, 0.31, margin=0.08), True),
        (covers(0.01, 0.31, users=19), True),
        (covers(0.0, 0.31), False),
    ):
        assert decide(replace(CHALLENGER, coverage=coverage), LIMITS).accepted is accepted


def test_an_operator_may_overrule_and_is_recorded() -> None:
    word = Override("half of the catalogue is out of season", "ann")
    refused = decide(replace(CHALLENGER, lost=("12 items instead of 900",)), LIMITS)

    accepted = overrule(refused, word)

    assert accepted.accepted
    assert accepted.as_dict()["override"] == {"reason": word.reason, "by": "ann"}
    assert accepted.reasons == refused.reasons
    assert "by ann: half of the catalogue is out of season" in accepted.as_table()
    fine = decide(CHALLENGER, LIMITS)
    assert overrule(fine, word) == fine
    broken = decide(replace(CHALLENGER, smoke_errors=("als can't be loaded",)), LIMITS)
    assert not overrule(broken, word).accepted


def test_a_decision_is_written_for_people_and_for_programs() -> None:
    checks = (
        Check("size", True, None, 5.0, "as ever"),
        Check("volume", False, 0.25, None, "items are missing"),
    )
    refused = Decision("b2", "b1", False, checks)
    assert refused.as_table().splitlines() == [
        "Bundle b2 is rejected against champion b1.",
        "",
        "| check | passed | value | limit | detail |",
        "|---|---|---|---|---|",
        "| size | yes |  | 5.0000 | as ever |",
        "| volume | NO | 0.2500 |  | items are missing |",
    ]
    first = replace(refused, champion_id=None, accepted=True, override=Override("a new shop", "ann"))
    told = first.as_table().splitlines()[0]
    assert told == "Bundle b2 is accepted against the baseline (no champion yet) by ann: a new shop."
    kept = first.as_dict()
    assert kept["reasons"] == ["volume: items are missing"]
    assert kept["checks"][1] == {"name": "volume", "passed": False, "value": 0.25, "limit": None} | {
        "detail": "items are missing"
    }


def test_a_decision_names_the_bundle_that_it_is_about() -> None:
    accepted, refused = decide(CHALLENGER, LIMITS), decide(replace(CHALLENGER, size_mb=1e9), LIMITS)
    assert {accepted.bundle_id, refused.bundle_id} == {CHALLENGER.bundle_id}
    assert accepted.champion_id == CHALLENGER.champion_id
    (size,) = [check for check in refused.checks if "MB on disk" in check.detail]
    assert "WARNING" in size.detail


def test_without_a_comparison_of_what_serves_there_are_no_test_users() -> None:
    (reason,) = decide(replace(CHALLENGER, comparisons=()), LIMITS).reasons
    assert "not judged: 0 test users with a history, fewer than 20" in reason
    assert decide(replace(FIRST, comparisons=()), LIMITS.model_copy(update={"min_test_users": 0})).accepted


@pytest.mark.parametrize(("high", "accepted"), [(0.0, True), (-1e-9, False)])
def test_an_interval_that_ends_at_zero_does_not_show_a_loss(high: float, accepted: bool) -> None:
    als = Comparison("als", "other", "ndcg@10", -0.015, -0.03, high, 500, 0.2)
    for comparisons in ((AS_GOOD, als), (replace(als, challenger="blend"),)):
        assert decide(replace(CHALLENGER, comparisons=comparisons), LIMITS).accepted is accepted
