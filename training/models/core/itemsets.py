"""Rules with two antecedents: who has A and B takes C.

mlxtend's FP-Growth (Han, Pei and Yin 2000, Mining Frequent Patterns without Candidate Generation) finds the
frequent sets of three items. How many there can be is known beforehand: every pair of a frequent set is
frequent (Agrawal and Srikant 1994), so that no set of three is missing among the triangles of the graph of
frequent pairs. Where these are too many, the support is raised until they are not.
"""

import logging
from dataclasses import dataclass
from math import ceil
from typing import Self

import numpy as np
from scipy import sparse

from training.models.core.storage import Arrays
from training.models.core.types import Csr, DoubleArray, FloatArray, IntArray, LongArray

MAX_TRIANGLES = 200_000
"""Sets of three that may have to be counted: seconds, and some hundred MB at the worst."""

MAX_PAIRS = 50_000
"""Frequent pairs that the triangles are looked for in."""

RAISE = 1.25
"""How far the support is raised at a time."""

IMPROVEMENT = 1.1
"""A rule holds so many times as often as each with one of its antecedents, or with none: what a shorter rule
says already is not said again (Bayardo, Agrawal and Gunopulos 2000, Constraint-Based Rule Mining in Large,
Dense Databases, §2: minimum improvement)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class LargerRules:
    """r rules from two items to a third, in order of their items."""

    antecedents: IntArray
    """int32[r, 2], the lower item first."""
    consequents: IntArray
    """int32[r]"""
    support: FloatArray
    """float32[r], share of all baskets that hold all three."""
    confidence: FloatArray
    """float32[r], share of the baskets with both antecedents that hold the consequent."""
    lift: FloatArray
    """float32[r], confidence over the consequent's share of all baskets."""
    shorter: FloatArray
    """float32[r], the largest confidence of the rules from one of the antecedents to the consequent."""

    @classmethod
    def none(cls) -> Self:
        """No rule."""
        empty = np.zeros(0, dtype=np.float32)
        items = np.zeros(0, dtype=np.int32)
        return cls(items.reshape(0, 2), items, empty, empty, empty, empty)

    def __len__(self) -> int:
        return len(self.consequents)

    def matching(self, items: IntArray, n_items: int) -> LongArray:
        """Which rules have both antecedents among the items (int32[m]), int64[<=r]."""
        held = np.zeros(n_items, dtype=np.bool_)
        held[items] = True
        # Those of one item stand together, so that a basket's are found without a look at all.
        first, second = self.antecedents.T
        starts, ends = (np.searchsorted(first, np.flatnonzero(held), side) for side in ("left", "right"))
        spans = [np.arange(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        places = np.concatenate([np.zeros(0, dtype=np.int64), *spans])
        matching: LongArray = places[held[second[places]]]
        return matching

    def arrays(self) -> Arrays:
        """By their names in a stored model."""
        return {f"larger_{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Those of a stored model; none for one that was stored before there were any."""
        if "larger_consequents" not in arrays:
            return cls.none()
        return cls(**{name: arrays[f"larger_{name}"] for name in cls.__slots__})


def larger_rules(
    baskets: Csr, single: DoubleArray, pairs: Csr, min_support: int, min_confidence: float
) -> LargerRules:
    """The rules from two items to a third that say more than those from one of the two.

    Args:
        baskets: csr[n_baskets, n_items], a one for every item of a basket.
        single: float64[n_items], baskets that hold an item.
        pairs: csr[n_items, n_items], baskets that hold both items, where these are `min_support` or more.
        min_support: baskets that must hold all three; more where there would be more than MAX_TRIANGLES.
        min_confidence: share of the baskets with both antecedents that must hold the consequent.
    """
    support, graph = _graph(pairs, min_support)
    if not graph.nnz:
        return LargerRules.none()
    if support > min_support:
        logger.info(
            "Sets of three items are counted from %d baskets on: with %d too many.", support, min_support
        )
    triples, held = _frequent_triples(baskets, graph, support)
    return _rules(triples, held, single, pairs, baskets.shape[0], least=min_confidence)


def _graph(counts: Csr, min_support: int) -> tuple[int, Csr]:
    """The least support that leaves few enough triangles, and the frequent pairs that are in one.

    Returns csr[n_items, n_items] that holds, for both orders of each pair, the triangles it is in.
    """
    pairs = sparse.triu(counts, 1).tocoo()
    support = max(min_support, 1)
    if np.count_nonzero(pairs.data >= support) > MAX_PAIRS:
        support = int(np.partition(pairs.data, -MAX_PAIRS - 1)[-MAX_PAIRS - 1]) + 1
    while True:
        kept = pairs.data >= support
        ones = np.ones(np.count_nonzero(kept))
        half = sparse.csr_array((ones, (pairs.row[kept], pairs.col[kept])), shape=counts.shape)
        frequent = half + half.T
        triangles = sparse.csr_array((frequent @ frequent).multiply(frequent))
        # Each triangle is counted at its three pairs, in both orders.
        if triangles.sum() / 6 <= MAX_TRIANGLES:
            return support, triangles
        support = ceil(support * RAISE)


def _frequent_triples(baskets: Csr, graph: Csr, support: int) -> tuple[IntArray, LongArray]:
    """Sets of three items (int32[t, 3], ascending) and the baskets that hold each (int64[t])."""
    # pandas and mlxtend take a second to import, and the service needs neither.
    import pandas as pd
    from mlxtend.frequent_patterns import fpgrowth

    items = np.flatnonzero(graph.sum(axis=0))
    # What is in no triangle is in no frequent set of three.
    some = sparse.csr_matrix(baskets[:, items], dtype=np.bool_)
    some = some[np.diff(some.indptr) >= 3]
    if some.shape[0] < support:
        return np.zeros((0, 3), dtype=np.int32), np.zeros(0, dtype=np.int64)
    frame = pd.DataFrame.sparse.from_spmatrix(some)  # type: ignore[attr-defined]  # the stubs lack it
    # Half a basket less: the product of the share and the number of baskets may round up.
    found = fpgrowth(frame, min_support=(support - 0.5) / len(frame), max_len=3)
    found = found[found["itemsets"].map(len) == 3]
    triples = np.array([sorted(each) for each in found["itemsets"]], dtype=np.int64).reshape(-1, 3)
    held = np.rint(found["support"].to_numpy() * len(frame)).astype(np.int64)
    # The order in which the tree gives them says nothing.
    order = np.lexsort(triples.T[::-1])
    return items[triples[order]].astype(np.int32), held[order]


def _rules(
    triples: IntArray, held: LongArray, single: DoubleArray, counts: Csr, n_baskets: int, *, least: float
) -> LargerRules:
    parts = []
    for place in range(3):
        (first, second), consequent = np.delete(triples, place, axis=1).T, triples[:, place]
        confidence = held / _held(counts, first, second)
        shorter = np.maximum(
            _held(counts, first, consequent) / single[first],
            _held(counts, second, consequent) / single[second],
        )
        lift = confidence * n_baskets / single[consequent]
        better = confidence >= IMPROVEMENT * np.maximum(shorter, single[consequent] / n_baskets)
        kept = better & (confidence >= least)
        rows = (first, second, consequent, held / n_baskets, confidence, lift, shorter)
        parts.append(np.stack(rows, axis=1)[kept])
    table = np.concatenate(parts)
    table = table[np.lexsort(table[:, 2::-1].T)]
    first, second, consequent, support, confidence, lift, shorter = table.T
    antecedents = np.stack([first, second], axis=1).astype(np.int32)
    numbers = (np.ascontiguousarray(each, dtype=np.float32) for each in (support, confidence, lift, shorter))
    return LargerRules(antecedents, consequent.astype(np.int32), *numbers)


def _held(counts: Csr, one: IntArray, other: IntArray) -> DoubleArray:
    """Baskets that hold both items of each pair, float64[t]."""
    held: DoubleArray = np.asarray(counts[one, other], dtype=np.float64).ravel() if len(one) else np.zeros(0)
    return held
