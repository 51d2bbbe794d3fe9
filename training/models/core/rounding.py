"""What counts as an opinion: a score that rounding alone could not have made.

A sum of n products in floating point with unit roundoff u is within n u / (1 - n u) times the sum of the
products' sizes of the exact one, in whatever order it is added (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed. 2002, §3.1, (3.5)). By Cauchy and Schwarz the products' sizes sum up to no more than the
product of the two vectors' lengths, which is what the models know without another pass over their arrays. A
score within that bound may be exactly zero: which side of zero it falls on, and whether on zero itself, is
up to the processor, and such an item was recommended on one and not on another.

Of long sums the bound is far too wide, as their errors mostly cancel: (8 sqrt(n)) u holds then, with the
chance of an exception below 2 exp(-8^2 / 2) = 3e-14 an operation (Higham and Mary 2019, A New Approach to
Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), theorem 3.1, for rounding errors that are
independent with mean zero). The smaller of the two is taken.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.core.types import FloatArray

UNIT = float(np.finfo(np.float32).eps) / 2
"""Unit roundoff of float32, 2^-24."""

SPREAD = 8.0
"""Times the root of the number of terms: the probabilistic bound's lambda."""

STORED = 2
"""Roundings on top of a product's own: each of the two vectors was rounded when it became float32."""


def rounding_bound(terms: int) -> float:
    """What rounding can make of a float32 sum of `terms` products, as a share of the products' sizes."""
    errors = min(float(terms), SPREAD * sqrt(terms)) * UNIT
    return errors / (1.0 - errors)


def zero_rounding(scores: FloatArray, magnitude: FloatArray | float, terms: int) -> FloatArray:
    """The scores, changed in place: zero ("no opinion") where they are nothing but rounding.

    Args:
        scores: float32[n] or float32[B, n].
        magnitude: what bounds the sum of the products' sizes of each score; broadcast to the scores' shape.
        terms: products that a score is the sum of, and roundings that went into them (`STORED`).
    """
    return zero_below(scores, np.float32(rounding_bound(terms)) * magnitude)


def zero_below(scores: FloatArray, noise: NDArray[np.floating[Any]] | np.floating[Any] | float) -> FloatArray:
    """The scores, changed in place: zero where they are no larger than `noise`, broadcast to their shape."""
    # One pass to assign; by a mask as an index it takes several, which tells where no cache holds the scores.
    np.copyto(scores, np.float32(0.0), where=np.abs(scores) <= noise)
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A unit vector, and how far rounding may have turned it."""

    vector: FloatArray
    """float32[d], L2-normalised."""
    stretch: float = 1.0
    """Length of its parts over that of their sum: 1 for one vector, large where vectors cancel."""
    terms: int = 0
    """Roundings that went into the sum."""

    def zero_rounding(self, cosines: FloatArray) -> FloatArray:
        """Cosines with stored vectors (float32, any shape), changed in place: zero where only rounding."""
        noise = rounding_bound(len(self.vector) + STORED) + self.stretch * rounding_bound(self.terms)
        return zero_below(cosines, np.float32(noise))


def mean_direction(weights: FloatArray, vectors: FloatArray) -> Direction | None:
    """The direction of a weighted sum of unit vectors; None without any, and where they cancel.

    Args:
        weights: float32[n], at least 0.
        vectors: float32[n, d], L2-normalised, or zero.
    """
    total = weights @ vectors
    # A zero vector adds neither to the sum nor to its rounding.
    added = weights[vectors.any(axis=1)]
    length, parts, terms = float(np.linalg.norm(total)), float(added.sum()), len(added) + STORED
    if length <= rounding_bound(terms) * parts:
        return None
    unit: FloatArray = (total / np.float32(length)).astype(np.float32)
    # What rounding made of the sum is a larger share of it, the more of the parts went.
    return Direction(unit, max(1.0, parts / length), terms)
