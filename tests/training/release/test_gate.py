"""The gate's rules, each on measurements that break only it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.evaluation.intervals import compare
from training.params.operating import GateParams
from training.release.gate import ChallengerReport, Comparison, decide

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


def compared(name: str, low: float, users: int = 500, width: float = 0.01) -> Comparison:
    return Comparison(name, "other", "ndcg@10", low + width / 2, low, low + width, users)


CHALLENGER = ChallengerReport(
    bundle_id="new",
    champion_id="old",
    comparisons=(compared("als", -0.002), compared("nmf", 0.001)),
    coverage={"als": (0.3, 0.31)},
    cold=compared("popularity for users without history", -0.006),
    index_recall=0.99,
    size_mb=60.0,
    smoke_p95_ms=2.0,
    smoke_errors=(),
)
FIRST = replace(CHALLENGER, champion_id=None, coverage={}, cold=None)


def test_a_challenger_as_good_as_the_champion_is_accepted() -> None:
    decision = decide(CHALLENGER, LIMITS)

    assert decision.accepted
    assert decision.reasons == ()
    assert "| accuracy of als | yes |" in decision.as_table()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"comparisons": (compared("als", -0.02), compared("nmf", 0.1))}, "accuracy of als"),
        ({"comparisons": (compared("blend", -0.012, width=0.008),)}, "accuracy of blend"),
        ({"coverage": {"als": (0.1, 0.31)}}, "coverage of als"),
        ({"cold": compared("popularity", -0.05, users=40)}, "cold start"),
        ({"index_recall": 0.5}, "index recall"),
        ({"size_mb": 101.0}, "size"),
        ({"smoke_p95_ms": 80.0}, "smoke test"),
        ({"smoke_errors": ("als gave scores that are no numbers",)}, "smoke test"),
    ],
)
def test_each_rule_refuses_by_itself(change: dict[str, Any], check: str) -> None:
    decision = decide(replace(CHALLENGER, **change), LIMITS)

    assert not decision.accepted
    assert [reason.partition(":")[0] for reason in decision.reasons] == [check]
    assert f"| {check} | NO |" in decision.as_table()


def test_the_luck_of_one_models_start_does_not_refuse() -> None:
    unlucky = (compared("als", -0.012, width=0.008), compared("blend", -0.001))

    assert decide(replace(CHALLENGER, comparisons=unlucky), LIMITS).accepted


def test_noise_alone_does_not_refuse() -> None:
    noisy = (compared("als", -0.03, users=30, width=0.06),)

    assert decide(replace(CHALLENGER, comparisons=noisy), LIMITS).accepted


def test_a_small_shops_noise_refuses_for_the_blend_alone() -> None:
    """A month with a tenth of the customers refused five nights for NMF's mean, as uncertain as here."""
    unlucky = Comparison("nmf", "other", "ndcg@10", -0.0107, -0.0272, 0.0041, 250)
    shown = replace(unlucky, high=-0.0001)
    for comparison, accepted in (
        (unlucky, True),
        (shown, False),
        (replace(unlucky, challenger="blend"), False),
    ):
        decision = decide(replace(CHALLENGER, comparisons=(comparison,)), LIMITS)
        assert decision.accepted is accepted


def test_cold_users_refuse_only_when_chance_is_ruled_out() -> None:
    unlucky = compared("popularity", -0.09, users=30, width=0.1)
    decision = decide(replace(CHALLENGER, cold=unlucky), LIMITS)
    assert unlucky.difference < LIMITS.min_cold_difference and decision.accepted
    assert "[-0.0900, +0.0100] over 30 users" in decision.as_table()

    few = decide(replace(CHALLENGER, cold=compared("popularity", -0.5, users=19)), LIMITS)
    assert few.accepted
    assert "19 users without history, fewer than 20" in few.as_table()


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


def test_the_first_bundle_must_beat_the_baseline_with_one_model() -> None:
    worse = (compared("als", -0.1), compared("nmf", -0.006))

    assert decide(
        replace(FIRST, comparisons=(compared("als", -0.1), compared("nmf", 0.001))), LIMITS
    ).accepted
    assert not decide(replace(FIRST, comparisons=worse), LIMITS).accepted


def test_too_few_test_users_judge_nothing_and_say_so() -> None:
    few = replace(FIRST, comparisons=(compared("als", -0.5, users=3),))

    decision = decide(few, LIMITS)

    assert decision.accepted
    assert "fewer than 20 test users" in decision.as_table()


def test_a_champion_that_cannot_be_measured_stands_in_nobodys_way() -> None:
    lost = replace(FIRST, champion_id="old", champion_error="KeyError: 'lift_power'")
    decision = decide(lost, LIMITS)
    assert decision.accepted == decide(FIRST, LIMITS).accepted
    assert decision.champion_id == "old"
    assert "lift_power" in decision.as_table()
