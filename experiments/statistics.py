"""Click rates with their uncertainty: pure arithmetic on the counts of a group of users.

Users are what chance assigned, and one user's impressions resemble each other, so variances are those of
clusters (users), not of single impressions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from statistics import NormalDist
from typing import Literal

Verdict = Literal["better", "worse", "undecided", "withheld"]
"""`withheld`: the arms don't have their shares of the users, so no difference can be believed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Clicks and shown items of a group of users, with the sums over users that the variance needs."""

    users: int
    shown: int
    clicked: int
    clicked_squared: float
    """Sum over users of clicks²."""
    clicked_shown: float
    """Sum over users of clicks x shown."""
    shown_squared: float
    """Sum over users of shown²."""
    independent: float | None = None
    """How many unweighted items are worth the shown ones, where some were sampled (Kish); None is `shown`."""

    @property
    def value(self) -> float:
        """Clicked items over shown items; 0 when nothing was shown."""
        return self.clicked / self.shown if self.shown else 0.0

    @property
    def variance(self) -> float:
        """Variance of `value`: the ratio's linearisation over users, and never under the binomial's.

        The floor is taken at (clicks + 1/2) / (shown + 1), so that a group without a click is not certain.
        """
        if self.shown == 0:
            return 0.25  # the largest variance that a rate of 0..1 can have
        smooth = (self.clicked + 0.5) / (self.shown + 1)
        return max(self._clustered(), smooth * (1 - smooth) / self._size)

    def wilson(self, confidence: float) -> tuple[float, float]:
        """Wilson score interval (Wilson 1927) at a fixed size, on the sample that the variance is worth.

        With users who differ, `shown` items tell less than as many independent ones; the interval uses the
        number of independent ones with the same variance.
        """
        if self.shown == 0:
            return 0.0, 1.0
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        rate = self.value
        spread = rate * (1 - rate)
        clustered = self._clustered()
        # A binomial rate of n items has the variance spread / n: so many independent items have this one's.
        size = min(self._size, spread / clustered) if clustered > 0 else self._size
        # Wilson 1927: the rates whose own normal interval would hold the one observed.
        centre = (rate + z * z / (2 * size)) / (1 + z * z / size)
        half = z / (1 + z * z / size) * sqrt(spread / size + z * z / (4 * size * size))
        return max(0.0, centre - half), min(1.0, centre + half)

    @property
    def _size(self) -> float:
        return self.shown if self.independent is None else self.independent

    def _clustered(self) -> float:
        rate = self.value
        residuals = self.clicked_squared - 2 * rate * self.clicked_shown + rate**2 * self.shown_squared
        # Users less one: the rate that the residuals are taken from was estimated from the same users.
        return residuals / self.shown**2 * self.users / max(self.users - 1, 1)


POWER = 0.8
"""How often a difference of the size of `smallest_found` is found."""

NOTHING = Rate(0, 0, 0, 0.0, 0.0, 0.0)
"""Of whom nothing was shown to."""


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """How a verdict is reached: see `compare`."""

    alpha: float
    scale: float
    min_users: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A rate less the control's, with an interval that holds at every look at once."""

    value: float
    low: float
    high: float
    p_value: float
    """Always valid: to stop when it is under alpha errs at most alpha of the time."""
    verdict: Verdict


def compare(control: Rate, other: Rate, *, alpha: float, scale: float, min_users: int) -> Difference:
    """Judge `other` against `control`; the answer may be asked for as often as one likes.

    The mixture sequential probability ratio test with a normal mixture of standard deviation `scale`: the
    likelihood ratio of a difference drawn from N(0, scale²) to none is a martingale under none, so it
    passes 1 / alpha with probability at most alpha, ever (Johari, Koomen, Pekelis & Walsh, "Always Valid
    Inference: Continuous Monitoring of A/B Tests", Operations Research 70(3), 2022; with an estimated
    variance it is asymptotic: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit
    theory and asymptotic confidence sequences", Annals of Statistics 52(6), 2024). Hence no verdict before
    each side has `min_users`.

    Args:
        alpha: chance of a wrong verdict over the whole run when there is no difference.
        scale: the size of difference that the test is quickest at, in clicks per shown item.
        min_users: users that each side needs.
    """
    value = other.value - control.value
    if min(control.users, other.users) < min_users:
        return Difference(value, -1.0, 1.0, 1.0, "undecided")
    return always_valid(value, control.variance + other.variance, alpha=alpha, scale=scale)


def always_valid(value: float, variance: float, *, alpha: float, scale: float) -> Difference:
    """The interval and verdict of `compare` for any difference that is near normal with this variance."""
    # The mixture's likelihood ratio is sqrt(V / (V + s²)) exp(s² d² / (2 V (V + s²))) (Johari et al. 2022),
    # with V the variance, s the scale and d how far the value is from a difference. p is its reciprocal at
    # the difference 0; the interval is of the differences at which it is below 1 / alpha.
    widened = variance + scale**2
    # Solved for d: the likelihood ratio is 1 / alpha at this distance.
    half = sqrt(2 * variance * widened / scale**2 * (log(1 / alpha) + 0.5 * log(widened / variance)))
    exponent = scale**2 * value**2 / (2 * variance * widened)
    p_value = min(1.0, sqrt(widened / variance) * exp(-exponent))
    low, high = value - half, value + half
    verdict: Verdict = "better" if low > 0 else "worse" if high < 0 else "undecided"
    return Difference(value, low, high, p_value, verdict)


def smallest_found(variance: float, *, alpha: float, scale: float, margin: float = 0.0) -> float:
    """The smallest difference below -margin that the always-valid test finds in 80 % of looks.

    A look finds it when the whole interval is below -margin; `variance` is that of the measured difference.

    >>> round(smallest_found(0.0004, alpha=0.01, scale=0.5), 3)
    0.096
    """
    half = always_valid(0.0, variance, alpha=alpha, scale=scale).high
    # Half the interval at the look, and the quantile by which 80 % of measured values are on its far side.
    return margin + half + NormalDist().inv_cdf(POWER) * sqrt(variance)


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms have the shares of the users that they should have."""

    users: tuple[int, ...]
    expected: tuple[float, ...]
    """Users by the shares."""
    p_value: float
    """Always valid."""
    mismatch: bool


def sample_ratio(users: Sequence[int], shares: Sequence[float], alpha: float) -> SampleRatio:
    """Compare the users of each arm with its share; the answer may be asked for as often as one likes.

    Chance gives each arm its share of the users. When it is not so, something else decides who is counted (a
    bundle that did not load, a lost log), and the arms' users differ in more than the arm. The Bayes factor
    of a Dirichlet-multinomial with concentration k = 100 around the shares against the shares themselves is
    a martingale while the shares hold, so it passes 1 / alpha with probability at most alpha, ever (Lindon &
    Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022).

    Args:
        users: of each arm.
        shares: of each arm, above 0; they sum to 1.
        alpha: chance of a false alarm over the whole run.
    """
    total, k = sum(users), 100.0
    # The logarithm of the Bayes factor: the Dirichlet-multinomial's probability over the multinomial's.
    # lgamma: the gamma function itself overflows from 172 on.
    factor = lgamma(k) - lgamma(k + total)
    for count, share in zip(users, shares, strict=True):
        factor += lgamma(k * share + count) - lgamma(k * share) - count * log(share)
    # 1 over the Bayes factor, at most 1; exp of large negatives is 0, not an error.
    p_value = min(1.0, exp(-max(factor, 0.0)))
    return SampleRatio(tuple(users), tuple(total * share for share in shares), p_value, p_value < alpha)
