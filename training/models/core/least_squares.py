"""One half round of ALS: the best vectors of one side for fixed ones of the other.

A row of few pairs is solved exactly: in the basis in which the other side's Gram matrix is diagonal it takes
as many equations as it has pairs, and rows of equally many are solved together. Other rows are improved by
`implicit`'s conjugate gradients, which know one regularisation: rows are put into classes of nearly the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray

Floats = NDArray[np.floating[Any]]

CLASS_WIDTH = 1.25
"""Ratio between the regularisations of neighbouring classes."""

FEW_PAIRS = 16
"""Rows of up to so many pairs are solved exactly. A step of conjugate gradients takes d^2 whatever the pairs,
this takes pairs^2 * d and less overhead."""

_BLOCK = 1 << 16
"""Vectors whose Gram matrix is summed in float32; the sums of blocks are added in float64."""
_MOST = 0.4
"""Share of the vectors above which a class takes all of them, though the library sums their Gram matrix."""
_PAIRS = 1 << 15
"""Pairs that are solved together: their vectors stay in the processor's cache."""
_STRONG = 1e4
"""Rows with a confidence above it are solved in float64: in float32 the equations of items that are alike are
then the same one."""
_LEAST = 1e-7
"""Eigenvalues of a Gram matrix below so much of the largest are rounding, float32's."""


@dataclass(frozen=True)
class Side:
    """The side that is held fixed."""

    vectors: FloatArray
    """float32[m, d]"""
    times: IntArray | None = None
    """int32[m], how many rows of the data each vector stands for; None: one."""
    buffer: FloatArray | None = None
    """float32[m + d, d], of which `vectors` are the first m rows: `all_completed` writes behind them then,
    and copies nothing. Of two million users the copy was a gigabyte."""

    def gram(self) -> DoubleArray:
        """Y'Y, float64[d, d]."""
        total = np.zeros((self.vectors.shape[1], self.vectors.shape[1]))
        for start in range(0, len(self.vectors), _BLOCK):
            block = self.vectors[start : start + _BLOCK]
            if self.times is not None:
                # By its root, so that the product is symmetric to the last bit.
                block = block * np.sqrt(self.times[start : start + _BLOCK, None], dtype=np.float32)
            total += block.T @ block
        return total

    def completed(self, used: IntArray, gram: DoubleArray) -> FloatArray:
        """Some of the vectors (int32[k]) and d more, whose Gram matrix in all is `gram`: float32[k + d, d].

        `implicit` sums the Gram matrix of what it gets: what is missing of the whole comes as d vectors that
        no row has a pair with.
        """
        count, factors = len(used), self.vectors.shape[1]
        if self.buffer is not None and count == len(self.vectors):
            vectors = self.buffer
        else:
            # Written into place: of many users the vectors are gigabytes, and copied once.
            vectors = np.empty((count + factors, factors), dtype=np.float32)
            np.take(self.vectors, used, axis=0, out=vectors[:count], mode="clip")
        spectrum, basis = np.linalg.eigh(gram - Side(vectors[:count]).gram())
        vectors[count:] = np.sqrt(np.maximum(spectrum, 0.0))[:, None] * basis.T
        return vectors

    def all_completed(self, gram: DoubleArray) -> FloatArray:
        """All vectors, and what of `gram` they lack if they stand for several rows: float32[m (+ d), d]."""
        if self.times is None:
            return self.vectors
        return self.completed(np.arange(len(self.vectors), dtype=np.int32), gram)


