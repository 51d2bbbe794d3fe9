"""Popularity: columns that are the same for every user, cached until something changes."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scales import scale_of_column
from serving.steps.table import EMPTY_COLUMN, Column
from serving.types import Mask
from training.models.core.base import Query


def popularity(context: Context, allowed: Mask) -> dict[str, Column]:
    """Trending score, then the bundle's popularity, then the number of ratings: 0..1."""
    scores, front = context.rankings.popularity_in_order()
    return {"popularity": Column(scores, front=front)}


def most_popular(context: Context, allowed: Mask) -> dict[str, Column]:
    """The same, of the most popular items alone: what is drawn from.

    Above 0, since 0 is no score: in a new shop nothing is popular yet, and all the same drawn from.
    """
    rows = context.rankings.most_popular(context.kinds, 5 * context.params.ranking.candidates)
    popularity = context.rankings.popularity[rows].astype(np.float32)
    return {"popularity": Column(np.maximum(popularity, np.float32(1e-6)), rows)}


def trending_now(context: Context, allowed: Mask) -> dict[str, Column]:
    """Events of the hours that the request asks for, each by its weight."""
    return {"window": Column(context.recent.scores, context.recent.rows)}


def value(context: Context, allowed: Mask) -> dict[str, Column]:
    """Value for money of the items that have a price."""
    return {"value": Column(context.rankings.values.astype(np.float32))}


def learned_popularity(context: Context, allowed: Mask) -> dict[str, Column]:
    """The bundle's popularity, where it has a weight in home's blend."""
    if not context.weights.get("popularity"):
        return {}
    if context.bundle is None:
        return {"popularity": EMPTY_COLUMN}
    bundle = context.bundle

    def column() -> Column:
        scores, deviation = bundle.models.popularity.scores_and_deviation(Query())
        scale = scale_of_column(context, scores, bundle.rows, deviation)
        return Column(scores, *bundle.places(context.n_rows), scale)

    return {"popularity": context.rankings.remembered(("learned_popularity", bundle), column)}
