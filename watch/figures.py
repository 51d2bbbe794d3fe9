"""Figures of drift: one comparison each, with its threshold and the chance of it without drift.

A figure drifts when its size passes the threshold *and* chance is an unlikely cause: with many rows
anything is significant, with few rows anything is large.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.models.core.types import DoubleArray

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


@dataclass(frozen=True)
class Limits:
    """A figure's name, what it is about, and when it drifts."""

    name: str
    about: str
    threshold: float
    significance: float
    """The p-value has to be this or below."""
    min_rows: int = 0
    """With fewer on either side the figure is not judged."""

    def judge(self, value: float, p_value: float | None, detail: str) -> Figure:
        """The figure of a comparison that was made."""
        unlikely = p_value is None or p_value <= self.significance
        drifted = value > self.threshold and unlikely
        return Figure(self.name, self.about, value, self.threshold, p_value, True, drifted, detail)

    def too_few(self, rows: int) -> Figure:
        """The figure where a side has only so many rows."""
        return self.unjudged(f"{rows} rows on the smaller side, at least {self.min_rows} needed")

    def unjudged(self, why: str) -> Figure:
        """The figure where nothing can be said."""
        return Figure(self.name, self.about, 0.0, self.threshold, None, False, False, why)


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


def compare_mix(limits: Limits, expected: DoubleArray, actual: DoubleArray) -> Figure:
    """PSI of two counts over the same bins (float64[bins]), with the chi-squared test."""
    from scipy.stats import chi2_contingency

    rows = int(min(expected.sum(), actual.sum()))
    # Empty on both sides: no expected count, which the chi-squared test would divide by.
    filled = expected + actual > 0
    if rows < limits.min_rows or filled.sum() < 1:
        return limits.too_few(rows)
    both = np.vstack([expected[filled], actual[filled]])
    p_value = float(chi2_contingency(both).pvalue) if both.shape[1] > 1 else 1.0
    detail = f"{int(expected.sum())} and {int(actual.sum())} rows in {int(filled.sum())} groups"
    return limits.judge(psi(*both), p_value, detail)


def compare_samples(limits: Limits, then: DoubleArray, now: DoubleArray) -> Figure:
    """Kolmogorov and Smirnov's distance of two samples (float64[n], float64[m]), with their test."""
    from scipy.stats import ks_2samp

    if min(len(then), len(now)) < limits.min_rows:
        return limits.too_few(min(len(then), len(now)))
    test = ks_2samp(then, now, method="asymp")
    detail = f"medians {np.median(then):.4g} and {np.median(now):.4g} of {len(then)} and {len(now)} values"
    return limits.judge(float(test.statistic), float(test.pvalue), detail)


def align_counts(then: Mapping[str, int], now: Mapping[str, int]) -> tuple[DoubleArray, DoubleArray]:
    """Two counts by name as two arrays over the same names."""
    names = sorted(then.keys() | now.keys())
    return (
        np.array([then.get(name, 0) for name in names], dtype=np.float64),
        np.array([now.get(name, 0) for name in names], dtype=np.float64),
    )
