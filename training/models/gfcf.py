"""GF-CF: recommendation as a low-pass filter of the interaction graph (Shen et al. 2021).

With Z = D_u^-p X D_i^-q (user and item strengths to a power, 1/2 and 1/2 in the paper), a history h is
scored by h Z'Z, the linear filter, plus `low_pass` times h D_i^-q V V' D_i^q, the ideal low-pass filter,
where V holds the leading right singular vectors of Z. Nothing is trained by gradient.

Where `rank` cuts through equal singular values, which of their vectors are kept is up to rounding.
"""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import NEEDS_INTERACTIONS, Algorithm, Config, Query
from training.models.core.bounds import MOST_FACTORS
from training.models.core.data import Strength, TrainingData, positive_power, transform, transform_matrix
from training.models.core.neighbours import NeighbourModel, top_products
from training.models.core.rounding import STORED, rounding_bound, zero_below, zero_rounding
from training.models.core.storage import Arrays
from training.models.core.types import Csr, FloatArray, IntArray, Report

POWER_ITERATIONS = 6
"""Of the randomised decomposition: spectra of interactions fall slowly."""


class GfCfConfig(Config):
    """Section `gfcf`."""

    rank: int = Field(ge=1, le=MOST_FACTORS)
    """Singular vectors of the ideal low-pass filter."""
    low_pass: float = Field(ge=0)
    """Weight of the ideal low-pass filter against the linear one."""
    user_power: float = Field(ge=0, le=1)
    """Power of a user's strength that his row is divided by: the higher, the less busy users say."""
    item_power: float = Field(ge=0, le=1)
    """Power of an item's strength that its column is divided by: the higher, the less popularity leads."""
    neighbours: int = Field(ge=1)
    """Entries of the linear filter kept for each item, the largest."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class GfCf(NeighbourModel):
    """The rows are the linear filter; `into` and `out` are the factors of the low-pass filter."""

    name: ClassVar[str] = "gfcf"

    def __init__(
        self,
        indptr: IntArray,
        indices: IntArray,
        data: FloatArray,
        scalars: dict[str, Any],
        *,
        into: FloatArray,
        out: FloatArray,
    ) -> None:
        """Keep the arrays.

        Args:
            indptr, indices, data: the linear filter, csr [n_items, n_items].
            scalars: stored with the model; `strength` is how the history's weights are read.
            into: float32[n_items, rank], what an item of a history adds to its spectrum.
            out: float32[n_items, rank], how a spectrum scores the items; holds `low_pass`.
        """
        super().__init__(indptr, indices, data, scalars)
        self.into = into
        self.out = out
        self._into_norms: FloatArray = np.linalg.norm(into, axis=1).astype(np.float32)
        self._longest_out = float(np.linalg.norm(out, axis=1).max(initial=0.0))

    def scores(self, query: Query) -> FloatArray:
        linear = super().scores(query)
        if len(query.items):
            weights = transform(query.weights, self.strength)
            smooth = self.out @ (weights @ self.into[query.items])
            length = weights @ self._into_norms[query.items]
            return self._sum(linear, smooth, float(length) * self._longest_out, len(query.items))
        return linear

    def score_batch(self, histories: Csr) -> FloatArray:
        linear = super().score_batch(histories)
        read = transform_matrix(histories, self.strength)
        lengths: FloatArray = (read @ self._into_norms)[:, None]
        longest = int(np.diff(histories.indptr).max(initial=0))
        smooth = (read @ self.into) @ self.out.T
        return self._sum(linear, smooth, lengths * np.float32(self._longest_out), longest)

    def _sum(
        self, linear: FloatArray, smooth: FloatArray, magnitude: FloatArray | float, history: int
    ) -> FloatArray:
        """Both filters' scores together; zero where that is rounding, of the low-pass one or of their sum.

        Roundings in a low-pass score: of the sums over a history and over the rank, and of V itself, whose
        columns are worked out over all items: they are as large in its small entries as in its large ones.
        """
        terms = self.n_items + int(self.into.shape[1]) + history + STORED
        smooth = zero_rounding(smooth, magnitude, terms)
        # The linear filter's scores are never below zero: only a low-pass score below zero takes from them.
        noise = (
            np.float32(rounding_bound(terms)) * magnitude
            + np.float32(rounding_bound(history + STORED)) * linear
        )
        return zero_below(linear + smooth, np.where(smooth < 0, noise, np.float32(0)))

    def arrays(self) -> Arrays:
        return super().arrays() | {"into": self.into, "out": self.out}


def fit(data: TrainingData, config: GfCfConfig, seed: int, report: Report | None = None) -> GfCf:
    """Compute both filters. The same data, config and seed give the same model."""
    matrix = transform_matrix(data.interactions, config.strength)
    # Z = D_u^-p X D_i^-q; users and items without a pair keep 0 instead of a division by it.
    users = positive_power(np.asarray(matrix.sum(axis=1)).ravel(), -config.user_power)
    strengths = np.asarray(matrix.sum(axis=0)).ravel()
    damping = positive_power(strengths, -config.item_power)
    # One pass over the stored entries: diag(a) X diag(b) without two sparse products.
    scaled = matrix.data * np.repeat(users, np.diff(matrix.indptr)) * damping[matrix.indices]
    graph = sparse.csr_array((scaled.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)
    linear = top_products(graph.T.tocsr(), graph, config.neighbours)
    # Shen et al. 2021: the ideal low-pass filter is D_i^-q V V' D_i^q, kept as its two factors.
    vectors = _leading(graph, config.rank, seed)
    return GfCf(
        linear.indptr.astype(np.int64),
        linear.indices.astype(np.int32),
        linear.data.astype(np.float32),
        {"strength": config.strength},
        into=(damping[:, None] * vectors).astype(np.float32),
        out=(config.low_pass * positive_power(strengths, config.item_power)[:, None] * vectors).astype(
            np.float32
        ),
    )


def _leading(graph: Csr, rank: int, seed: int) -> FloatArray:
    """The leading right singular vectors, float32[n_items, <= rank] (Halko, Martinsson, Tropp 2011)."""
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    # A matrix has no more singular vectors than its shorter side.
    width = min(rank, *graph.shape)
    if not graph.nnz:
        return np.zeros((graph.shape[1], width), dtype=np.float32)
    with threadpool_limits(limits=1, user_api="blas"):  # the last bits do not depend on the number of threads
        _, _, right = randomized_svd(
            sparse.csr_matrix(graph), width, n_iter=POWER_ITERATIONS, random_state=seed
        )
    vectors: FloatArray = right.T.astype(np.float32)
    return vectors


ALGORITHM = Algorithm(
    GfCfConfig,
    fit,
    GfCf,
    about="Challenger: a low-pass filter of the interaction graph, without training by gradient.",
    limits=NEEDS_INTERACTIONS,
)
