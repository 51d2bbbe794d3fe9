"""What a policy that was never shown would have earned, from the log of one that explored.

Each shown item counts with the weight target / logged: how much likelier the target policy is than the one
that was shown to put it at this position. Position by position, so the reward of a position is taken to
depend on its own item (the item-position model of Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen,
"Offline Evaluation of Ranking Policies with Click Models", KDD 2018).

With little exploration a few items have weights in the thousands. They are split off at a threshold t, as in
SWITCH (Wang, Agarwal & Dudík, "Optimal and Adaptive Off-policy Evaluation in Contextual Bandits", ICML 2017):

    value = s * mean(r | w <= t) + (1 - s) * mean(r | w > t),    s = mean of the weights w up to t

Each mean is self-normalised (Swaminathan & Joachims, "The Self-Normalized Estimator for Counterfactual
Learning", NIPS 2015). Above t SWITCH trusts a model of the reward, and its interval is right only if the
model is. A doubly robust correction of that model has the large weights again, and gains little as single
clicks are hard to predict. Here the few items that were shown speak for those above t, unclipped, and the
interval tells how few they are: each part has that of Korn & Graubard for rates with few events ("Confidence
intervals for proportions with small expected number of positive counts estimated from survey data", Survey
Methodology 24, 1998). MOVER puts the parts' intervals together (Zou & Donner, "Construction of confidence
limits about effect measures: a general approach", Statistics in Medicine 27, 2008):

    low = value - sqrt(sum of (estimate - low)² of the parts),    high likewise
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_SUPPORT_DOUBT = 0.1
"""The mean weight is judged at this share of the interval's error: its interval must hold 1."""


class LoggedSlot(Protocol):
    """One shown item beside what the target policy would have shown in its place."""

    @property
    def user_id(self) -> str: ...
    @property
    def propensity(self) -> float:
        """The chance with which it was shown, above 0."""

    @property
    def target(self) -> float:
        """1 when the target policy has the same item at the same position, else 0."""

    @property
    def reward(self) -> float:
        """1 when it was clicked, else 0."""


@dataclass(frozen=True)
class Slots:
    """Logged slots as columns, all of one length."""

    user: NDArray[np.intp]
    """Number of the user, from 0."""
    propensity: Numbers
    target: Numbers
    reward: Numbers

    @classmethod
    def of(cls, slots: Sequence[LoggedSlot]) -> "Slots":
        """Columns of rows."""
        _, user = np.unique([slot.user_id for slot in slots], return_inverse=True)
        rows = [(slot.propensity, slot.target, slot.reward) for slot in slots]
        return cls(user, *np.array(rows, dtype=np.float64).T)


@dataclass(frozen=True)
class OffPolicy:
    """Estimates of the target policy's clicks per shown item."""

    value: float
    """Common and rare places together; see the module."""
    low: float | None
    high: float | None
    """Interval of `value`; None where it would not be right, `warnings` has the reason."""
    ips: float
    """Inverse propensity scoring: the mean of weight x click; unbiased, and wild where weights are large."""
    logged: float
    """What the shown policy earned."""
    mean_weight: float
    """Near 1 when the log explored everything the target would show; well below, the target shows items that
    the log never tried, and no estimate can know about them."""
    support: tuple[float, float]
    """Interval of the mean weight; without 1 in it there is no interval of `value`."""
    rare_share: float
    """Share of the target's places whose weight is above the threshold."""
    rare_slots: int
    """How many shown items speak for them."""
    effective_slots: float
    """How many slots of the target's own log the weighted ones are worth (Kish)."""
    slots: int
    warnings: tuple[str, ...] = ()
    """What the reader should know, a sentence each."""


def estimate(
    slots: Sequence[LoggedSlot] | Slots, clip: float, confidence: float, min_users: int = 2
) -> OffPolicy | None:
    """Estimate from logged slots; None when there are none, or none that the target would show.

    Args:
        slots: all positions of some lists, in any order.
        clip: the threshold: places with a larger weight are rare, and estimated apart.
        confidence: of the interval.
        min_users: no interval with fewer.
    """
    columns = slots if isinstance(slots, Slots) else Slots.of(slots) if slots else None
    if columns is None or not columns.target.any():
        return None
    weight = columns.target / columns.propensity
    logged = float(columns.reward.mean())
    combined = _combined(columns, weight, clip, logged, confidence)
    support = _support(columns, weight, clip, 1 - _SUPPORT_DOUBT * (1 - confidence))
    refusals = _refusals(support, int(columns.user.max()) + 1, min_users)
    return OffPolicy(
        value=combined.value,
        low=None if refusals else max(0.0, combined.low),
        high=None if refusals else min(1.0, combined.high),
        ips=float((weight * columns.reward).mean()),
        logged=logged,
        mean_weight=float(weight.mean()),
        support=support,
        rare_share=combined.rare_share,
        rare_slots=combined.rare_slots,
        effective_slots=float(weight.sum()) ** 2 / float((weight**2).sum()),
        slots=len(weight),
        warnings=(*refusals, *_cautions(combined, clip)),
    )


@dataclass(frozen=True)
class _Combined:
    """Common and rare places together."""

    value: float
    low: float
    high: float
    rare_share: float
    rare_slots: int


