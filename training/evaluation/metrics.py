"""Ranking metrics as pure functions of arrays, all users at once.

A list is a row of `lists`, int32[u, k], best first, padded with -1. The truth is a csr matrix
[u, n_items] whose stored entries are right answers. Per-user functions return float64[u]; a user
without a right answer has NaN and is no part of a mean.
"""

from collections.abc import Callable

import numpy as np

from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray, LongArray

Accuracy = Callable[[BoolArray, DoubleArray, int], DoubleArray]
"""An accuracy metric: hits bool[u, k], right answers float64[u], length of the list → float64[u]."""


def find_hits(lists: IntArray, truth: Csr) -> BoolArray:
    """Which places of the lists hold a right answer, bool[u, k]."""
    n_users, n_items = truth.shape
    rows = np.repeat(np.arange(n_users, dtype=np.int64), np.diff(truth.indptr))
    # A pair as one number, int64 as users times items passes 2^31: then one binary search for all.
    right = rows * n_items + truth.indices
    right.sort()
    asked = np.arange(n_users, dtype=np.int64)[:, None] * n_items + lists
    if not len(right):
        return np.zeros(lists.shape, dtype=bool)
    position = np.minimum(np.searchsorted(right, asked), len(right) - 1)
    found: BoolArray = (right[position] == asked) & (lists >= 0)
    return found


def right_answers(truth: Csr) -> DoubleArray:
    """Right answers of each user; NaN where there is none."""
    counts: DoubleArray = np.diff(truth.indptr).astype(np.float64)
    counts[counts == 0] = np.nan
    return counts


def recall(hits: BoolArray, counts: DoubleArray, k: int) -> DoubleArray:
    """Share of the user's right answers in the first k.

    >>> recall(np.array([[True, False, True]]), np.array([2.0]), k=2).tolist()
    [0.5]
    """
    result: DoubleArray = hits[:, :k].sum(axis=1) / counts
    return result


def hit_rate(hits: BoolArray, counts: DoubleArray, k: int) -> DoubleArray:
    """1 when one of the first k is right."""
    return np.where(np.isnan(counts), np.nan, hits[:, :k].any(axis=1))


def ndcg(hits: BoolArray, counts: DoubleArray, k: int) -> DoubleArray:
    """Discounted gain over the best possible one (Järvelin and Kekäläinen 2002), gains of 0 and 1.

    >>> hits, counts = np.array([[True, False, True]]), np.array([2.0])
    >>> ndcg(hits, counts, k=3).round(3).tolist()
    [0.92]
    """
    places = 1.0 / np.log2(np.arange(k) + 2.0)
    width = min(k, hits.shape[1])
    # The ideal gain by the number of right answers; NaN for none.
    best = np.concatenate([[np.nan], np.cumsum(places)])
    ideal = best[np.minimum(np.nan_to_num(counts), k).astype(np.int64)]
    result: DoubleArray = hits[:, :width] @ places[:width] / ideal
    return result


def average_precision(hits: BoolArray, counts: DoubleArray, k: int) -> DoubleArray:
    """Mean precision at the places of right answers, over min(k, right answers).

    >>> average_precision(np.array([[True, False, True]]), np.array([2.0]), k=3).round(3).tolist()
    [0.833]
    """
    top = hits[:, :k]
    precision = np.cumsum(top, axis=1) / (np.arange(top.shape[1]) + 1.0)
    result: DoubleArray = (precision * top).sum(axis=1) / np.minimum(counts, k)
    return result


def reciprocal_rank(hits: BoolArray, counts: DoubleArray, k: int) -> DoubleArray:
    """1 / place of the first right answer; 0 when there is none in the first k.

    >>> reciprocal_rank(np.array([[False, True]]), np.array([2.0]), k=2).tolist()
    [0.5]
    """
    top = hits[:, :k]
    # argmax of booleans is the first True.
    rank = np.where(top.any(axis=1), 1.0 / (top.argmax(axis=1) + 1.0), 0.0)
    return np.where(np.isnan(counts), np.nan, rank)


def novelty(lists: IntArray, item_users: LongArray, n_users: int, k: int) -> DoubleArray:
    """Mean self-information of the items, bits: -log2 of the share of users that had them. NaN: no list."""
    # An item that nobody had counts as one that one user had: its surprise would be infinite.
    share = np.maximum(item_users, 1) / max(n_users, 1)
    return _mean_over_list(-np.log2(share), lists[:, :k])


