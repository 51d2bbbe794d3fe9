"""Item-kNN: items that the same users interact with, by shrunk cosine (Deshpande and Karypis 2004)."""

from typing import ClassVar

import numpy as np
from scipy import sparse

from training.models.base import Config
from training.models.data import Strength, TrainingData, transform_matrix
from training.models.neighbours import NeighbourModel, keep_top
from training.models.types import Csr, DoubleArray, Report

BLOCK = 1024
"""Items whose co-occurrences are held at a time."""


class ItemKnnConfig(Config):
    """Section `itemknn`."""

    neighbours: int
    """Neighbours kept for each item."""
    shrink: float
    """Added to the denominator: similarities that rest on few users count less."""
    strength: Strength
    """How the strength of a pair is read: linear, log1p or binary."""


class ItemKnn(NeighbourModel):
    """Row j: the items most like item j, with the shrunk cosine of their users."""

    name: ClassVar[str] = "itemknn"


def fit(data: TrainingData, config: ItemKnnConfig, seed: int, report: Report | None = None) -> ItemKnn:
    """Find each item's neighbours, a block of items at a time. Uses no randomness."""
    matrix = transform_matrix(data.interactions, config.strength)
    by_item = matrix.T.tocsr()
    norms = np.sqrt(np.asarray(by_item.multiply(by_item).sum(axis=1)).ravel())
    blocks = [
        _block(by_item, matrix, norms, start, config) for start in range(0, max(data.n_items, 1), BLOCK)
    ]
    return ItemKnn.of(sparse.vstack(blocks, format="csr"), {"strength": config.strength})


def _block(by_item: Csr, matrix: Csr, norms: DoubleArray, start: int, config: ItemKnnConfig) -> Csr:
    common = (by_item[start : start + BLOCK] @ matrix).tocoo()
    row, column = common.row + start, common.col
    apart = row != column
    row, column, shared = row[apart], column[apart], common.data[apart]
    similarity = shared / (norms[row] * norms[column] + config.shrink)
    block = sparse.csr_array((similarity, (row - start, column)), shape=common.shape)
    return keep_top(block, config.neighbours)
