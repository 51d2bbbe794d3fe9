"""Cosines of a vector with the items' sentence vectors."""

import numpy as np

from serving.steps.context import Context, Vector
from serving.steps.scores import Mask, Scores
from serving.steps.table import NO_OPINION, Column
from training.models.core.opinions import STORED, opinions


def near(context: Context, vector: Vector | None, allowed: Mask) -> Column:
    """Cosines above rounding with a vector: of all rows in a small catalogue, else of the nearest."""
    if vector is None:
        return NO_OPINION
    if context.small:
        return Column(np.maximum(_cosines(context, vector), np.float32(0)))
    found = nearest(context, vector, 5 * context.params.ranking.candidates, allowed)
    return Column(np.maximum(found.values, np.float32(0)), found.rows)


def nearest(context: Context, vector: Vector | None, count: int, allowed: Mask) -> Column:
    """Cosines of the `count` allowed rows (bool[n_rows]) that are nearest to a vector."""
    if vector is None:
        return NO_OPINION
    vectors = context.index.vectors
    if context.small:
        column = Column(_cosines(context, vector))
        rows = column.best(count, allowed, context.identity)
        return Column(column.values[rows], rows)
    rows, cosines = vectors.search(vector, count, allowed)
    return Column(opinions(cosines, 1.0, len(vector) + STORED), rows)


def _cosines(context: Context, vector: Vector) -> Scores:
    """The cosine of every row, float32[n_rows]; 0 where it is only rounding."""
    return opinions(context.index.vectors.cosines(vector, context.n_rows), 1.0, len(vector) + STORED)
