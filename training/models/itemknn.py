"""Item-kNN: items that the same users interact with, by shrunk cosine (Deshpande and Karypis 2004)."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from training.models.core.base import NEEDS_INTERACTIONS, Algorithm, Config
from training.models.core.data import Strength, TrainingData, transform_matrix
from training.models.core.neighbours import NeighbourModel, top_products
from training.models.core.types import FloatArray, IntArray, Report


class ItemKnnConfig(Config):
    """Section `itemknn`."""

    neighbours: int = Field(ge=1)
    """Neighbours kept for each item."""
    shrink: float = Field(ge=0)
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
    # Norms of all items beforehand: a cosine is the dot product over both.
    norms = np.sqrt(np.asarray(by_item.multiply(by_item).sum(axis=1)).ravel())

    def shrunk(row: IntArray, column: IntArray, shared: FloatArray) -> FloatArray:
        # What rests on few common users is small beside the constant, and is pulled to zero.
        similarity: FloatArray = shared / (norms[row] * norms[column] + config.shrink)
        return similarity

    return ItemKnn.of(top_products(by_item, matrix, config.neighbours, shrunk), {"strength": config.strength})


ALGORITHM = Algorithm(
    ItemKnnConfig,
    fit,
    ItemKnn,
    about="Challenger: items that the same users act on, by shrunk cosine.",
    limits=NEEDS_INTERACTIONS,
)
