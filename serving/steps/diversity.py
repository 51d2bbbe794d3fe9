"""Variety: picks from groups that a user sees little of, and lists that do not repeat themselves."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]


def day_seed(user_id: str, day: date) -> int:
    """Seed of a user's picks for one day: the same on every worker, another one tomorrow."""
    digest = hashlib.sha256(f"{day.isoformat()} {user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def sample_diverse(
    rows: Rows, groups: NDArray[np.int32], popularity: Scores, shown: NDArray[np.int32], *, k: int, seed: int
) -> tuple[Rows, Scores]:
    """Draw k rows, each with a chance that falls with how often its group was shown.

    Weight of a row = (popularity + 0.05) / (1 + times its group is in `shown`) / rows of its group.
    Drawn without replacement by the largest u ** (1 / weight) (Efraimidis and Spirakis 2006).

    Args:
        rows: int32[m], the pool.
        groups: int32[m], the group of each.
        popularity: float32[m], 0..1.
        shown: int32[n], groups of the items that the user sees or saw anyway.
        k: how many; fewer when the pool is smaller.
        seed: see `day_seed`.

    Returns:
        (rows int32[<=k], scores float32[<=k]): in order of the draw; the score is the draw's key, 0..1.
    """
    if not len(rows):
        return rows, popularity
    lowest = min(int(groups.min()), int(shown.min(initial=0)))
    own = groups - lowest
    sizes = np.bincount(own)
    times = np.bincount(shown - lowest, minlength=len(sizes))
    weights = (popularity.astype(np.float64) + 0.05) / (1 + times[own]) / sizes[own]
    keys = np.random.default_rng(seed).random(len(rows)) ** (weights.max() / weights)
    first = np.argpartition(-keys, k)[:k] if k < len(keys) else np.arange(len(keys))
    order = first[np.lexsort((first, -keys[first]))]
    return rows[order], keys[order].astype(np.float32)


def mmr(scores: Scores, vectors: NDArray[np.float32], k: int, relevance: float) -> NDArray[np.int64]:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): positions int64[<=k] in the order to show.

    Takes again and again the candidate with the largest relevance × score - (1 - relevance) × its cosine
    to the nearest one taken, with scores as shares of the best. `relevance` 1 keeps the scores' order.

    Args:
        scores: float32[m], best first.
        vectors: float32[m, d], normalised; zero rows are near nothing.
    """
    count = min(k, len(scores))
    if relevance >= 1.0 or count < 2:
        return np.arange(count)
    gain = np.float32(relevance) * scores / max(float(scores[0]), 1e-12)
    nearest = np.zeros(len(scores), dtype=np.float32)
    taken = np.zeros(count, dtype=np.int64)
    free = np.ones(len(scores), dtype=np.bool_)
    for place in range(count):
        marginal = np.where(free, gain - np.float32(1 - relevance) * nearest, -np.inf)
        chosen = int(np.argmax(marginal))
        taken[place] = chosen
        free[chosen] = False
        np.maximum(nearest, vectors @ vectors[chosen], out=nearest)
    return taken
