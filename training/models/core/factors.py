"""The scorer that ALS and NMF share: a user vector against the item factors."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np

from training.models.core.base import Model, Query, exclude, top_k
from training.models.core.covariance import covariance_from, deviation_along
from training.models.core.data import Strength, transform, transform_matrix
from training.models.core.longest_first import Allowed, LongestFirst
from training.models.core.products import products
from training.models.core.rounding import STORED, rounding_bound, zero_rounding
from training.models.core.storage import Arrays
from training.models.core.types import Csr, FloatArray, IntArray


class FactorModel(Model):
    """Item factors float32[n_items, d]; user factors are looked up or folded in."""

    def __init__(
        self,
        item_factors: FloatArray,
        user_factors: FloatArray,
        user_rows: IntArray,
        gram: FloatArray,
        scalars: dict[str, Any],
    ) -> None:
        """Keep the arrays.

        Args:
            item_factors: float32[n_items, d]; an item nobody interacted with has a zero row.
            user_factors: float32[r, d], one row for each distinct history.
            user_rows: int32[n_users], the row of each user.
            gram: float32[d, d], item_factors' inner products plus the regularisation: what a fold-in needs.
            scalars: stored with the model; `strength` is how the history's weights are read.
        """
        self.item_factors = item_factors
        self.user_factors = user_factors
        self.user_rows = user_rows
        self.gram = gram
        self.scalars = scalars
        self.strength: Strength = scalars["strength"]
        self.n_items = len(item_factors)
        # Computed at load: `similar` is then one product and no division by zero.
        norms: FloatArray = np.linalg.norm(item_factors, axis=1).astype(np.float32)
        self._norms = norms
        self._inverse_norms = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        self._terms = item_factors.shape[1] + STORED
        self._covariance = self._covariance_of_items()
        self._longest_first = LongestFirst(item_factors, norms)

    @abstractmethod
    def fold_in(self, items: IntArray, weights: FloatArray) -> FloatArray:
        """The factors of a user with this history, float32[d]; `weights` as the model reads them."""

    @abstractmethod
    def fold_in_batch(self, histories: Csr) -> FloatArray:
        """The factors of many histories, float32[B, d]; their data as the model reads it."""

    def user_vector(self, query: Query) -> FloatArray:
        """The query's user factors, float32[d], folded in; zeros for an empty history."""
        if not len(query.items):
            return np.zeros(self.item_factors.shape[1], dtype=np.float32)
        return self.fold_in(query.items, transform(query.weights, self.strength))

    def scores(self, query: Query) -> FloatArray:
        return self.scores_of(self.user_vector(query))

    def scores_and_deviation(self, query: Query) -> tuple[FloatArray, float | None]:
        vector = self.user_vector(query)
        return self.scores_of(vector), deviation_along(self._covariance, vector)

    def _covariance_of_items(self) -> FloatArray:
        """Of the items' factors, float32[d, d]: from the stored Gram matrix, less its regularisation."""
        gram = self.gram.astype(np.float64)
        # The diagonal sums up to the squared lengths of all items and d times the regularisation.
        squares = float(np.dot(self._norms, self._norms.astype(np.float64)))
        added = (np.trace(gram) - squares) / max(len(gram), 1)
        total = self.item_factors.sum(axis=0, dtype=np.float64)
        return covariance_from(gram - added * np.eye(len(gram)), total, self.n_items)

    def scores_of(self, vector: FloatArray) -> FloatArray:
        """Scores of all items for user factors (float32[d]), stored or folded in; float32[n_items]."""
        return zero_rounding(
            products(self.item_factors, vector), self._norms * np.linalg.norm(vector), self._terms
        )

    def best_of(
        self, vector: FloatArray, k: int, allowed: Allowed | None = None
    ) -> tuple[IntArray, FloatArray] | None:
        """The k best of the allowed items for user factors (float32[d]) and whoever equals the last of them,
        int32[m], ascending, and their scores, float32[m], all above zero.

        None where only `scores_of` knows: in a small catalogue, or where the longest factors do not tell.
        """
        few = self._longest_first.candidates(vector, k, rounding_bound(self._terms), allowed)
        if few is None:
            return None
        # Not by BLAS: equal factors have equal scores, whichever other items are looked at.
        scores: FloatArray = np.einsum("ij,j->i", self.item_factors[few], vector)
        scores = zero_rounding(scores, self._norms[few] * np.linalg.norm(vector), self._terms)
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        if not least > 0.0:
            return None
        kept = scores >= least
        return few[kept], scores[kept]

    def recommend(self, query: Query, k: int) -> tuple[IntArray, FloatArray]:
        vector = self.user_vector(query)
        # Of the best, those that are excluded may be as many as there are.
        found = self.best_of(vector, k + len(query.exclude))
        if found is None:
            return top_k(exclude(self.scores_of(vector), query.exclude), k)
        items, scores = found
        kept = np.isin(items, query.exclude, invert=True)
        places, best = top_k(scores[kept], k)
        return items[kept][places], best

    def score_batch(self, histories: Csr) -> FloatArray:
        vectors = self.fold_in_batch(transform_matrix(histories, self.strength))
        lengths: FloatArray = np.linalg.norm(vectors, axis=1, keepdims=True)
        return zero_rounding(vectors @ self.item_factors.T, lengths * self._norms, self._terms)

    def similar(self, item: int, k: int) -> tuple[IntArray, FloatArray]:
        """The k items whose factors are nearest by cosine, and the cosines; not the item itself."""
        cosines = products(self.item_factors, self.item_factors[item]) * self._inverse_norms
        cosines *= self._inverse_norms[item]
        # Zero is "no opinion", so an item is never its own neighbour.
        cosines[item] = 0.0
        return top_k(zero_rounding(cosines, 1.0, self._terms), k)

    def without_users(self) -> Self:
        nobody = self.user_factors[:0]
        return type(self)(self.item_factors, nobody, self.user_rows[:0], self.gram, self.scalars)

    def arrays(self) -> Arrays:
        return {
            "item_factors": self.item_factors,
            "user_factors": self.user_factors,
            "user_rows": self.user_rows,
            "gram": self.gram,
        }

    def settings(self) -> dict[str, Any]:
        return self.scalars

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        return cls(**arrays, scalars=settings)


