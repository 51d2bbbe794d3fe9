"""Lists that do not repeat themselves: maximal marginal relevance."""

import numpy as np
from numpy.typing import NDArray

from serving.steps.context import Context
from serving.steps.table import Table
from serving.types import Scores


def diversify(context: Context, table: Table) -> Table:
    """The candidates in an order in which neighbours in meaning do not stand together."""
    asked = context.diversity
    relevance = context.params.ranking.relevance if asked is None else 1 - asked
    first = may_be_taken(table.score, context.length, relevance)
    vectors = context.index.vectors.gather(table.rows[:first])
    return table.take(mmr(table.score[:first], vectors, context.length, relevance))


def diversify_if_asked(context: Context, table: Table) -> Table:
    """The same, for requests that say how much variety they want."""
    return table if context.diversity is None else diversify(context, table)


def may_be_taken(scores: Scores, k: int, relevance: float) -> int:
    """How many of the best candidates `mmr` may take k of, by their scores (float32[m], best first) alone.

    What an item loses for being near others is at most 1 - relevance, a cosine of 1: while fewer than k are
    taken, one of the first k is free and has more left than an item whose whole gain is less than that.
    """
    if relevance >= 1.0 or len(scores) <= k or k < 1:
        return min(k, len(scores)) if relevance >= 1.0 else len(scores)
    gain = np.float32(relevance) * scores / max(float(scores[0]), 1e-12)
    # Cosines of float32 vectors may be a little above 1.
    least = gain[k - 1] - np.float32(1 - relevance) * np.float32(1.001) - np.float32(1e-6)
    return int(np.count_nonzero(gain >= least))


def mmr(scores: Scores, vectors: NDArray[np.float32], k: int, relevance: float) -> NDArray[np.int64]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): positions int64[<=k] in the order to show.

    Takes again and again the candidate with the largest relevance × score - (1 - relevance) × its cosine
    to the nearest one taken, with scores as shares of the best. `relevance` 1 keeps the scores' order.

    Args:
        scores: float32[m], best first.
        vectors: float32[m, d], normalised; zero rows are near nothing.

    >>> vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    >>> mmr(np.array([1, 0.9, 0.8], dtype=np.float32), vectors, k=3, relevance=0.5).tolist()
    [0, 2, 1]
    """
    count = min(k, len(scores))
    if relevance >= 1.0 or count < 2:
        return np.arange(count)
    # 1e-12 keeps 0 / 0 at 0, where no candidate has a score above 0.
    gain = np.float32(relevance) * scores / max(float(scores[0]), 1e-12)
    nearest, cost = np.zeros(len(scores), dtype=np.float32), np.float32(1 - relevance)
    taken = np.zeros(count, dtype=np.int64)
    for place in range(count):
        chosen = taken[place] = int((gain - cost * nearest).argmax())
        gain[chosen] = -np.inf
        # Only the item just taken can be nearer: k products of m rows rather than all pairs.
        np.maximum(nearest, vectors @ vectors[chosen], out=nearest)
    return taken