def popularity_percentile(lists: IntArray, item_users: LongArray, k: int) -> DoubleArray:
    """Mean percentile (0 to 1) of the items' popularity in the catalogue; ties share theirs. NaN: no list."""
    _, inverse, counts = np.unique(item_users, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    # Ties stand at their mean place; over n - 1, so that the most popular item is at 1.
    percentile = (below + (counts - 1) / 2.0) / max(len(item_users) - 1, 1)
    return _mean_over_list(percentile[inverse], lists[:, :k])


def diversity(lists: IntArray, vectors: FloatArray, k: int, block: int) -> DoubleArray:
    """1 less the mean cosine of the list's pairs; NaN for lists of fewer than two items that have vectors.

    Args:
        lists: int32[u, k].
        vectors: float32[n_items, d], L2-normalised; zero rows are items without a vector.
        k: length looked at.
        block: users whose vectors are held at a time.
    """
    known = np.append(vectors.any(axis=1), False)
    result = np.full(len(lists), np.nan)
    for start in range(0, len(lists), block):
        top = lists[start : start + block, :k]
        used = known[top]
        count = used.sum(axis=1)
        total = np.einsum("uk,ukd->ud", used.astype(np.float32), vectors[np.maximum(top, 0)], optimize=True)
        pairs = np.maximum(count * (count - 1), 1)
        # |sum v|² = count + the cosines of all ordered pairs: no k x k products are formed.
        cosine = ((total * total).sum(axis=1) - count) / pairs
        result[start : start + block] = np.where(count > 1, 1.0 - cosine, np.nan)
    return result


def exposure(lists: IntArray, n_items: int, k: int) -> LongArray:
    """How many lists each item stands in, int64[n_items]."""
    top = lists[:, :k]
    counts: LongArray = np.bincount(top[top >= 0], minlength=n_items)
    return counts


def coverage(exposures: LongArray) -> float:
    """Share of the catalogue that stands in at least one list.

    >>> coverage(np.array([0, 2, 1, 0]))
    0.5
    """
    return float((exposures > 0).mean()) if len(exposures) else 0.0


def coverage_without_each(listed: Csr) -> DoubleArray:
    """Coverage of all lists but one, float64[u]; listed: csr[u, n_items] of ones."""
    exposures = np.asarray(listed.sum(axis=0)).ravel()
    # Without a user, the catalogue loses the items that stand in this user's list alone.
    less: DoubleArray = listed @ (exposures == 1).astype(np.float64) / max(len(exposures), 1)
    return coverage(exposures) - less


def gini(exposures: LongArray) -> float:
    """Inequality of the items' exposure: 0 when all are listed equally often, towards 1 when few are.

    NaN when nothing is listed.

    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 4]))
    (0.0, 0.75)
    """
    total = float(exposures.sum())
    if total == 0.0:
        return np.nan
    ordered = np.sort(exposures).astype(np.float64)
    return float(_gini_weights(len(ordered)) @ ordered / (len(ordered) * total))


def gini_without_each(listed: Csr) -> DoubleArray:
    """Gini of all lists but one, float64[u]; listed: csr[u, n_items] of ones. NaN where no list is left.

    The items of a list that is left out take the first places among their equals, side by side: so the
    exposures, each less one, are in order again, and only what those places count comes off the sum.
    """
    exposures = np.asarray(listed.sum(axis=0)).ravel().astype(np.float64)
    n_users, n_items = listed.shape
    ordered, weights = np.sort(exposures), _gini_weights(n_items)
    lengths = np.diff(listed.indptr)
    users = np.repeat(np.arange(n_users, dtype=np.int64), lengths)
    # Users' items by their first place among equals, grouped by user in one sort.
    keys = np.sort(users * n_items + np.searchsorted(ordered, exposures[listed.indices]))
    numbers = np.arange(len(keys))
    first_equal = np.maximum.accumulate(np.where(np.diff(keys, prepend=-1) > 0, numbers, 0))
    places = keys % n_items + numbers - first_equal
    sums: DoubleArray = weights @ ordered - np.bincount(users, weights[places], minlength=n_users)
    return _divide(sums, n_items * (exposures.sum() - lengths))


def _gini_weights(n: int) -> DoubleArray:
    """What each place counts in the sum, exposures in ascending order, float64[n]."""
    # 2i - n - 1 for the i-th smallest, i from 1: the mean absolute difference from an ordered sum.
    return np.arange(1 - n, n, 2, dtype=np.float64)


def share_of(chosen: BoolArray, lists: IntArray, k: int) -> DoubleArray:
    """Share of the list's first k places that hold one of the chosen items (bool[n_items]). NaN: no list."""
    return _mean_over_list(chosen.astype(np.float64), lists[:, :k])


def _mean_over_list(values: DoubleArray, lists: IntArray) -> DoubleArray:
    used = lists >= 0
    sums = np.where(used, values[np.maximum(lists, 0)], 0.0).sum(axis=1)
    counts = used.sum(axis=1)
    return _divide(sums, counts)


def _divide(sums: DoubleArray, counts: DoubleArray) -> DoubleArray:
    """NaN where there is nothing to divide by."""
    result: DoubleArray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return result
