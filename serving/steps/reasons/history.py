"""Which item of a user's history speaks for a candidate most, by the model that put it there."""

import numpy as np

from serving.steps.context import Context
from serving.steps.table import NO_ROWS
from serving.types import Rows, Scores

NEAR_ENOUGH = 0.3
"""A cosine below this is no likeness that one would name."""

MODELS = {"cf": "nmf", "hybrid": "nmf"}
"""The model of the bundle behind a label, where that is called otherwise."""


def leading_items(context: Context, label: str, rows: Rows) -> Rows:
    """The catalogue row of the history's item that gives most to each candidate's score, int32[len(rows)].

    -1 where the model can't tell, or nothing of the history speaks for the candidate. A hidden item counts,
    but is never named.
    """
    liked, given = _given(context, label, rows)
    if not len(liked):
        return np.full(len(rows), -1, dtype=np.int32)
    given = np.where(context.index.catalogue.column("hidden")[liked], 0, given)
    best = given.argmax(axis=1)
    speaks = given[np.arange(len(rows)), best] > 0
    return np.where(speaks, liked[best], -1).astype(np.int32)


def _given(context: Context, label: str, rows: Rows) -> tuple[Rows, Scores]:
    """Rows of the history, int32[m], and what each gives to each candidate, float32[len(rows), m]."""
    if label == "embeddings":
        return _by_meaning(context, rows)
    model = None if context.bundle is None else context.bundle.bundle.models.get(MODELS.get(label, label))
    if context.bundle is None or model is None:
        return NO_ROWS, np.zeros((len(rows), 0), dtype=np.float32)
    query = context.model_query()
    indexes = context.bundle.indexes(rows)
    known = indexes >= 0
    given = np.zeros((len(rows), len(query.items)), dtype=np.float32)
    told = model.contributions(query, indexes[known]) if len(query.items) else None
    if told is None:
        return NO_ROWS, given
    given[known] = told
    return context.bundle.rows[query.items], given


def _by_meaning(context: Context, rows: Rows) -> tuple[Rows, Scores]:
    history, vectors = context.history, context.index.vectors
    cosines: Scores = vectors.gather(rows) @ vectors.gather(history.liked).T
    # log1p, as in the profile that the score came from.
    return history.liked, np.where(cosines < NEAR_ENOUGH, 0, cosines * np.log1p(history.weights))
