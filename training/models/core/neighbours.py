"""The scorer of every model that is a list of neighbours an item: TF-IDF, item-kNN, EASE, rules."""

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from scipy import sparse

from training.models.core.base import Model, Query, top_k
from training.models.core.data import Strength, transform, transform_matrix
from training.models.core.rounding import STORED, zero_rounding
from training.models.core.storage import Arrays
from training.models.core.types import Csr, FloatArray, IntArray

BLOCK = 1024
"""Most rows of an item x item product that are held at a time."""

ENTRIES = 1 << 23
"""Most entries of them, as far as rows allow it: some 80 bytes each, while the largest are looked for."""

Weigh = Callable[[IntArray, IntArray, FloatArray], FloatArray]
"""Rows, columns and values of entries to their weights."""


class NeighbourModel(Model):
    """A sparse item x item matrix: row j holds what having item j adds to the scores of other items."""

    def __init__(
        self, indptr: IntArray, indices: IntArray, data: FloatArray, scalars: dict[str, Any]
    ) -> None:
        """Keep the arrays of a csr matrix [n_items, n_items] (no diagonal) and the settings."""
        self.indptr = indptr
        self.indices = indices
        self.data = data
        self.scalars = scalars
        self.strength: Strength = scalars["strength"]
        self.n_items = len(indptr) - 1
        self.weights = data
        """What the entries add to a score: `data`, unless a model reads its entries otherwise."""
        self._cancels = bool(data.min(initial=0.0) < 0.0)
        """Whether entries below zero may take away what others give, and leave rounding."""

    @classmethod
    def of(cls, matrix: Csr, scalars: dict[str, Any]) -> Self:
        """The model of a csr matrix, which it keeps: arrays of the right types are not copied."""
        matrix.sort_indices()
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32, copy=False),
            matrix.data.astype(np.float32, copy=False),
            scalars,
        )

    @property
    def matrix(self) -> Csr:
        """What adds to the scores, as a csr matrix; nothing is copied."""
        return sparse.csr_array((self.weights, self.indices, self.indptr), shape=(self.n_items, self.n_items))

    def row(self, item: int) -> tuple[IntArray, FloatArray]:
        """The neighbours of an item (int32[m]) and their weights (float32[m]), in order of index."""
        span = slice(self.indptr[item], self.indptr[item + 1])
        return self.indices[span], self.weights[span]

    def scores(self, query: Query) -> FloatArray:
        return self.added(query, self.weights)

    def added(self, query: Query, entries: FloatArray) -> FloatArray:
        """Scores of all items, float32[n_items], if the matrix had these entries (float32, one of each)."""
        if not len(query.items):
            return np.zeros(self.n_items, dtype=np.float32)
        # The rows of all history items in one go: a loop in Python would cost a microsecond an item.
        starts = self.indptr[query.items]
        lengths = self.indptr[query.items + 1] - starts
        ends = np.cumsum(lengths)
        positions = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        weights = np.repeat(transform(query.weights, self.strength), lengths)
        columns, parts = self.indices[positions], entries[positions] * weights
        # bincount sums in float64 whatever its input; the result goes back to float32.
        scores: FloatArray = np.bincount(columns, parts, self.n_items).astype(np.float32)
        if not self._cancels:
            return scores
        # Added in float64: the rounding of the terms themselves is all.
        sizes: FloatArray = np.bincount(columns, np.abs(parts), self.n_items).astype(np.float32)
        return zero_rounding(scores, sizes, STORED + 1)

    def score_batch(self, histories: Csr) -> FloatArray:
        read, matrix = transform_matrix(histories, self.strength), self.matrix
        scores: FloatArray = (read @ matrix).toarray()
        if not self._cancels:
            return scores
        longest = int(np.diff(histories.indptr).max(initial=0))
        return zero_rounding(scores, (read @ abs(matrix)).toarray(), longest + STORED)

    def contributions(self, query: Query, items: IntArray) -> FloatArray:
        given = np.zeros((len(items), len(query.items)), dtype=np.float32)
        order = np.argsort(items)
        asked = items[order]
        strengths = transform(query.weights, self.strength)
        for place, (item, strength) in enumerate(zip(query.items.tolist(), strengths, strict=True)):
            neighbours, weights = self.row(item)
            found = np.minimum(np.searchsorted(neighbours, asked), max(len(neighbours) - 1, 0))
            if len(neighbours):
                known = np.where(neighbours[found] == asked, weights[found], np.float32(0))
                given[order, place] = known * strength
        return given

    def similar(self, item: int, k: int) -> tuple[IntArray, FloatArray]:
        """The k neighbours (int32[<=k]) with the largest weights, and the weights."""
        items, weights = self.row(item)
        positions, best = top_k(weights, k)
        return items[positions], best

    def arrays(self) -> Arrays:
        return {"indptr": self.indptr, "indices": self.indices, "data": self.data}

    def settings(self) -> dict[str, Any]:
        return self.scalars

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        return cls(**arrays, scalars=settings)