@dataclass(frozen=True)
class HalfRound:
    """What the vectors of one side are improved for."""

    confidence: Csr
    """csr float32[n, m] with int32 indexes, 1 + alpha * strength of the observed pairs; a column may stand in
    a row several times."""
    others: Side
    """m vectors of d numbers."""
    penalties: FloatArray
    """float32[n], regularisation of each row, few distinct values (`penalties_of`)."""

    def solve(self, rows: FloatArray, steps: int, threads: int) -> None:
        """Improve `rows` (float32[n, d]) in place, towards the minimum; a row without pairs becomes zero.

        Args:
            rows: float32[n, d]
            steps: of conjugate gradients (Takacs, Pilaszy, Tikk 2011).
            threads: that share the work.
        """
        counts = np.diff(self.confidence.indptr)
        gram = self.others.gram()
        rows[counts == 0] = 0.0
        self._solve_few(rows, counts, gram)
        self._improve_many(rows, counts > FEW_PAIRS, gram, (steps, threads))

    def _improve_many(
        self, rows: FloatArray, many: BoolArray, gram: DoubleArray, run: tuple[int, int]
    ) -> None:
        """Improve the rows of many pairs (bool[n]), a class of one penalty at a time."""
        everything = None
        place_of = np.zeros(len(self.others.vectors), dtype=np.int32)
        for penalty in np.unique(self.penalties[many]):
            members = np.flatnonzero(many & (self.penalties == penalty)).astype(np.int32)
            pairs = self.confidence[members]
            used = _distinct(pairs.indices, len(place_of))
            if len(used) > _MOST * len(place_of):
                # Once for all classes, where each would copy most of them.
                if everything is None:
                    everything = self.others.all_completed(gram)
                vectors = everything
            else:
                vectors = self.others.completed(used, gram)
                place_of[used] = np.arange(len(used), dtype=np.int32)
                pairs.indices = place_of[pairs.indices]
            # Fancy indexing copies: the library writes into the copy, which is then put back.
            part = rows[members]
            _improve(pairs, part, vectors, float(penalty), run)
            rows[members] = part

    def _solve_few(self, rows: FloatArray, counts: IntArray, gram: DoubleArray) -> None:
        """Set the rows of few pairs to the minimum."""
        spectrum, basis = np.linalg.eigh(gram)
        # Without any regularisation too, a direction that no vector has is not divided by zero.
        least = max(spectrum[-1] * _LEAST, np.finfo(np.float32).tiny)
        turn, diagonal = basis.astype(np.float32), np.maximum(spectrum, least).astype(np.float32)
        # Only what they need is turned, each vector once.
        of_few = self.confidence.indices[np.repeat(counts <= FEW_PAIRS, counts)]
        used = _distinct(of_few, len(self.others.vectors))
        turned = self.others.vectors[used] @ turn
        place_of = np.zeros(len(self.others.vectors), dtype=np.int32)
        place_of[used] = np.arange(len(used), dtype=np.int32)
        for members, pairs in _alike(counts):
            entries = self.confidence.indptr[members][:, None] + np.arange(pairs)
            chosen = turned[place_of[self.confidence.indices[entries]]]
            penalised = diagonal + self.penalties[members][:, None]
            confidence = self.confidence.data[entries]
            strong = (confidence > _STRONG).any(axis=1)
            found = np.empty_like(penalised)
            found[~strong] = _exact(chosen[~strong], confidence[~strong], penalised[~strong])
            wide = (part[strong].astype(np.float64) for part in (chosen, confidence, penalised))
            found[strong] = _exact(*wide)
            rows[members] = found @ turn.T

    def loss(self, rows: FloatArray, penalty: float, threads: int) -> float:
        """What ALS minimises, over the sum of all confidences (those of unobserved pairs are 1).

        It is what `implicit` calls the loss, but for its rounding.

        Args:
            rows: float32[n, d]
            penalty: regularisation of every row on both sides.
            threads: that share the work.
        """
        from implicit.cpu._als import calculate_loss

        vectors, times = self.others.vectors, self.others.times
        completed = self.others.all_completed(self.others.gram())
        pairs = _of_width(self.confidence, len(completed))
        observed = float(pairs.data.sum(dtype=np.float64)) - pairs.nnz
        loss = calculate_loss(pairs, rows, completed, 0.0, num_threads=threads)
        loss *= observed + len(rows) * len(completed)
        squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
        weighed = float(squares.sum() if times is None else squares @ times)
        own = float(np.einsum("nd,nd->", rows, rows, dtype=np.float64))
        loss += penalty * (own + weighed)
        stood_for = float(len(vectors) if times is None else times.sum())
        return float(loss / (observed + len(rows) * stood_for))


def _alike(counts: IntArray) -> Iterator[tuple[IntArray, int]]:
    """Rows of few pairs, equally many each, so many at a time as stay in the cache."""
    for pairs in range(1, FEW_PAIRS + 1):
        members = np.flatnonzero(counts == pairs).astype(np.int32)
        height = _PAIRS // pairs
        for start in range(0, len(members), height):
            yield members[start : start + height], pairs


def _exact(chosen: Floats, confidence: Floats, diagonal: Floats) -> Floats:
    """The minimum of rows of k pairs each, where the Gram matrix is diagonal, [n, d] of the arguments' type.

    Hu, Koren and Volinsky 2008, eq. 4, by the push-through identity: x = D^-1 Y' (I + E Y D^-1 Y')^-1 c.

    Args:
        chosen: float32 or float64[n, k, d], Y, the vectors of each row's pairs.
        confidence: [n, k], c; E has c - 1 on its diagonal.
        diagonal: [n, d], D, with the row's regularisation.
    """
    scaled = chosen / diagonal[:, None, :]
    if chosen.shape[1] == 1:
        # One equation: four of five users of review data.
        products = np.einsum("nd,nd->n", scaled[:, 0], chosen[:, 0])[:, None]
        alone: Floats = scaled[:, 0] * (confidence / (1.0 + (confidence - 1.0) * products))
        return alone
    system = (confidence - 1.0)[:, :, None] * np.matmul(scaled, chosen.transpose(0, 2, 1))
    place = np.arange(chosen.shape[1])
    system[:, place, place] += 1.0
    weights = np.linalg.solve(system, confidence[:, :, None])
    solved: Floats = np.matmul(weights.transpose(0, 2, 1), scaled)[:, 0]
    return solved


def _improve(pairs: Csr, rows: FloatArray, vectors: FloatArray, penalty: float, run: tuple[int, int]) -> None:
    from implicit.cpu._als import least_squares_cg

    steps, threads = run
    pairs = _of_width(pairs, len(vectors))
    least_squares_cg(pairs, rows, vectors, penalty, num_threads=threads, cg_steps=steps)


def _of_width(pairs: Csr, width: int) -> Csr:
    """The same pairs, with int32 indexes, in a matrix of so many columns."""
    indptr = pairs.indptr.astype(np.int32)
    return sparse.csr_array((pairs.data, pairs.indices, indptr), shape=(pairs.shape[0], width))


def _distinct(indices: IntArray, count: int) -> IntArray:
    """The numbers below `count` that occur, in order: int32[k]. No sort, since they occur many times."""
    seen = np.zeros(count, dtype=np.bool_)
    seen[indices] = True
    return np.flatnonzero(seen).astype(np.int32)


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
