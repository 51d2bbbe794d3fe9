"""EASE: a linear item x item model in closed form (Steck 2019)."""

from typing import ClassVar

import numpy as np
from scipy import linalg, sparse

from training.models.base import Config
from training.models.data import Strength, TrainingData, transform_matrix
from training.models.neighbours import NeighbourModel
from training.models.types import Csr, FloatArray, Report


class EaseConfig(Config):
    """Section `ease`."""

    l2: float
    """Added to the diagonal of the Gram matrix."""
    max_items: int
    """The dense Gram matrix (4 bytes x items squared) is refused above this many items."""
    neighbours: int
    """Weights kept for each item in the served form."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class TooManyItemsError(Exception):
    """The catalogue is too large for a dense Gram matrix."""

    def __init__(self, items: int, limit: int) -> None:
        super().__init__(f"{items} items are more than EASE's limit of {limit} (ease.max_items)")
        self.items = items
        self.limit = limit


class Ease(NeighbourModel):
    """Row j of B: what having item j adds to the score of each other item; the largest weights only."""

    name: ClassVar[str] = "ease"


def fit(data: TrainingData, config: EaseConfig, seed: int, report: Report | None = None) -> Ease:
    """Solve for B and keep each item's largest weights. Uses no randomness.

    Raises:
        TooManyItemsError: more items than `max_items`.
    """
    if data.n_items > config.max_items:
        raise TooManyItemsError(data.n_items, config.max_items)
    matrix = transform_matrix(data.interactions, config.strength)
    return Ease.of(_sparsify(weights(matrix, config.l2), config.neighbours), {"strength": config.strength})


def weights(matrix: Csr, l2: float) -> FloatArray:
    """The dense B, float32[n_items, n_items], with a zero diagonal; one buffer is used throughout."""
    gram = (matrix.T @ matrix).toarray(order="F").astype(np.float32, copy=False)
    gram[np.diag_indices_from(gram)] += np.float32(l2)
    factor, info = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"the Gram matrix is not positive definite (spotrf {info})")
    inverse, info = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if info != 0:
        raise np.linalg.LinAlgError(f"the Gram matrix has no inverse (spotri {info})")
    lower = np.tril(inverse, -1)
    inverse = lower + lower.T + np.diag(np.diag(inverse))
    result: FloatArray = inverse / -np.diag(inverse)[None, :]
    np.fill_diagonal(result, 0.0)
    return result


def _sparsify(dense: FloatArray, count: int) -> Csr:
    """The `count` largest weights of each column: what each item is predicted from."""
    n = len(dense)
    if count >= n:
        return sparse.csr_array(dense)
    chosen = np.argpartition(-np.abs(dense), count - 1, axis=0)[:count]
    columns = np.broadcast_to(np.arange(n), chosen.shape)
    kept = dense[chosen, columns]
    return sparse.csr_array((kept.ravel(), (chosen.ravel(), columns.ravel())), shape=dense.shape)
