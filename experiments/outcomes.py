"""Outcomes beyond clicks, compared between arms: purchases, revenue, dislikes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, sqrt
from statistics import NormalDist

from database.outcomes import DISLIKES, PURCHASE_RATE, REVENUE, Moments
from experiments.statistics import Difference, SequentialTest, Verdict, always_valid

LOWER_IS_BETTER = frozenset({DISLIKES})
NAMES = (PURCHASE_RATE, REVENUE, DISLIKES)

_TURNED: dict[Verdict, Verdict] = {"better": "worse", "worse": "better", "undecided": "undecided"}

MIN_ACTIVE = 30
"""Users with an outcome (buyers) that each side needs: with fewer the normal limit is far."""


@dataclass(frozen=True, slots=True)
class OutcomeReading:
    """An outcome of an arm: its mean over users, and its difference to the control's."""

    users: int
    active: int
    """Users of whom it is not 0."""
    mean: float
    low: float
    high: float
    """95 % or so, as asked for: the interval of this arm alone, at a fixed time."""
    difference: Difference | None = None
    """Adjusted by CUPED, and valid at every look; None for the control."""
    variance_reduction: float = 0.0
    """The share of the difference's variance that CUPED removed."""


def read_outcome(moments: Moments, confidence: float) -> OutcomeReading:
    """An arm by itself."""
    # The normal interval of a mean; MIN_ACTIVE keeps verdicts away from where that is not so.
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(moments.variance / max(moments.users, 1))
    return OutcomeReading(
        moments.users, moments.active, moments.mean, moments.mean - half, moments.mean + half
    )


def cuped(control: Moments, other: Moments) -> tuple[float, float, float]:
    """The difference of two means, its variance, and the share of the variance that was removed.

    What users did in the days before, times theta, is subtracted from what they did: theta = cov / var within
    the arms minimises the variance, and the days before are no effect of the arms, so the difference stays
    unbiased (Deng, Xu, Kohavi & Walker, "Improving the Sensitivity of Online Controlled Experiments by
    Utilizing Pre-Experiment Data", WSDM 2013, section 3.2).
    """
    sides = (control, other)
    total = sum(max(side.users - 1, 0) * side.variance_before for side in sides)
    common = sum(max(side.users - 1, 0) * side.covariance for side in sides)
    # Pooled over both arms, each less its own mean: the arms' difference must not enter theta.
    theta = common / total if total > 0 else 0.0
    value = other.mean - control.mean - theta * (other.mean_before - control.mean_before)
    raw = sum(side.variance / side.users for side in sides)
    adjusted = sum(
        (side.variance - 2 * theta * side.covariance + theta**2 * side.variance_before) / side.users
        for side in sides
    )
    return value, max(adjusted, 0.0), 1 - adjusted / raw if raw > 0 else 0.0


def compare_outcomes(
    control: Mapping[str, Moments], other: Mapping[str, Moments], test: SequentialTest
) -> dict[str, OutcomeReading]:
    """Every outcome of an arm against the control's; each comparison has its part of alpha (Bonferroni).

    Args:
        control: by outcome.
        other: by outcome.
        test: its `scale` is relative to the control's mean. No verdict before both sides have `min_users`
            users, and MIN_ACTIVE of whom the outcome is not 0.
    """
    return {
        name: _compare(name, control[name], moments, test)
        for name, moments in other.items()
        if name in control
    }


def harmed(outcomes: Mapping[str, OutcomeReading], guardrails: tuple[str, ...]) -> tuple[str, ...]:
    """The guardrails that are shown to be worse than the control's."""
    return tuple(
        name
        for name in guardrails
        if name in outcomes
        and (difference := outcomes[name].difference) is not None
        and difference.verdict == "worse"
    )


def _compare(name: str, control: Moments, other: Moments, test: SequentialTest) -> OutcomeReading:
    alone = read_outcome(other, 1 - test.alpha)
    value, variance, removed = cuped(control, other)
    enough = min(control.users, other.users) >= test.min_users
    enough = enough and min(control.active, other.active) >= MIN_ACTIVE
    if not enough or variance == 0:
        difference = Difference(value, -inf, inf, 1.0, "undecided")
    else:
        scale = test.scale * abs(control.mean)
        difference = always_valid(value, variance, alpha=test.alpha / len(NAMES), scale=scale)
    if name in LOWER_IS_BETTER:
        difference = replace(difference, verdict=_TURNED[difference.verdict])
    return OutcomeReading(alone.users, alone.active, alone.mean, alone.low, alone.high, difference, removed)
