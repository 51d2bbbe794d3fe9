"""Which of the scored candidates make the list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from serving.steps.context import Exploration
from serving.steps.scores import top
from serving.steps.table import Table
from serving.types import Identities, Mask, Rows

Eligible = Literal["positive", "scored", "all"]
"""What a candidate needs: a score above 0, any score but 0, or nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class OneOfVariants:
    """At most one of an item's variants is in the list."""

    groups: Identities
    """uint64[n_rows], the same for an item and its variants."""
    without: Rows
    """int32[m], catalogue rows that no item of the list is a variant of."""
    rows_of: Callable[[Identities], Rows] | None = None
    """The rows of some groups, where that is known without a look at all of them."""

    def take_out(self, allowed: Mask) -> None:
        """Take what the list may hold no variants of, and its variants, out of bool[n_rows], in place."""
        if not len(self.without):
            return
        without = self.groups[self.without]
        if self.rows_of is not None:
            allowed[self.rows_of(without)] = False
            return
        # Hashes: by their last bits nearly all that are no variants are seen at once.
        maybe = np.zeros(1 << 16, dtype=np.bool_)
        maybe[without & np.uint64(0xFFFF)] = True
        rows = np.flatnonzero(maybe[self.groups & np.uint64(0xFFFF)])
        allowed[rows[np.isin(self.groups[rows], without)]] = False

    def choose(self, rows: Rows, count: int) -> list[int]:
        """Places of the first `count` rows that are no variants of one another."""
        taken = set(self.groups[self.without].tolist())
        chosen = []
        for place, group in enumerate(self.groups[rows].tolist()):
            if group not in taken:
                taken.add(group)
                chosen.append(place)
                if len(chosen) == count:
                    break
        return chosen


def best(table: Table, count: int, eligible: Eligible, variants: OneOfVariants | None = None) -> Table:
    """The best `count` candidates that may be in the list, best first; equals by their identity.

    With `variants`, the best of each item's variants.
    """
    kept = table.allowed
    if eligible != "all":
        kept = kept & (table.score > 0 if eligible == "positive" else table.score != 0)
    places = np.flatnonzero(kept)
    if variants is None:
        return table.take(places[top(table.score[places], table.identity[places], count)])
    asked = 2 * count
    while True:
        in_order = places[top(table.score[places], table.identity[places], asked)]
        chosen = variants.choose(table.rows[in_order], count)
        if len(chosen) == count or asked >= len(places):
            return table.take(in_order[chosen])
        asked *= 4


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