def _combined(columns: Slots, weight: Numbers, clip: float, logged: float, confidence: float) -> _Combined:
    """The equation of the module with its interval; `logged` stands in for rare places never shown."""
    common = _mean(columns, np.where(weight <= clip, weight, 0.0), confidence)
    rare = _mean(columns, np.where(weight > clip, weight, 0.0), confidence)
    share, margin = min(1.0, common.share), common.margin
    if _largest(columns) <= clip:  # no place can be rare: the share is 1, and what it lacks is support
        share, margin = 1.0, 0.0
    rate = rare.rate if rare.slots else logged
    value = share * common.rate + (1 - share) * rate
    moved = abs(common.rate - rate) * margin
    # MOVER: each part's distance to its own limit, and what an error of the share would move, as squares.
    down = hypot(share * (common.rate - common.low), (1 - share) * (rate - rare.low), moved)
    up = hypot(share * (common.high - common.rate), (1 - share) * (rare.high - rate), moved)
    return _Combined(value, value - down, value + up, 1 - share, rare.slots)


@dataclass(frozen=True)
class _Mean:
    """Clicks per shown item in a part of the target's places, and how large that part is."""

    rate: float
    low: float
    high: float
    share: float
    """Mean weight: the part's share of all the target's places."""
    margin: float
    """Half the interval of `share`."""
    slots: int


def _mean(columns: Slots, weight: Numbers, confidence: float) -> _Mean:
    """The self-normalised mean of the clicks, with variances over users: one user's slots belong together."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    total, share = float(weight.sum()), float(weight.mean())
    margin = z * _by_user(columns, weight - share) / len(weight)
    if total == 0:
        return _Mean(0.0, 0.0, 1.0, 0.0, margin, 0)
    rate = float((weight * columns.reward).sum()) / total
    # Kish's effective size: so many equally weighted slots have the mean's variance.
    size = total**2 / float((weight**2).sum())
    spread = _by_user(columns, weight * (columns.reward - rate)) / total
    if spread > 0:
        # Clicks of one user come together: the size with which a binomial rate has this error.
        size = min(size, rate * (1 - rate) / spread**2)
    return _Mean(rate, *few_events(rate, size, confidence), share, margin, int((weight > 0).sum()))


def few_events(rate: float, size: float, confidence: float) -> tuple[float, float]:
    """Interval of a rate that `size` independent observations found (Korn & Graubard 1998).

    Clopper-Pearson's, for a size that need not be whole: right, if wide, at any size and for a rate of 0.

    >>> low, high = few_events(0.1, 10, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.0025, 0.445)
    """
    from scipy.stats import beta

    events, tail = rate * size, (1 - confidence) / 2
    low = float(beta.ppf(tail, events, size - events + 1)) if events > 0 else 0.0
    high = float(beta.ppf(1 - tail, events + 1, size - events)) if events < size else 1.0
    return low, high


def _support(columns: Slots, weight: Numbers, clip: float, confidence: float) -> tuple[float, float]:
    """Interval of the mean weight: normal for the common places.

    For the rare ones, which are seen a few times or never, that of a weighted Poisson sum (Fay & Feuer,
    "Confidence intervals for directly standardized rates", Statistics in Medicine 16, 1997).
    """
    from scipy.stats import chi2

    tail, size = (1 - confidence) / 2, len(weight)
    common, rare = np.where(weight <= clip, weight, 0.0), weight[weight > clip]
    margin = NormalDist().inv_cdf(1 - tail) * _by_user(columns, common - common.mean()) / size
    found, spread = float(rare.sum()) / size, float((rare**2).sum()) / size**2
    low = spread / (2 * found) * float(chi2.ppf(tail, 2 * found**2 / spread)) if len(rare) else 0.0
    high, largest = found, _largest(columns)
    if largest > clip:
        # Fay and Feuer: the upper limit as if one more slot of the largest weight had been seen.
        above, spread = found + largest / size, spread + (largest / size) ** 2
        high = spread / (2 * above) * float(chi2.ppf(1 - tail, 2 * above**2 / spread))
    mean = float(weight.mean())
    return max(0.0, mean - hypot(margin, found - low)), mean + hypot(margin, high - found)


def _largest(columns: Slots) -> float:
    """The largest weight that the log allows, of an item that the target shows or another."""
    return 1 / float(columns.propensity.min())


def _by_user(columns: Slots, residual: Numbers) -> float:
    """Standard error of a sum of residuals, over users."""
    sums = np.bincount(columns.user, weights=residual)
    # The factor u / (u - 1) is for the mean that the residuals are taken from.
    return float(np.sqrt((sums**2).sum() * len(sums) / max(len(sums) - 1, 1)))


def _refusals(support: tuple[float, float], users: int, min_users: int) -> list[str]:
    """Why the interval would not be right, a sentence each."""
    low, high = support
    found = []
    if high < 1:
        found.append(
            f"no interval: the log lacks items that the shadow would show (mean weight {low:.3f} to "
            f"{high:.3f}, and 1 is full support); explore with a larger pool, and the shadow within it"
        )
    if low > 1:
        found.append(
            f"no interval: the logged chances do not add up (mean weight {low:.3f} to {high:.3f}, not 1)"
        )
    if users < min_users:
        found.append(f"no interval: {users} users, and {min_users} are needed")
    return found


def _cautions(combined: _Combined, clip: float) -> list[str]:
    """What makes the interval wide, a sentence each."""
    if combined.rare_share == 0:
        return []
    share, shown = combined.rare_share, combined.rare_slots
    found = [
        f"{share:.1%} of the shadow's places have a weight above {clip:g}, and {shown} shown items speak for "
        "them: a smaller pool or a larger epsilon gives a narrower interval"
    ]
    if not combined.rare_slots:
        found.append("none of these was shown yet: the rate of the shown lists stands in for theirs")
    return found
