"""Drift between two populations: pure figures, each with its threshold.

A figure drifts when its size passes the threshold *and* chance is an unlikely cause: with many rows
anything is significant, with few rows anything is large.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.models.core.types import DoubleArray, FloatArray
from training.params.operating import MonitoringParams
from watch.populations import Population, Reference

POPULARITY_GROUPS = 10
LARGEST_CATEGORIES = 30
PERMUTATIONS = 2000
PSEUDO_COUNT = 0.5


@dataclass(frozen=True)
class Figure:
    """One comparison."""

    name: str
    about: str
    """What is compared: catalogue, interactions or embeddings."""
    value: float
    threshold: float
    p_value: float | None
    """Chance of such a difference without drift; None where there is no test."""
    judged: bool
    """False when a side has too few rows to tell."""
    drifted: bool
    detail: str


def compare_populations(
    reference: Reference, now: Population, params: MonitoringParams, seed: int
) -> list[Figure]:
    """All figures of drift from the reference to now."""
    then = reference.population
    popularity = [popularity_groups(reference.earlier, counts) for counts in (then.items, now.items)]
    figures = [
        _mix("category_psi", "catalogue", _largest(then.categories, now.categories), params),
        _samples("price_ks", "catalogue", then.prices, now.prices, params),
        _samples("text_length_ks", "catalogue", then.text_lengths, now.text_lengths, params),
        _mix("event_mix_psi", "interactions", _aligned(then.events, now.events), params),
        _mix("popularity_psi", "interactions", (popularity[0], popularity[1]), params),
        _samples("activity_ks", "interactions", then.activity, now.activity, params),
    ]
    return figures + _embeddings(then.vectors, now.vectors, params, seed)


def psi(expected: DoubleArray, actual: DoubleArray) -> float:
    """Population stability index of two counts over the same bins: sum of (q - p) ln(q / p).

    Half a row is added to every bin, so that an empty one does not make it infinite.

    Args:
        expected, actual: float64[bins], counts.
    """
    p, q = (
        (counts + PSEUDO_COUNT) / (counts.sum() + PSEUDO_COUNT * len(counts)) for counts in (expected, actual)
    )
    return float(((q - p) * np.log(q / p)).sum())


def popularity_groups(earlier: Mapping[str, int], counts: Mapping[str, int]) -> DoubleArray:
    """Interactions by their item's earlier popularity: ten groups of equal earlier mass, then unseen items.

    Both sides are counted by the same earlier ranking, so neither is flattered by having made it.

    Returns:
        float64[11].
    """
    ranked = sorted(earlier, key=lambda item: (-earlier[item], item))
    mass = np.cumsum([earlier[item] for item in ranked], dtype=np.float64)
    groups = np.zeros(POPULARITY_GROUPS + 1)
    if not len(mass):
        return groups
    place = np.minimum((mass - 1) / mass[-1] * POPULARITY_GROUPS, POPULARITY_GROUPS - 1).astype(np.int64)
    group_of = dict(zip(ranked, place.tolist(), strict=True))
    for item, count in counts.items():
        groups[group_of.get(item, POPULARITY_GROUPS)] += count
    return groups


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
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * both @ both.T, 0)
    apart = distances[np.triu_indices(len(both), 1)]
    kernel = np.exp(-distances / max(float(np.median(apart)), 1e-12))
    np.fill_diagonal(kernel, 0)
    n, m = len(then), len(now)
    in_then = np.zeros((len(both), PERMUTATIONS + 1))
    in_then[:n, 0] = 1
    generator = np.random.default_rng(seed)
    for column in range(1, PERMUTATIONS + 1):
        in_then[generator.permutation(len(both))[:n], column] = 1
    product = kernel @ in_then
    inside_then = (in_then * product).sum(axis=0)
    across = product.sum(axis=0) - inside_then
    inside_now = kernel.sum() - inside_then - 2 * across
    found = inside_then / (n * (n - 1)) + inside_now / (m * (m - 1)) - 2 * across / (n * m)
    return float(found[0]), float((found >= found[0] - 1e-12).mean())


def _mix(name: str, about: str, counts: tuple[DoubleArray, DoubleArray], params: MonitoringParams) -> Figure:
    """PSI of two counts over the same bins, with the chi-squared test."""
    from scipy.stats import chi2_contingency

    expected, actual = counts
    rows = int(min(expected.sum(), actual.sum()))
    filled = expected + actual > 0
    if rows < params.min_rows or filled.sum() < 1:
        return _unjudged(name, about, rows, params)
    both = np.vstack([expected[filled], actual[filled]])
    p_value = float(chi2_contingency(both).pvalue) if both.shape[1] > 1 else 1.0
    detail = f"{int(expected.sum())} and {int(actual.sum())} rows in {int(filled.sum())} groups"
    return _figure(name, about, psi(*both), p_value, params=params, detail=detail)


def _samples(name: str, about: str, then: DoubleArray, now: DoubleArray, params: MonitoringParams) -> Figure:
    """Kolmogorov and Smirnov's distance of two samples, with their test."""
    from scipy.stats import ks_2samp

    if min(len(then), len(now)) < params.min_rows:
        return _unjudged(name, about, min(len(then), len(now)), params)
    test = ks_2samp(then, now, method="asymp")
    detail = f"medians {np.median(then):.4g} and {np.median(now):.4g} of {len(then)} and {len(now)} values"
    return _figure(name, about, float(test.statistic), float(test.pvalue), params=params, detail=detail)