def distinct_rows(matrix: Csr) -> tuple[IntArray, IntArray]:
    """Find users with identical histories.

    Returns:
        (first, inverse): int32[r] the first user of each distinct history, in order of users, and
        int32[n_users] the position in `first` of each user's history.
    """
    inverse = np.empty(matrix.shape[0], dtype=np.int32)
    alone = np.flatnonzero(np.diff(matrix.indptr) == 1)
    # Most users have a single item: its number and the bits of its strength are one number.
    at = matrix.indptr[alone]
    strengths = np.asarray(matrix.data, dtype=np.float32)[at].view(np.uint32)
    keys = (matrix.indices[at].astype(np.uint64) << np.uint64(32)) | strengths
    _, begins, inverse[alone] = np.unique(keys, return_index=True, return_inverse=True)
    first: list[int] = alone[begins].tolist()
    seen: dict[tuple[bytes, bytes], int] = {}
    for row in np.flatnonzero(np.diff(matrix.indptr) != 1).tolist():
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        # Bytes of both arrays: histories with the same items at other strengths are different.
        key = (matrix.indices[span].tobytes(), matrix.data[span].tobytes())
        position = seen.setdefault(key, len(first))
        if position == len(first):
            first.append(row)
        inverse[row] = position
    order = np.argsort(first)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return np.array(first, dtype=np.int32)[order], places[inverse].astype(np.int32)


def column_length(matrix: Csr) -> float:
    """Root mean square length of the columns that hold anything, at most the matrix's largest singular value.

    1 where nothing is held. What a regularisation is measured in: it grows with a history as what is learned
    from it does, and as noise does (the largest singular value of noise over columns of this length is this
    times 1 + sqrt(columns / rows), Bai and Yin 1993).
    """
    filled = np.count_nonzero(np.bincount(matrix.indices, minlength=1))
    # One operand in float64 makes the sum float64: a float32 sum of many squares stops growing.
    squares = float(np.dot(matrix.data, matrix.data.astype(np.float64)))
    return float(np.sqrt(squares / filled)) if filled else 1.0
