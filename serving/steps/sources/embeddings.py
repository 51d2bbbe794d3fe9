"""Nearness in meaning: cosines of sentence vectors, over all live items."""

import numpy as np

from serving.steps.context import Context, Vector
from serving.steps.history import History
from serving.steps.sources.models import blend_weights
from serving.steps.table import NO_OPINION, WHOLE_CATALOGUE, Column, Mask


def near_history(context: Context, allowed: Mask) -> dict[str, Column]:
    """Items near what the user likes."""
    return {"embeddings": near(context, profile(context, context.history), allowed)}


def near_history_by_weight(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where it has a weight in home's blend."""
    return near_history(context, allowed) if blend_weights(context).get("embeddings") else {}


def near_history_by_share(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where the request gives it a weight."""
    return near_history(context, allowed) if context.shares.get("embeddings") else {}


def near_item(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the one that is asked about; those without a text are near nothing."""
    return {"embeddings": _nearest(context, context.index.vectors.get(context.item), context.n, allowed)}


def near_query(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the query."""
    return {"embeddings": _nearest(context, context.vector, context.n, allowed)}


def near(context: Context, vector: Vector | None, allowed: Mask) -> Column:
    """Cosines with a vector, 0 where below 0: of all rows in a small catalogue, else of the nearest."""
    if vector is None:
        return NO_OPINION
    if context.n_rows <= WHOLE_CATALOGUE:
        cosines = context.index.vectors.cosines(vector, context.n_rows)
        return Column(np.maximum(cosines, np.float32(0)))
    found = _nearest(context, vector, 5 * context.params.ranking.candidates, allowed)
    return Column(np.maximum(found.values, np.float32(0)), found.rows)


def profile(context: Context, history: History) -> Vector | None:
    """Mean vector of what a user likes, weighted by log(1 + strength), normalised.

    float32[d]; None without any.
    """
    vectors = context.index.vectors.gather(history.liked)
    mean = np.log1p(history.weights) @ vectors
    length = float(np.linalg.norm(mean))
    return None if length == 0 else (mean / np.float32(length)).astype(np.float32)


def _nearest(context: Context, vector: Vector | None, count: int, allowed: Mask) -> Column:
    if vector is None:
        return NO_OPINION
    rows, cosines = context.index.vectors.search(vector, count, allowed)
    return Column(cosines, rows)
