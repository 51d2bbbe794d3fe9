"""Skips and negative feedback push down what is like the item they were given to."""

import numpy as np
from numpy.typing import NDArray

from serving.steps.context import Context
from serving.steps.table import Table
from serving.types import Scores


def penalise_disliked(context: Context, table: Table) -> Table:
    """The candidates in the order of their scores less the penalty, which is a column of its own."""
    if not len(context.history.disliked):
        return table
    vectors = context.index.vectors
    pushed = penalised(
        table.score,
        vectors.gather(table.rows),
        vectors.gather(context.history.disliked),
        context.params.ranking.dislike_penalty,
    )
    pushed_table = table.scored(pushed, {"dislikes": pushed - table.score})
    # Stable: equals stay in the order of their identities, which `best` gave them.
    return pushed_table.take(np.argsort(-pushed, kind="stable"))


def penalised(
    scores: Scores, vectors: NDArray[np.float32], disliked: NDArray[np.float32], penalty: float
) -> Scores:
    """Scores less the penalty for nearness to what the user disliked.

    score - penalty × best score × max(0, cosine to the nearest disliked item)².

    Args:
        scores: float32[m] of the candidates.
        vectors: float32[m, d] of the candidates, normalised; a zero row (no text) is not pushed.
        disliked: float32[n, d] of the disliked items; may be empty.
        penalty: what a copy of a disliked item loses, as a share of the best candidate's score.
    """
    if not len(disliked) or not len(scores):
        return scores
    # The nearest one, not the mean: a user may dislike several unlike things.
    nearest = np.maximum((vectors @ disliked.T).max(axis=1), 0.0)
    # Squared: cosines of unrelated texts are not 0, and such an item should lose next to nothing.
    pushed: Scores = scores - np.float32(penalty) * scores.max() * nearest**2
    return pushed
