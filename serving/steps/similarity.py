"""Cosines of a vector with the items' sentence vectors."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scales import scale_of_column
from serving.steps.table import EMPTY_COLUMN, Column, are_different
from serving.types import Mask, Rows, Scores, Vector
from training.models.core.rounding import Direction

_MOST_NEAREST = 20_000
"""Variants of one another that are looked through for others: a search for more of them takes long."""


def direction(vector: Vector | None) -> Direction | None:
    """That of a stored vector or a text's, float32[d]; None without one."""
    return None if vector is None else Direction(vector)


def cosines_to(context: Context, towards: Direction | None, allowed: Mask) -> Column:
    """Cosines above rounding with a direction: of all rows in a small catalogue, else of the nearest and of
    those that are asked about."""
    if towards is None:
        return EMPTY_COLUMN
    if context.small:
        cosines = np.maximum(_cosines(context, towards), np.float32(0))
        return Column(cosines, scale=scale_of_column(context, cosines, None))
    # Five times as many as are put in order: other sources and filters leave room for items of this one.
    found = nearest(context, towards, 5 * context.params.ranking.candidates, allowed)
    cosines = np.maximum(found.values, np.float32(0))
    deviation = None if context.bundle is None else context.bundle.models.embeddings.deviation(towards)

    known = Column(cosines, found.rows)

    def exact(rows: Rows) -> Scores:
        of_rows = known.at(rows, context.n_rows)
        others = np.flatnonzero(of_rows == 0)
        more = towards.zero_rounding(context.index.vectors.cosines_of(towards.vector, rows[others]))
        of_rows[others] = np.maximum(more, np.float32(0))
        return of_rows

    scale = scale_of_column(context, cosines, found.rows, deviation)
    return Column(cosines, found.rows, scale=scale, exact=exact)


def nearest(context: Context, towards: Direction | None, count: int, allowed: Mask) -> Column:
    """Cosines of the `count` allowed rows (bool[n_rows]) that are nearest to a direction.

    There are more where these are variants of one another, and one of them is enough.
    """
    if towards is None:
        return EMPTY_COLUMN
    vectors = context.index.vectors
    if context.small:
        # Exact: below WHOLE_CATALOGUE one product is quicker than the index, and no neighbour is missed.
        column = Column(_cosines(context, towards))
        rows = column.best(count, allowed, context.identity, context.variants, context.length)
        return Column(column.values[rows], rows)
    while True:
        rows, cosines = vectors.search(towards.vector, count, allowed)
        all_found = len(rows) < count or count >= _MOST_NEAREST
        if all_found or are_different(rows, context.variants, context.length):
            return Column(towards.zero_rounding(cosines), rows)
        count *= 4


def _cosines(context: Context, towards: Direction) -> Scores:
    """The cosine of every row, float32[n_rows]; 0 where it is only rounding."""
    return towards.zero_rounding(context.index.vectors.cosines(towards.vector, context.n_rows))
