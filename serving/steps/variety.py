"""Variety: items drawn by lot from groups that a user sees little of, the same all day."""

import hashlib
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serving.catalogue.rankings import Rankings
from serving.steps.context import Context
from serving.steps.table import Column, Table
from serving.types import Doubles, Identities, Mask, Rows, Scores
from training.models.core.base import STRIDE

_BLOCK = 16_384
_UNDERFLOW = 700.0
"""Keys with a logarithm further below zero may be 0: the draw itself decides then, and all are looked at."""
_DRAWN_FROM = 10_000
"""Items that are drawn from, at least; twice as many at most."""


def variety(context: Context, allowed: Mask) -> dict[str, Column]:
    """A source: scores 0..1 of some items from groups that the user has seen little of."""
    seed = day_seed(context.user.user_id, context.user.day)
    pool = part_of(allowed, context.rankings, seed)
    popularity = context.rankings.popularity[pool].astype(np.float32)
    seen_groups = context.rankings.groups[context.history.seen]
    places, keys = _draw(context, pool, popularity, seen_groups, context.params.ranking.candidates)
    return {"diverse": Column(keys, pool[places])}


def part_of(allowed: Mask, rankings: Rankings, seed: int) -> Rows:
    """The rows that a seed draws from, int32[m], in no order: of many one part, as large for every seed.

    To draw from all of a million takes 40 ms. The parts are those of the identities' first bits, so a user of
    the next day draws from another.

    Args:
        allowed: bool[n_rows], of which the parts are made.
        rankings: which know the identities.
        seed: 64 bits.
    """
    bits = (int(np.count_nonzero(allowed)) // _DRAWN_FROM).bit_length() - 1
    if bits <= 0:
        return np.flatnonzero(allowed).astype(np.int32)
    rows = rankings.beginning_with(seed >> 64 - bits, bits)
    return rows[allowed[rows]]


def daily_sample(context: Context, table: Table) -> Table:
    """A scorer: popular items by lot; groups that the user has seen, or sees beside, have less chance."""
    known = np.concatenate([context.history.seen, context.exclude])
    # In a small catalogue the table holds the items that are not popular enough, too.
    places = np.flatnonzero(table.allowed & (table.column("popularity") > 0))
    popularity = table.column("popularity")[places]
    seen_groups = context.rankings.groups[known]
    drawn, keys = _draw(context, table.rows[places], popularity, seen_groups, context.n)
    score = np.zeros(len(table), dtype=np.float32)
    score[places[drawn]] = keys
    return table.scored(score, {"diverse": score})


def _draw(
    context: Context, rows: Rows, popularity: Scores, seen_groups: NDArray[np.int32], k: int
) -> tuple[NDArray[np.int64], Scores]:
    seed = day_seed(context.user.user_id, context.user.day)
    chance = random_keys(seed, context.identity[rows])
    return sample_diverse(context.rankings.groups[rows], popularity, seen_groups, chance, k=k)


@lru_cache(maxsize=1)
def day_seed(user_id: str, day: date) -> int:
    """Seed of a user's picks for one day: the same on every worker, another one tomorrow."""
    # Not Python's hash, which is salted: each process would draw other items.
    digest = hashlib.sha256(f"{day.isoformat()} {user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def random_keys(seed: int, identity: Identities) -> Doubles:
    """A number in (0, 1) for each item: the same for a seed and an item, whatever else is drawn from.

    SplitMix64 (Steele, Lea and Flood 2014) of the identity and the seed, its upper 53 bits.

    Args:
        seed: 64 bits.
        identity: uint64[m].
    """
    chance = np.empty(len(identity))
    for start in range(0, len(identity), _BLOCK):  # in the processor's cache
        chance[start : start + _BLOCK] = _mixed(seed, identity[start : start + _BLOCK])
    return chance


def _mixed(seed: int, identity: Identities) -> Doubles:
    mixed = identity ^ np.uint64(seed)
    mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    # 53 bits are what a float64 holds; the half keeps 0, whose power is 0 for every weight, out.
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def sample_diverse(
    groups: NDArray[np.int32],
    popularity: Scores,
    seen_groups: NDArray[np.int32],
    chance: Doubles,
    *,
    k: int,
) -> tuple[NDArray[np.int64], Scores]:
    """Draw k of m items, each with a chance that falls with how often its group was shown.

    Weight of an item = (popularity + 0.05) / (1 + times its group is in `seen_groups`) / items of its group.
    Drawn without replacement by the largest u ** (1 / weight) (Efraimidis and Spirakis 2006).

    Args:
        groups: int32[m], the group of each.
        popularity: float32[m], 0..1.
        seen_groups: int32[n], groups of the items that the user sees or saw anyway.
        chance: float64[m], a number in (0, 1) for each: see `random_keys`.
        k: how many; fewer when the pool is smaller.

    Returns:
        (places int64[<=k], scores float32[<=k]): in order of the draw; the score is the draw's key, 0..1.

    Raises ValueError when a popularity is negative or not finite: a weight that is not above 0 can't be drawn
    by.
    """
    if not len(groups):
        return np.zeros(0, dtype=np.int64), popularity
    if not (popularity.min() >= 0 and np.isfinite(popularity.max())):  # of NaN, both are NaN
        raise ValueError("popularity is to be 0 or more")
    lowest = min(int(groups.min()), int(seen_groups.min(initial=0)))
    # Groups may be negative (factors and kinds); bincount counts from 0.
    own = groups - lowest
    sizes = np.bincount(own)
    # Longer than `sizes` where a seen group has no item in the pool: its count is not asked for.
    times = np.bincount(seen_groups - lowest, minlength=len(sizes))
    # 0.05: an item without any popularity can be drawn too, with about a twentieth of the best one's weight.
    weights = popularity.astype(np.float64) + 0.05
    weights /= (1 + times).astype(np.float64)[own]
    weights /= sizes.astype(np.float64)[own]
    # Weights as shares of the largest, which changes no order: of tiny ones all keys would round to 0.
    exponents = weights.max() / weights
    maybe = _may_be_drawn(exponents, chance, k)
    keys = chance[maybe] ** exponents[maybe]
    first = np.argpartition(-keys, k)[:k] if k < len(keys) else np.arange(len(keys))
    # Keys of tiny weights underflow to the same 0: the draw itself decides between these.
    order = first[np.lexsort((chance[maybe[first]], -keys[first]))]
    return maybe[order], keys[order].astype(np.float32)


def _may_be_drawn(exponents: Doubles, chance: Doubles, k: int) -> NDArray[np.int64]:
    """Places among which the k largest keys are, int64[>=k], ascending: powers of all take long.

    A key is at most its chance, and the k-th largest of some is at most the k-th largest of all.
    """
    some = slice(None, None, STRIDE)
    if k <= 0 or len(chance) <= 2 * k:
        return np.arange(len(chance))
    if len(chance[some]) <= 2 * k:
        return _by_logarithm(exponents, chance, k)
    least = np.sort(chance[some] ** exponents[some])[-k]
    # A little lower: a power may be rounded up.
    maybe = np.flatnonzero(chance >= least * (1 - 1e-9))
    return maybe if len(maybe) <= 2 * k else maybe[_by_logarithm(exponents[maybe], chance[maybe], k)]


def _by_logarithm(exponents: Doubles, chance: Doubles, k: int) -> NDArray[np.int64]:
    """The same: a key's logarithm is -exponent × -log(chance), and -log(chance) is at least 1 - chance.

    Of those that this bound lets hope for most, the logarithms themselves tell how small the k-th may be.
    """
    hoped = (1 - chance) * exponents
    first = np.argpartition(hoped, k - 1)[:k]
    worst = float((-np.log(chance[first]) * exponents[first]).max())
    if worst > _UNDERFLOW:
        return np.arange(len(chance))
    return np.flatnonzero(hoped <= worst * (1 + 1e-9))
