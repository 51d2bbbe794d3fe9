"""Drift of the catalogue and its vectors from the snapshot of the bundle in service, and of interactions."""

from collections.abc import Mapping

import numpy as np

from database.population import InteractionWeeks
from training.models.core.types import DoubleArray, FloatArray
from training.params.operating import MonitoringParams
from watch.figures import Figure, Limits, align_counts, compare_mix, compare_samples
from watch.interaction_drift import compare_weeks
from watch.populations import Catalogue

LARGEST_CATEGORIES = 30
PERMUTATIONS = 2000


def find_drift(
    then: Catalogue, now: Catalogue, weeks: InteractionWeeks, params: MonitoringParams, seed: int
) -> list[Figure]:
    """All figures of drift: of the catalogue from `then` to `now`, and within the interactions' weeks."""
    categories, prices, texts = (
        Limits(name, "catalogue", float(getattr(params, name)), params.significance, params.min_rows)
        for name in ("category_psi", "price_ks", "text_length_ks")
    )
    return [
        compare_mix(categories, *_largest(then.categories, now.categories)),
        compare_samples(prices, then.prices, now.prices),
        compare_samples(texts, then.text_lengths, now.text_lengths),
        *compare_weeks(weeks, params),
        *_embeddings(then.vectors, now.vectors, params, seed),
    ]


def mean_shift(then: FloatArray, now: FloatArray) -> float:
    """1 - cosine between the mean vectors, 0 to 2; 0 when either has no length.

    Args:
        then, now: float32[n, d] and float32[m, d].
    """
    a, b = then.mean(axis=0), now.mean(axis=0)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return 0.0 if length == 0 else 1.0 - float(a @ b) / length


def mmd(then: FloatArray, now: FloatArray, seed: int) -> tuple[float, float]:
    """Squared maximum mean discrepancy (Gretton et al., JMLR 13, 2012), and its p-value by permutation.

    A Gaussian kernel whose width is the median distance; the statistic is the unbiased one, which is about
    0 (and may be below) for two samples of one population.

    Args:
        then, now: float32[n, d] and float32[m, d].
    """
    both = np.vstack([then, now]).astype(np.float64)
    squares = (both**2).sum(axis=1)
    # |a - b|² = |a|² + |b|² - 2ab; float64 as equal vectors cancel, and rounding may end below 0.
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * both @ both.T, 0)
    apart = distances[np.triu_indices(len(both), 1)]
    # The median heuristic for the width; 1e-12 where more than half of all vectors are equal.
    kernel = np.exp(-distances / max(float(np.median(apart)), 1e-12))
    # A pair of a vector with itself is no pair: what makes the statistic unbiased (Lemma 6).
    np.fill_diagonal(kernel, 0)
    n, m = len(then), len(now)
    in_then = np.zeros((len(both), PERMUTATIONS + 1))
    in_then[:n, 0] = 1
    generator = np.random.default_rng(seed)
    for column in range(1, PERMUTATIONS + 1):
        in_then[generator.permutation(len(both))[:n], column] = 1
    # All permutations in one product: each column says which vectors are on the first side.
    product = kernel @ in_then
    inside_then = (in_then * product).sum(axis=0)
    across = product.sum(axis=0) - inside_then
    inside_now = kernel.sum() - inside_then - 2 * across
    found = inside_then / (n * (n - 1)) + inside_now / (m * (m - 1)) - 2 * across / (n * m)
    # The observed split counts as one of the permutations, so p is never 0; 1e-12 is rounding.
    return float(found[0]), float((found >= found[0] - 1e-12).mean())


def _embeddings(then: FloatArray, now: FloatArray, params: MonitoringParams, seed: int) -> list[Figure]:
    shift, discrepancy = (
        Limits(name, "embeddings", float(getattr(params, name)), params.significance, params.min_rows)
        for name in ("embedding_mean_shift", "embedding_mmd")
    )
    rows = min(len(then), len(now))
    if rows < params.min_rows:
        return [shift.too_few(rows), discrepancy.too_few(rows)]
    if then.shape[1] != now.shape[1]:
        detail = f"{then.shape[1]} dimensions then, {now.shape[1]} now: the model changed"
        return [shift.judge(1.0, None, detail), discrepancy.judge(1.0, None, detail)]
    distance, p_value = mmd(then, now, seed)
    detail = f"{len(then)} and {len(now)} vectors"
    return [
        shift.judge(mean_shift(then, now), p_value, detail),
        discrepancy.judge(distance, p_value, detail),
    ]


def _largest(then: Mapping[str, int], now: Mapping[str, int]) -> tuple[DoubleArray, DoubleArray]:
    """Counts of the largest categories of both sides together; the rest are one more."""
    total = {name: then.get(name, 0) + now.get(name, 0) for name in then.keys() | now.keys()}
    named = set(sorted(total, key=lambda name: (-total[name], name))[:LARGEST_CATEGORIES])
    parts = []
    for side in (then, now):
        kept = {name: count for name, count in side.items() if name in named}
        parts.append(kept | {"\x00rest": sum(side.values()) - sum(kept.values())})
    return align_counts(parts[0], parts[1])
