"""What a policy that was never shown would have earned, from the log of one that explored.

Each shown item counts with the weight target / logged: how much likelier the target policy is than the one
that was shown to put it at this position. Position by position, so the reward of a position is taken to
depend on its own item (the item-position model of Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay & Wen,
"Offline Evaluation of Ranking Policies with Click Models", KDD 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np


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
class OffPolicy:
    """Estimates of the target policy's clicks per shown item."""

    ips: float
    """Inverse propensity scoring: the mean of weight x click; unbiased where nothing was clipped."""
    snips: float
    """Self-normalised (Swaminathan & Joachims 2015): over the mean weight; a little biased, far steadier."""
    low: float
    high: float
    """Interval of `snips`, its variance over users (what one user was shown belongs together)."""
    logged: float
    """What the shown policy earned."""
    mean_weight: float
    """Near 1 when the log explored everything the target would show; well below, the target shows items that
    the log never tried, and no estimate can know about them."""
    effective_slots: float
    """How many slots of the target's own log the weighted ones are worth (Kish)."""
    slots: int


def estimate(slots: Sequence[LoggedSlot], clip: float, confidence: float) -> OffPolicy | None:
    """Estimate from logged slots; None when there are none, or none that the target would show.

    Args:
        slots: all positions of some lists, in any order.
        clip: largest weight; cutting larger ones trades bias for variance.
        confidence: of the interval.
    """
    if not slots:
        return None
    reward = np.array([slot.reward for slot in slots])
    target = np.array([slot.target for slot in slots])
    logged = np.array([slot.propensity for slot in slots])
    weight = np.minimum(target / logged, clip)
    total = float(weight.sum())
    if total == 0:
        return None
    earned = float((weight * reward).sum())
    snips = earned / total
    _, of = np.unique([slot.user_id for slot in slots], return_inverse=True)
    residual = np.bincount(of, weights=weight * (reward - snips))
    margin = NormalDist().inv_cdf(0.5 + confidence / 2) * float(np.sqrt((residual**2).sum())) / total
    return OffPolicy(
        ips=earned / len(slots),
        snips=snips,
        low=max(0.0, snips - margin),
        high=min(1.0, snips + margin),
        logged=float(reward.mean()),
        mean_weight=total / len(slots),
        effective_slots=total**2 / float((weight**2).sum()),
        slots=len(slots),
    )
