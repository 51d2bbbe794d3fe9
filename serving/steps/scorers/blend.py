"""The blend of the home page: what speaks for the items a user clicked, their searches, and some variety."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scores import above_lowest, scaled_to_best
from serving.steps.table import SEARCH, Table, numbered
from serving.types import Mask, Rows, Scores
from training.models.blend import FEW_INTERACTIONS, Weight, weights_by_model

PARTS = ("clicked", "search", "diverse")
"""What the blend is made of."""


def home_blend(context: Context, table: Table) -> Table:
    """blend.clicked × clicked + blend.search × search + blend.diverse × diverse, each a share of its best.

    Without a score of the first two the table has none: variety alone makes no list personal.
    """
    shares = context.params.blend
    models = weighted_models(context, table)
    # Summed first, then contrasted: what all models say of every item alike is no score.
    clicked = scaled_to_best(above_lowest(table.total(models), table.allowed)) if models else table.column("")
    # The best search, not their sum: somebody who looks for two things wants items for either.
    searched = scaled_to_best(
        table.highest(numbered(SEARCH, age) for age in range(len(context.user.searches)))
    )
    score = np.float32(shares.clicked) * clicked + np.float32(shares.search) * searched
    if not ((score > 0) & table.allowed).any():
        return table.scored(table.column(""), {})
    diverse = np.float32(shares.diverse) * table.column("diverse")
    parts = {
        "clicked": np.float32(shares.clicked) * clicked,
        "search": np.float32(shares.search) * searched,
        "diverse": diverse,
    }
    return table.scored(score + diverse, {**models, **parts})


def weighted_models(context: Context, table: Table) -> dict[str, Scores]:
    """Each model's part in what speaks for the clicked items: its column over its scale, times its weight.

    Popularity speaks only beside others: by itself it says nothing of this user.
    """
    found = {}
    for name, weight in _weights(context, table.rows).items():
        if name in table.sources:
            found[name] = table.standardised(name) * np.asarray(weight, dtype=np.float32)
    if not any(values.any() for name, values in found.items() if name != "popularity"):
        found.pop("popularity", None)
    return found


def _weights(context: Context, rows: Rows) -> dict[str, Weight]:
    """The weight of each model, where need be of each of the rows (int32[c])."""

    def anew() -> dict[str, Weight]:
        return weights_by_model(context.weights, _new_items(context, rows))

    if not context.small or len(rows) != context.n_rows:
        return anew()
    return context.rankings.remembered(("weights", context.bundle, *context.weights.items()), anew)


def _new_items(context: Context, rows: Rows) -> Mask:
    """bool[c]: which rows (int32[c]) hold items that few users are known of, or that no bundle knows."""
    new = np.ones(len(rows), dtype=np.bool_)
    if context.bundle is not None:
        indexes = context.bundle.indexes(rows)
        known = indexes >= 0
        # The same limit as in training, where the weight of NEW_ITEMS is learned.
        new[known] = context.bundle.models.popularity.all_time[indexes[known]] < FEW_INTERACTIONS
    return new