def top_products(left: Csr, right: Csr, count: int, weigh: Weigh | None = None) -> Csr:
    """The `count` largest entries of each row of left @ right, whose diagonal is left out.

    The product is formed a block of rows at a time: it is never held whole.

    Args:
        left: csr[n_items, m].
        right: csr[m, n_items].
        count: entries kept of each row.
        weigh: makes the entries' weights of their rows, columns and values; None keeps the values.
    """
    blocks = [sparse.csr_array((0, right.shape[1]), dtype=np.float32)]
    for start, end in row_blocks(left, right):
        found = (left[start:end] @ right).tocoo()
        apart = found.row + start != found.col
        row, column, values = found.row[apart], found.col[apart], found.data[apart]
        if weigh is not None:
            values = weigh(row + start, column, values)
        block = sparse.csr_array((values.astype(np.float32), (row, column)), shape=found.shape)
        blocks.append(keep_top(block, count))
    return sparse.vstack(blocks, format="csr")


def row_blocks(left: Csr, right: Csr, at_once: int = 1) -> Iterator[tuple[int, int]]:
    """Spans of rows of left @ right, in order. `at_once` of them together have at most BLOCK rows, and at
    most ENTRIES entries, where a single row does not have more.

    Whole, the product of a popular catalogue is nearly dense. One user of 100,000 items, a crawler, makes as
    many entries of each of them.
    """
    lengths = np.diff(right.indptr).astype(np.float64)
    # An entry of a row is a pair of what `left` holds there and what `right` holds in that place.
    most = (
        np.add.reduceat(np.append(lengths[left.indices], 0.0), left.indptr[:-1])
        if left.shape[0]
        else lengths[:0]
    )
    most[np.diff(left.indptr) == 0] = 0.0
    before = np.concatenate([[0.0], np.cumsum(np.minimum(most, right.shape[1]))])
    start = 0
    while start < left.shape[0]:
        end = int(np.searchsorted(before, before[start] + ENTRIES // at_once, side="right")) - 1
        end = max(start + 1, min(end, start + BLOCK // at_once, left.shape[0]))
        yield start, end
        start = end


def keep_top(matrix: Csr, count: int) -> Csr:
    """Only the `count` largest entries of each csr row (by absolute size; ties to the lower column)."""
    matrix = sparse.csr_array(matrix)
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    if not (lengths > count).any():
        return matrix
    # By size: of a linear model the strongest negative entries count as well.
    sizes = np.abs(matrix.data).astype(np.float32, copy=False)
    # Floats that are not negative stand in the order of their bits: one sort of whole numbers, rows first,
    # then the largest. It is stable, and columns are in order.
    rows = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    order = np.argsort((rows << np.uint64(32)) | ~sizes.view(np.uint32), kind="stable")
    kept = np.zeros(matrix.nnz, dtype=bool)
    # Each row's entries have changed places among themselves alone.
    kept[order[np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths) < count]] = True
    # The running count of kept entries, read at the old row starts, is the new row starts.
    # In the old's type: 64 bits here would make those of all columns so.
    indptr = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr].astype(matrix.indptr.dtype)
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
