"""Search: words and meaning fused."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scores import scaled
from serving.steps.table import Scores, Table
from training.params.ranking import SearchParams


def search_score(context: Context, table: Table) -> Table:
    """What the words and the meaning of the query give each item."""
    words = _worded(table.column("words"), context.params.search)
    meaning = _meant(table.column("meaning"), context.params.search)
    return table.scored(words + meaning, {"words": words, "meaning": meaning})


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
    return np.float32(params.semantic) * scaled(meaning)
