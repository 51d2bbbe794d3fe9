"""Which of the scored candidates make the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from serving.steps.context import Exploration
from serving.steps.scores import top
from serving.steps.table import Table

Eligible = Literal["positive", "scored", "all"]
"""What a candidate needs: a score above 0, any score but 0, or nothing."""


def best(table: Table, count: int, eligible: Eligible) -> Table:
    """The best `count` candidates that may be in the list, best first; equals by their identity."""
    kept = table.allowed
    if eligible != "all":
        kept = kept & (table.score > 0 if eligible == "positive" else table.score != 0)
    places = np.flatnonzero(kept)
    return table.take(places[top(table.score[places], table.identity[places], count)])


@dataclass(frozen=True, slots=True)
class Explored:
    """Which candidates are shown, by their places, and how likely each was to stand at its position."""

    places: Sequence[int]
    propensities: tuple[float, ...]


def explore(count: int, k: int, exploration: Exploration) -> Explored:
    """The best k of `count` candidates or, with probability epsilon, k of the best `pool` in random order.

    Any candidate of the pool can stand at any position, with a propensity that is known exactly:
    (1 - epsilon) if it is the best for that position, plus epsilon / pool. That is what an off-policy
    estimate needs.
    """
    # At least k, or a list could not be filled from the pool.
    pool = min(count, max(exploration.pool, k))
    length = min(k, pool)
    if exploration.epsilon <= 0 or pool < 2:
        return Explored(range(length), (1.0,) * length)
    draws = exploration.random.random() < exploration.epsilon
    # Without replacement, so every place of the pool is as likely at each position: 1 / pool.
    order = exploration.random.sample(range(pool), length) if draws else list(range(length))
    chance = exploration.epsilon / pool
    kept = 1 - exploration.epsilon
    return Explored(order, tuple(chance + (kept if at == place else 0.0) for place, at in enumerate(order)))
