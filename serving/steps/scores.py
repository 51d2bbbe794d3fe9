"""Arithmetic on scores."""

import numpy as np

from serving.steps.table import Mask, Rows, Scores


def scaled(scores: Scores) -> Scores:
    """Scores as shares of the best, float32 in 0..1: what is below zero becomes 0; all 0 stays all 0."""
    kept: Scores = np.maximum(scores, np.float32(0))
    top = float(kept.max(initial=0.0))
    if top > 0:
        kept = kept / np.float32(top)
    return kept


def contrast(scores: Scores, allowed: Mask) -> Scores:
    """Allowed items' scores above the least of them, 0 elsewhere: what all have in common says nothing."""
    return np.where(allowed, scores - scores.min(where=allowed, initial=np.float32(np.inf)), np.float32(0))


def spread(values: Scores, rows: Rows, n_rows: int) -> Scores:
    """Scores of some rows as float32[n_rows], 0 elsewhere; rows < 0 are dropped."""
    total = np.zeros(n_rows, dtype=np.float32)
    if len(rows) and int(rows.min()) < 0:
        rows, values = rows[rows >= 0], values[rows >= 0]
    total[rows] = values
    return total
