"""The scorer of every model that is a list of neighbours an item: TF-IDF, item-kNN, EASE, rules."""

from typing import Any, Self

import numpy as np
from scipy import sparse

from training.models.base import Model, Query, top_k
from training.models.data import Strength, transform, transform_matrix
from training.models.storage import Arrays
from training.models.types import Csr, FloatArray, IntArray


class NeighbourModel(Model):
    """A sparse item x item matrix: row j holds what a user who has item j is told about other items."""

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

    @classmethod
    def of(cls, matrix: Csr, scalars: dict[str, Any]) -> Self:
        """The model of a csr matrix."""
        matrix.sort_indices()
        return cls(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float32),
            scalars,
        )

    @property
    def matrix(self) -> Csr:
        """The arrays as a csr matrix; nothing is copied."""
        return sparse.csr_array((self.data, self.indices, self.indptr), shape=(self.n_items, self.n_items))

    def row(self, item: int) -> tuple[IntArray, FloatArray]:
        """The neighbours of an item and their weights, in order of index."""
        span = slice(self.indptr[item], self.indptr[item + 1])
        return self.indices[span], self.data[span]

    def scores(self, query: Query) -> FloatArray:
        if not len(query.items):
            return np.zeros(self.n_items, dtype=np.float32)
        starts = self.indptr[query.items]
        lengths = self.indptr[query.items + 1] - starts
        ends = np.cumsum(lengths)
        positions = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
        weights = np.repeat(transform(query.weights, self.strength), lengths)
        told = np.bincount(self.indices[positions], self.data[positions] * weights, self.n_items)
        return told.astype(np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        told = transform_matrix(histories, self.strength) @ self.matrix
        result: FloatArray = told.toarray()
        return result

    def similar(self, item: int, k: int) -> tuple[IntArray, FloatArray]:
        """The k neighbours with the largest weights, and the weights."""
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


def keep_top(matrix: Csr, count: int) -> Csr:
    """Only the `count` largest entries of each row (by absolute size; ties to the lower column)."""
    matrix = sparse.csr_array(matrix)
    matrix.sort_indices()
    kept: list[IntArray] = []
    for row in range(matrix.shape[0]):
        start, end = matrix.indptr[row], matrix.indptr[row + 1]
        if end - start <= count:
            kept.append(np.arange(start, end))
            continue
        order = np.argsort(-np.abs(matrix.data[start:end]), kind="stable")[:count]
        kept.append(start + np.sort(order))
    lengths = np.array([len(part) for part in kept])
    chosen = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return sparse.csr_array((matrix.data[chosen], matrix.indices[chosen], indptr), shape=matrix.shape)
