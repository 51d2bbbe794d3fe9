"""Nearness in meaning: cosines of sentence vectors, over all live items."""

import numpy as np

from serving.steps.context import Context, Vector
from serving.steps.history import History
from serving.steps.nearness import near, nearest
from serving.steps.scores import Mask
from serving.steps.table import Column
from training.models.core.opinions import STORED, rounding


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
