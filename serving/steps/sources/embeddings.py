"""Nearness in meaning: cosines of sentence vectors, over all live items."""

import numpy as np

from serving.steps.context import Context
from serving.steps.history import History
from serving.steps.similarity import cosines_to, direction, nearest
from serving.steps.table import Column
from serving.types import Mask
from training.models.core.rounding import Direction, mean_direction


def near_history(context: Context, allowed: Mask) -> dict[str, Column]:
    """Items near what the user likes."""
    return {"embeddings": cosines_to(context, profile(context, context.history), allowed)}


def near_history_by_weight(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where it has a weight in home's blend."""
    return near_history(context, allowed) if context.weights.get("embeddings") else {}


def near_history_by_share(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, where the request gives it a weight."""
    return near_history(context, allowed) if context.shares.get("embeddings") else {}


def near_item(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the one that is asked about; those without a text are near nothing."""
    return {
        "embeddings": nearest(context, direction(context.index.vectors.get(context.item)), context.n, allowed)
    }


def similar_embeddings(context: Context, allowed: Mask) -> dict[str, Column]:
    """As many items near the one that is asked about as a blend of sources needs."""
    return {"embeddings": cosines_to(context, direction(context.index.vectors.get(context.item)), allowed)}


def near_query(context: Context, allowed: Mask) -> dict[str, Column]:
    """The items nearest to the query."""
    return {"embeddings": nearest(context, direction(context.vector), context.n, allowed)}


def profile(context: Context, history: History) -> Direction | None:
    """Mean vector of what a user likes, weighted by log(1 + strength).

    None without any, and where their vectors cancel: what is left is then rounding.
    """
    # log1p, as in the model: the tenth purchase of a thing says less of what is liked than the first.
    return mean_direction(np.log1p(history.weights), context.index.vectors.gather(history.liked))
