"""Nearness in meaning: cosines of sentence vectors, over all live items."""

import numpy as np

from serving.steps.context import Context, Vector
from serving.steps.history import History
from serving.steps.scores import Mask, Scores
from serving.steps.table import NO_OPINION, WHOLE_CATALOGUE, Column
from training.models.core.opinions import STORED, opinions, rounding


def near_history(context: Context, allowed: Mask) -> dict[str, Column]:
    """Items near what the user likes."""
    return {"embeddings": near(context, profile(context, context.history), allowed)}


def near_history_by_weight(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where it has a weight in home's blend."""
    return near_history(context, allowed) if context.weights.get("embeddings") else {}


def near_history_by_share(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where the request gives it a weight."""
    return near_history(context, allowed) if context.shares.get("embeddings") else {}


def near_item(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the one that is asked about; those without a text are near nothing."""
    return {"embeddings": nearest(context, context.index.vectors.get(context.item), context.n, allowed)}


def meant_alike(context: Context, allowed: Mask) -> dict[str, Column]:
    """As many items near the one that is asked about as a blend of sources needs."""
    return {"embeddings": near(context, context.index.vectors.get(context.item), allowed)}


def near_query(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the query."""
    return {"embeddings": nearest(context, context.vector, context.n, allowed)}


def near(context: Context, vector: Vector | None, allowed: Mask) -> Column:
    """Cosines above rounding with a vector: of all rows in a small catalogue, else of the nearest."""
    if vector is None:
        return NO_OPINION
    if context.n_rows <= WHOLE_CATALOGUE:
        return Column(np.maximum(_cosines(context, vector), np.float32(0)))
    found = nearest(context, vector, 5 * context.params.ranking.candidates, allowed)
    return Column(np.maximum(found.values, np.float32(0)), found.rows)


def profile(context: Context, history: History) -> Vector | None:
    """Mean vector of what a user likes, weighted by log(1 + strength), normalised.

    float32[d]; None without any, and where their vectors cancel: what is left is then rounding.
    """
    vectors = context.index.vectors.gather(history.liked)
    weights = np.log1p(history.weights)
    mean = weights @ vectors
    length = float(np.linalg.norm(mean))
    noise = rounding(len(weights) + STORED) * float(weights.sum())
    return None if length <= noise else (mean / np.float32(length)).astype(np.float32)


def nearest(context: Context, vector: Vector | None, count: int, allowed: Mask) -> Column:
    """Cosines of the `count` allowed rows (bool[n_rows]) that are nearest to a vector."""
    if vector is None:
        return NO_OPINION
    vectors = context.index.vectors
    if context.n_rows <= WHOLE_CATALOGUE:
        column = Column(_cosines(context, vector))
        rows = column.best(count, allowed, context.identity)
        return Column(column.values[rows], rows)
    rows, cosines = vectors.search(vector, count, allowed)
    return Column(opinions(cosines, 1.0, len(vector) + STORED), rows)


def _cosines(context: Context, vector: Vector) -> Scores:
    """The cosine of every row, float32[n_rows]; 0 where it is only rounding."""
    return opinions(context.index.vectors.cosines(vector, context.n_rows), 1.0, len(vector) + STORED)
