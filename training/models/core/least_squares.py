"""One half round of ALS in which each row has its own regularisation, solved by `implicit`.

The library solves with one regularisation for all rows. Rows are put into classes of nearly the same
regularisation, and each class is solved by itself.
"""

import numpy as np
from scipy import sparse

from training.models.core.types import Csr, FloatArray, IntArray

CLASS_WIDTH = 1.25
"""Ratio between the regularisations of neighbouring classes."""


def solve(
    confidence: Csr, rows: FloatArray, others: FloatArray, penalties: FloatArray, *, steps: int, threads: int
) -> None:
    """Improve `rows` in place, towards the minimum for fixed `others`.

    Args:
        confidence: csr float32[n, m] with int32 indexes, 1 + alpha * strength of the observed pairs.
        rows: float32[n, d], the vectors to improve; a row without pairs becomes zero.
        others: float32[m, d].
        penalties: float32[n], regularisation of each row, few distinct values (`penalties_of`).
        steps: of conjugate gradients (Takacs, Pilaszy, Tikk 2011).
        threads: that share the work.
    """
    from implicit.cpu._als import least_squares_cg

    classes = np.unique(penalties)
    if len(classes) == 1:
        least_squares_cg(confidence, rows, others, float(classes[0]), num_threads=threads, cg_steps=steps)
        return
    for penalty in classes:
        members = np.flatnonzero(penalties == penalty)
        # Fancy indexing copies: the library writes into the copy, which is then put back.
        part = rows[members]
        least_squares_cg(
            with_int32(confidence[members]), part, others, float(penalty), num_threads=threads, cg_steps=steps
        )
        rows[members] = part


def penalties_of(counts: IntArray, mean: float, regularization: float, power: float) -> FloatArray:
    """regularization * (pairs of the row / mean) ^ power to the nearest class, float32[n]."""
    # In logarithms the classes are equally wide, and rounding is to the nearest of them.
    relative = power * np.log(np.maximum(counts, 1) / max(mean, 1.0))
    width = np.log(CLASS_WIDTH)
    penalties: FloatArray = (regularization * np.exp(width * np.round(relative / width))).astype(np.float32)
    return penalties


def mean_pairs(matrix: Csr) -> float:
    """Mean number of pairs of the rows that have any."""
    counts = np.diff(matrix.indptr)
    return float(counts[counts > 0].mean()) if counts.any() else 0.0


def with_int32(matrix: Csr) -> Csr:
    """The matrix with the index arrays that `implicit` reads."""
    matrix = sparse.csr_array(matrix)
    # scipy widens to int64 when matrices are stacked; implicit's Cython takes int32 only.
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return matrix
