"""What a blend divides a source by: the standard deviation of what the source says of all items."""

import numpy as np

from serving.steps.context import Context
from serving.types import Rows, Scores
from training.models.blend import scale_from, scale_of


def scale_of_column(
    context: Context, values: Scores, rows: Rows | None, deviation: float | None = None
) -> float:
    """The scale of what a source says, for its column.

    In a small catalogue it is that of the live items' values. In a large one it is what the bundle tells
    without a look at all items (`deviation`); of models that don't (lists of neighbours), that of the few
    items with a score among all.

    Args:
        values: float32[m]; of a source that brings its best alone, those.
        rows: int32[m], their catalogue rows; None: every row.
        deviation: of all items of the bundle; None where it is not known.
    """
    if deviation is not None and not context.small:
        return scale_from(deviation, float(np.abs(values).max(initial=0.0)))
    n_live = context.index.catalogue.n_live
    if context.small and n_live == context.n_rows:
        return scale_of(values, n_live)
    live = context.live if rows is None else context.live[rows]
    return scale_of(values[live if context.small else live & (values != 0)], n_live)
