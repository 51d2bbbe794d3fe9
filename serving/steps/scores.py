"""Arithmetic on scores, and rows.

A score above zero says something for an item. The models' scores and cosines come without those that are
only rounding (training/models/core/rounding.py), sums of non-negative scores make no new ones, and
differences are cleared here.
"""

import numpy as np
from numpy.typing import NDArray

from serving.types import Identities, Mask, Rows, Scores
from training.models.core.base import STRIDE
from training.models.core.rounding import zero_rounding

TERMS = 1024
"""No score of a blend is a longer sum (the longest are over a vector or a history)."""


def scaled_to_best(scores: Scores) -> Scores:
    """Scores as shares of the best, float32 in 0..1: what is below zero becomes 0; all 0 stays all 0.

    >>> scaled_to_best(np.array([4, -1, 2], dtype=np.float32)).tolist()
    [1.0, 0.0, 0.5]
    """
    kept: Scores = np.maximum(scores, np.float32(0))
    top = float(kept.max(initial=0.0))
    if top > 0:
        kept = kept / np.float32(top)
    return kept


def above_lowest(scores: Scores, allowed: Mask) -> Scores:
    """Allowed items' scores above the least of them, 0 elsewhere: what all have in common says nothing.

    Two scores that should be equal may be two roundings of the largest apart: that says nothing either.
    """
    above = np.where(allowed, scores - scores.min(where=allowed, initial=np.float32(np.inf)), np.float32(0))
    # Twice the largest: each side of the difference has an error of its own.
    return zero_rounding(above, 2 * np.abs(scores).max(where=allowed, initial=np.float32(0)), TERMS)


def scatter(values: Scores, rows: Rows, n_rows: int) -> Scores:
    """Scores of some rows as float32[n_rows], 0 elsewhere; rows < 0 are dropped."""
    total = np.zeros(n_rows, dtype=np.float32)
    if len(rows) and int(rows.min()) < 0:
        # A row of -1 would write to the last one.
        rows, values = rows[rows >= 0], values[rows >= 0]
    total[rows] = values
    return total


def distinct(rows: Rows) -> Rows:
    """The rows in their order, each once. Not np.unique, which hashes: that takes six times as long."""
    rows = np.sort(rows)
    first = np.ones(len(rows), dtype=np.bool_)
    np.not_equal(rows[1:], rows[:-1], out=first[1:])
    found: Rows = rows[first]
    return found


def kth_largest(values: NDArray[np.floating], k: int) -> np.floating:
    """The k-th largest of at least k values, without NaN; k is 1 or more.

    Not by np.partition, which takes ten times as long where many values are equal: items that share one word,
    items that nobody has chosen.

    >>> float(kth_largest(np.array([3, 1, 3, 2], dtype=np.float32), k=3))
    2.0
    """
    if len(values) > 4 * STRIDE * k:
        # The k best of a sample bound the k best of all from below: few are left to sort.
        bound = np.sort(values[::STRIDE])[-k]
        values = values[values >= bound]
    found: np.floating = np.sort(values)[-k]
    return found


def top(scores: NDArray[np.floating], identity: Identities, k: int) -> NDArray[np.int64]:
    """Places of the k largest scores, the largest first; among equals the lower identity, int64[<=k].

    Args:
        scores: float32 or float64[m].
        identity: uint64[m], the same for an item on every worker, so that workers agree on equal scores.

    >>> scores, identity = np.array([1, 3, 3], dtype=np.float32), np.array([7, 9, 5], dtype=np.uint64)
    >>> top(scores, identity, k=2).tolist()
    [2, 1]
    """
    if k <= 0 or not len(scores):
        return np.zeros(0, dtype=np.int64)
    places = np.arange(len(scores))
    if k < len(scores):
        least = kth_largest(scores, k)
        above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
        # Only those that tie with the last place compete for it, by identity.
        if k - len(above) < len(equal):
            equal = equal[np.argpartition(identity[equal], k - len(above))[: k - len(above)]]
        places = np.concatenate([above, equal])
    # lexsort goes by its last key first.
    return places[np.lexsort((identity[places], -scores[places]))]