def _embeddings(then: FloatArray, now: FloatArray, params: MonitoringParams, seed: int) -> list[Figure]:
    about = "embeddings"
    rows = min(len(then), len(now))
    if rows < params.min_rows:
        return [_unjudged(name, about, rows, params) for name in ("embedding_mean_shift", "embedding_mmd")]
    if then.shape[1] != now.shape[1]:
        detail = f"{then.shape[1]} dimensions then, {now.shape[1]} now: the model changed"
        return [
            _figure(name, about, 1.0, None, params=params, detail=detail)
            for name in ("embedding_mean_shift", "embedding_mmd")
        ]
    distance, p_value = mmd(then, now, seed)
    detail = f"{len(then)} and {len(now)} vectors"
    return [
        _figure("embedding_mean_shift", about, mean_shift(then, now), p_value, params=params, detail=detail),
        _figure("embedding_mmd", about, distance, p_value, params=params, detail=detail),
    ]


def _figure(
    name: str, about: str, value: float, p_value: float | None, *, params: MonitoringParams, detail: str
) -> Figure:
    threshold = float(getattr(params, name))
    unlikely = p_value is None or p_value <= params.significance
    return Figure(name, about, value, threshold, p_value, True, value > threshold and unlikely, detail)


def _unjudged(name: str, about: str, rows: int, params: MonitoringParams) -> Figure:
    detail = f"{rows} rows on the smaller side, at least {params.min_rows} needed"
    return Figure(name, about, 0.0, float(getattr(params, name)), None, False, False, detail)


def _aligned(then: Mapping[str, int], now: Mapping[str, int]) -> tuple[DoubleArray, DoubleArray]:
    names = sorted(then.keys() | now.keys())
    return (
        np.array([then.get(name, 0) for name in names], dtype=np.float64),
        np.array([now.get(name, 0) for name in names], dtype=np.float64),
    )


def _largest(then: Mapping[str, int], now: Mapping[str, int]) -> tuple[DoubleArray, DoubleArray]:
    """Counts of the largest categories of both sides together; the rest are one more."""
    total = {name: then.get(name, 0) + now.get(name, 0) for name in then.keys() | now.keys()}
    named = set(sorted(total, key=lambda name: (-total[name], name))[:LARGEST_CATEGORIES])
    parts = []
    for side in (then, now):
        kept = {name: count for name, count in side.items() if name in named}
        parts.append(kept | {"\x00rest": sum(side.values()) - sum(kept.values())})
    return _aligned(parts[0], parts[1])
