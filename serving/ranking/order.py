"""Putting scores together and taking the best.

Above zero is an opinion: the models' scores and cosines come without those that are nothing but rounding
(training/models/opinions.py), sums of what is not below zero make no new ones, and differences are cleared
here.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.models.base import top_k
from training.models.opinions import opinions

Scores = NDArray[np.float32]
Rows = NDArray[np.int32]
Mask = NDArray[np.bool_]

TERMS = 1024
"""No score of a blend is a longer sum (the longest are over a vector or a history)."""


def scaled(scores: Scores) -> Scores:
    """Scores as shares of the best, float32 in 0..1: what is below zero becomes 0; all 0 stays all 0."""
    kept: Scores = np.maximum(scores, np.float32(0))
    top = float(kept.max(initial=0.0))
    if top > 0:
        kept = kept / np.float32(top)
    return kept


def merged(parts: Sequence[tuple[float, Scores]], n_rows: int) -> Scores:
    """Weighted sum of score arrays, each scaled first: float32[n_rows]."""
    total = np.zeros(n_rows, dtype=np.float32)
    for weight, scores in parts:
        if weight > 0:
            total += np.float32(weight) * scaled(scores)
    return total


def contrast(scores: Scores, allowed: Mask) -> Scores:
    """Allowed items' scores above the least of them, 0 elsewhere: what all have in common says nothing.

    Two scores that should be the same may be two roundings of the largest apart: that says nothing either.
    """
    above = np.where(allowed, scores - scores.min(where=allowed, initial=np.float32(np.inf)), np.float32(0))
    return opinions(above, 2 * np.abs(scores).max(where=allowed, initial=np.float32(0)), TERMS)


def best(scores: Scores, allowed: Mask, k: int) -> tuple[Rows, Scores]:
    """The k best allowed rows and their scores, best first; ties to the lower row; scores <= 0 left out."""
    return top_k(np.where(allowed & (scores > 0), scores, np.float32(0)), k)


def spread(values: Scores, rows: Rows, n_rows: int) -> Scores:
    """Scores of some rows as float32[n_rows], 0 elsewhere; rows < 0 are dropped."""
    total = np.zeros(n_rows, dtype=np.float32)
    if len(rows) and int(rows.min()) < 0:
        rows, values = rows[rows >= 0], values[rows >= 0]
    total[rows] = values
    return total


def without(allowed: Mask, rows: Rows) -> Mask:
    """A copy of a mask with some rows taken out."""
    kept = allowed.copy()
    kept[rows] = False
    return kept


def percentile(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each value among all, 0 (lowest) to 1 (highest); equal values share their mean rank.

    One value alone stands at 0.5. Takes and gives float64[n].
    """
    if len(values) < 2:
        return np.full(len(values), 0.5)
    ordered = np.sort(values)
    left = np.searchsorted(ordered, values, side="left")
    right = np.searchsorted(ordered, values, side="right")
    ranks: NDArray[np.float64] = ((left + right - 1) / 2) / (len(values) - 1)
    return ranks
