"""One half round of ALS in which each row has its own regularisation, for all rows at once.

`implicit` solves with one regularisation for all. Here the conjugate gradients of a block of rows advance
together, so that what is dense goes through BLAS (Takacs, Pilaszy, Tikk 2011).
"""

from itertools import pairwise

import numpy as np
from scipy import sparse

from training.models.types import Csr, FloatArray, IntArray

BLOCK_BYTES = 64 * 1024 * 1024
"""The other side's vectors, gathered for the pairs of one block of rows."""


def solve(confidence: Csr, rows: FloatArray, others: FloatArray, penalties: FloatArray, steps: int) -> None:
    """Improve `rows` in place, towards the minimum for fixed `others`.

    Args:
        confidence: csr float32[n, m], 1 + alpha * strength of the observed pairs.
        rows: float32[n, d], the vectors to improve.
        others: float32[m, d].
        penalties: float32[n], regularisation of each row.
        steps: of conjugate gradients.
    """
    gram = others.T @ others
    for start, end in _blocks(confidence, others.shape[1]):
        rows[start:end] = _descend(
            confidence[start:end],
            rows[start:end],
            others=others,
            gram=gram,
            penalties=penalties[start:end, None],
            steps=steps,
        )


def _blocks(matrix: Csr, width: int) -> list[tuple[int, int]]:
    """Spans of rows whose gathered vectors fit into BLOCK_BYTES; at least one row each."""
    pairs = max(1, BLOCK_BYTES // (4 * width))
    bounds = [0]
    while bounds[-1] < matrix.shape[0]:
        fitting = int(np.searchsorted(matrix.indptr, matrix.indptr[bounds[-1]] + pairs, side="right")) - 1
        bounds.append(min(max(fitting, bounds[-1] + 1), bounds[-1] + pairs, matrix.shape[0]))
    return list(pairwise(bounds))


def _descend(
    part: Csr, start: FloatArray, *, others: FloatArray, gram: FloatArray, penalties: FloatArray, steps: int
) -> FloatArray:
    gathered = others[part.indices]
    owner = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))

    def apply(vectors: FloatArray) -> FloatArray:
        extra = (part.data - 1.0) * np.einsum("pd,pd->p", vectors[owner], gathered)
        spread = sparse.csr_array((extra, part.indices, part.indptr), shape=part.shape)
        result: FloatArray = vectors @ gram + penalties * vectors + spread @ others
        return result

    current = start.copy()
    residual = part @ others - apply(current)
    direction = residual.copy()
    size = _squares(residual)
    for _ in range(steps):
        image = apply(direction)
        step = size / np.maximum(np.einsum("nd,nd->n", direction, image), 1e-20)
        current += step[:, None] * direction
        residual -= step[:, None] * image
        smaller = _squares(residual)
        direction = residual + (smaller / np.maximum(size, 1e-20))[:, None] * direction
        size = smaller
    return current


def _squares(vectors: FloatArray) -> FloatArray:
    result: FloatArray = np.einsum("nd,nd->n", vectors, vectors)
    return result


def penalties_of(counts: IntArray, mean: float, regularization: float, power: float) -> FloatArray:
    """regularization * (pairs of the row / mean) ^ power, float32[n]."""
    relative = np.maximum(counts, 1) / max(mean, 1.0)
    return (regularization * relative**power).astype(np.float32)


def mean_pairs(matrix: Csr) -> float:
    """Mean number of pairs of the rows that have any."""
    counts = np.diff(matrix.indptr)
    return float(counts[counts > 0].mean()) if counts.any() else 0.0
