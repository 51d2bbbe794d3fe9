"""How sure a number is: bootstrap over users, and the jackknife for what belongs to all lists together."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from training.evaluation.metrics import coverage, coverage_without_each
from training.models.core.types import Csr, DoubleArray, IntArray

Verdict = Literal["better", "worse", "not significant"]

CONFIDENCE = 0.95
"""Of an interval, where nothing else is said."""

NORMAL = 1.96
"""Standard errors on either side of a normal 95 % interval."""

BLOCK = 16
"""Resamples that are summed at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference of two rankers over the same users, its interval and what that shows."""

    difference: float
    low: float
    high: float
    users: int
    verdict: Verdict


def estimate_means(
    values: DoubleArray, samples: int, seed: int, confidence: float = CONFIDENCE
) -> list[Estimate]:
    """The mean of each column and its percentile interval; NaNs are left out.

    Args:
        values: float64[u, m], one row a user, one column a metric.
        samples: resamples of the users.
        seed: of the resampling.
        confidence: of each interval.
    """
    n_users, width = values.shape
    if not n_users:
        return [Estimate(np.nan, np.nan, np.nan)] * width
    present = ~np.isnan(values)
    # Values and counts side by side: one product gives numerators and denominators of a block of resamples.
    stacked = np.hstack([np.where(present, values, 0.0), present])
    means = np.empty((samples, width))
    generator = np.random.default_rng(seed)
    for start in range(0, samples, BLOCK):
        part = means[start : start + BLOCK]
        # A resample as counts of each user: a product with BLAS in place of u copied rows.
        sums = np.stack([_weights(generator, n_users) for _ in part]) @ stacked
        part[:] = _ratio(sums[:, :width], sums[:, width:])
    whole = _ratio(stacked[:, :width].sum(axis=0), stacked[:, width:].sum(axis=0))
    if np.isnan(whole).all():
        return [Estimate(np.nan, np.nan, np.nan)] * width
    low, high = np.full(width, np.nan), np.full(width, np.nan)
    some = ~np.isnan(whole)
    tail = (1.0 - confidence) / 2.0
    # Percentile bootstrap; a resample that drew no user with a value has NaN.
    low[some], high[some] = np.nanquantile(means[:, some], [tail, 1.0 - tail], axis=0)
    return [Estimate(*map(float, row)) for row in zip(whole, low, high, strict=True)]


def compare(
    challenger: DoubleArray, other: DoubleArray, samples: int, seed: int, confidence: float = CONFIDENCE
) -> Difference:
    """Paired bootstrap: the same users are drawn for both, so what users differ in cancels out.

    Args:
        challenger: float64[u], a metric of each user.
        other: float64[u], the same users in the same order.
        samples: resamples of the users.
        seed: of the resampling.
        confidence: of the interval that the verdict goes by.
    """
    differences = challenger - other
    differences = differences[~np.isnan(differences)]
    (found,) = estimate_means(differences[:, None], samples, seed, confidence)
    return difference_of(found, len(differences))


def difference_of(found: Estimate, users: int) -> Difference:
    """An estimated difference over so many users, with what it shows."""
    return Difference(found.value, found.low, found.high, users, _verdict(found))


def compare_coverage(challenger: IntArray, other: IntArray, n_items: int) -> Difference:
    """The difference in coverage of two rankers' lists; the same user is left out of both at a time.

    Args:
        challenger: int32[u, k], padded with -1.
        other: int32[u, k], the same users in the same order.
        n_items: items of the catalogue.
    """
    mine, theirs = (list_matrix(lists, n_items) for lists in (challenger, other))
    value = coverage(mine.sum(axis=0)) - coverage(theirs.sum(axis=0))
    found = jackknife_interval(value, coverage_without_each(mine) - coverage_without_each(theirs))
    return difference_of(found, len(challenger))


def list_matrix(lists: IntArray, n_items: int) -> Csr:
    """Lists (int32[u, k], padded with -1) as csr float64[u, n_items] of ones."""
    rows, places = np.nonzero(lists >= 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, lists[rows, places])), shape=(len(lists), n_items))


def jackknife_interval(value: float, without: DoubleArray) -> Estimate:
    """The normal interval about a number with the jackknife's standard error (Efron and Stein 1981).

    For what belongs to all lists together. A bootstrap resample holds 63 % of the users: it covers fewer
    items than all of them do, and the spread of resamples is too small, since an item that one user alone was
    shown counts for none, one or several. Leaving out one user at a time errs, if at all, on the large side.

    Args:
        value: over all users.
        without: float64[u], the same without each user; NaNs are left out.
    """
    left = without[~np.isnan(without)]
    # The values without one user each are (u - 1) times closer together than users are: hence the factor.
    margin = NORMAL * float(np.sqrt((len(left) - 1) * np.var(left))) if len(left) else 0.0
    return Estimate(value, value - margin, value + margin)


def bonferroni(confidence: float, comparisons: int) -> float:
    """The confidence of each of several comparisons that all hold together with `confidence` (Bonferroni)."""
    return 1.0 - (1.0 - confidence) / max(comparisons, 1)


def _verdict(found: Estimate) -> Verdict:
    if found.low > 0.0:
        return "better"
    return "worse" if found.high < 0.0 else "not significant"


def _weights(generator: np.random.Generator, n: int) -> DoubleArray:
    """How often each of n users is drawn in one resample, float64[n]."""
    return np.bincount(generator.integers(0, n, n), minlength=n).astype(np.float64)


def _ratio(sums: DoubleArray, counts: DoubleArray) -> DoubleArray:
    means: DoubleArray = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return means
