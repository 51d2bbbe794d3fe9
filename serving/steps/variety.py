"""Variety: items drawn by lot from groups that a user sees little of, the same all day."""

import hashlib
from datetime import date

import numpy as np
from numpy.typing import NDArray

from serving.steps.context import Context
from serving.steps.table import Column, Mask, Rows, Scores, Table


def variety(context: Context, allowed: Mask) -> dict[str, Column]:
    """A source: scores 0..1 of some items from groups that the user has seen little of."""
    pool = np.flatnonzero(allowed).astype(np.int32)
    popularity = context.rankings.popularity[pool].astype(np.float32)
    shown = context.rankings.groups[context.history.seen]
    places, keys = _draw(context, pool, popularity, shown, context.params.ranking.candidates)
    return {"diverse": Column(keys, pool[places])}


def draw_of_the_day(context: Context, table: Table) -> Table:
    """A scorer: popular items by lot; groups that the user has seen, or sees beside, have less chance."""
    known = np.concatenate([context.history.seen, context.exclude])
    places = np.flatnonzero(table.allowed)
    popularity = table.column("popularity")[places]
    shown = context.rankings.groups[known]
    drawn, keys = _draw(context, table.rows[places], popularity, shown, context.n)
    score = np.zeros(len(table), dtype=np.float32)
    score[places[drawn]] = keys
    return table.scored(score, {"diverse": score})


def _draw(
    context: Context, rows: Rows, popularity: Scores, shown: NDArray[np.int32], k: int
) -> tuple[NDArray[np.int64], Scores]:
    seed = day_seed(context.user.user_id, context.user.day)
    return sample_diverse(context.rankings.groups[rows], popularity, shown, k=k, seed=seed)


def day_seed(user_id: str, day: date) -> int:
    """Seed of a user's picks for one day: the same on every worker, another one tomorrow."""
    digest = hashlib.sha256(f"{day.isoformat()} {user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def sample_diverse(
    groups: NDArray[np.int32], popularity: Scores, shown: NDArray[np.int32], *, k: int, seed: int
) -> tuple[NDArray[np.int64], Scores]:
    """Draw k of m items, each with a chance that falls with how often its group was shown.

    Weight of an item = (popularity + 0.05) / (1 + times its group is in `shown`) / items of its group.
    Drawn without replacement by the largest u ** (1 / weight) (Efraimidis and Spirakis 2006).

    Args:
        groups: int32[m], the group of each.
        popularity: float32[m], 0..1.
        shown: int32[n], groups of the items that the user sees or saw anyway.
        k: how many; fewer when the pool is smaller.
        seed: see `day_seed`.

    Returns:
        (places int64[<=k], scores float32[<=k]): in order of the draw; the score is the draw's key, 0..1.
    """
    if not len(groups):
        return np.zeros(0, dtype=np.int64), popularity
    lowest = min(int(groups.min()), int(shown.min(initial=0)))
    own = groups - lowest
    sizes = np.bincount(own)
    times = np.bincount(shown - lowest, minlength=len(sizes))
    weights = (popularity.astype(np.float64) + 0.05) / (1 + times[own]) / sizes[own]
    keys = np.random.default_rng(seed).random(len(groups)) ** (weights.max() / weights)
    first = np.argpartition(-keys, k)[:k] if k < len(keys) else np.arange(len(keys))
    order = first[np.lexsort((first, -keys[first]))]
    return order, keys[order].astype(np.float32)
