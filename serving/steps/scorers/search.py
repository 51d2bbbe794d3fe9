"""Search: words and meaning fused."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scores import scaled_to_best
from serving.steps.table import Table
from serving.types import Mask, Scores
from training.params.ranking import SearchParams

LEAST = np.float32(1e-6)
"""What an item has that nothing but the filter speaks for: more than nothing."""


def search_score(context: Context, table: Table) -> Table:
    """What the words and the meaning of the query give each item."""
    words = _worded(table.column("words"), context.params.search)
    meaning = _meant(table.column("meaning"), context.params.search)
    return table.scored(words + meaning, {"words": words, "meaning": meaning})


def sorted_search(context: Context, table: Table) -> Table:
    """The same; where the request names a field, what matches stands in the order of its numbers."""
    found = search_score(context, table)
    return found if context.sort is None else in_order(context, found, found.score > 0)


def listing(context: Context, table: Table) -> Table:
    """Everything that the filter lets through: by popularity, or by the field that the request names."""
    score = table.column("popularity") + LEAST
    found = table.scored(score, {"popularity": score})
    return found if context.sort is None else in_order(context, found, np.ones(len(table), dtype=np.bool_))


def in_order(context: Context, table: Table, found: Mask) -> Table:
    """The candidates that are found (bool[c]) by the field of `context.sort`: their score is 1 for the first,
    and falls with the place. Equals share a place; what has no number stands behind all others."""
    sort = context.sort
    if sort is None:
        return table
    column = context.index.catalogue.fields.numbers(sort.field, sort.kind)
    score = column.falling_of(table.rows, context.n_rows, descending=sort.descending)
    score = np.where(found, score, np.float32(0))
    return table.scored(score, {})


def fuse(words: Scores, meaning: Scores, params: SearchParams) -> Scores:
    """lexical × words ^ focus + semantic × meaning, with the weights of params.yaml.

    `words` (0..1) says how much of the query an item has: whoever has all of it was meant by the words, and
    of those that have a part the meaning decides. Cosines of short texts say something only against one
    another, hence they count as shares of the best.
    """
    return _worded(words, params) + _meant(meaning, params)


def _worded(words: Scores, params: SearchParams) -> Scores:
    worded: Scores = np.float32(params.lexical) * words ** np.float32(params.focus)
    return worded


def _meant(meaning: Scores, params: SearchParams) -> Scores:
    return np.float32(params.semantic) * scaled_to_best(meaning)
