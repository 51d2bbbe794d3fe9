"""RP3beta: items reached by a walk item → user → item, less what is popular (Paudel et al. 2017).

The weight of item j for who has item i is the sum over their common users u of
(x_ui / strength of i) ^ alpha * (x_uj / strength of u) ^ alpha, over (strength of j) ^ beta. A user with
few items thus says more of each, and beta decides how much the popular items give way.
"""

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import Config
from training.models.core.data import Strength, TrainingData, positive_power, transform_matrix
from training.models.core.neighbours import NeighbourModel, top_products
from training.models.core.types import Csr, FloatArray, IntArray, Report


class Rp3BetaConfig(Config):
    """Section `rp3beta`."""

    neighbours: int = Field(ge=1)
    """Neighbours kept for each item."""
    alpha: float = Field(gt=0)
    """Power of the steps' probabilities."""
    beta: float = Field(ge=0)
    """Power of an item's popularity that its weight is divided by; 0 leaves popular items their lead."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class Rp3Beta(NeighbourModel):
    """Row i: where walks from item i end, the likeliest ends only."""

    name: ClassVar[str] = "rp3beta"


def fit(data: TrainingData, config: Rp3BetaConfig, seed: int, report: Report | None = None) -> Rp3Beta:
    """Find each item's ends of walks, a block of items at a time. Uses no randomness."""
    matrix = transform_matrix(data.interactions, config.strength)
    by_item = matrix.T.tocsr()
    to_user, to_item = _steps(by_item, config.alpha), _steps(matrix, config.alpha)
    strengths = np.asarray(by_item.sum(axis=1), dtype=np.float64).ravel()
    damping = positive_power(strengths, -config.beta)

    def damp(row: IntArray, column: IntArray, ends: FloatArray) -> FloatArray:
        weighed: FloatArray = (ends * damping[column]).astype(np.float32)
        return weighed

    return Rp3Beta.of(top_products(to_user, to_item, config.neighbours, damp), {"strength": config.strength})


def _steps(matrix: Csr, alpha: float) -> Csr:
    """Each row as probabilities, to the power of alpha."""
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    shares = matrix.data * np.repeat(positive_power(sums, -1.0), np.diff(matrix.indptr))
    data = np.power(shares, alpha).astype(np.float32)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
