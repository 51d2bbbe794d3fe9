"""Association rules between items, with support, confidence and lift.

Pair rules need no FP-tree: the sparse product of the basket matrix with itself counts every pair
exactly. The rules are those of mlxtend's `fpgrowth` and `association_rules` with `max_len=2` (a test
holds them equal), in a fraction of the time. Rules with two antecedents are mined by mlxtend's FP-Growth
(core/itemsets.py); they count where a basket is what is asked with.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from training.models.core.base import Algorithm, Config, Query
from training.models.core.bounds import MOST_POWER
from training.models.core.data import TrainingData
from training.models.core.itemsets import LargerRules, larger_rules
from training.models.core.neighbours import NeighbourModel, keep_top, row_blocks
from training.models.core.storage import Arrays
from training.models.core.types import Csr, DoubleArray, FloatArray, IntArray, Report

TELLING_LIFT = 1.2
"""A rule below this is near what chance would give: it recommends nothing for a basket, and is no reason."""
_AT_ONCE = 2
"""Blocks of pairs that are counted side by side."""


class FpGrowthConfig(Config):
    """Section `fpgrowth`."""

    min_support_baskets: int = Field(ge=1)
    """A pair, or a set of three, must stand in at least so many baskets."""
    min_confidence: float = Field(ge=0, le=1)
    """A rule must hold in at least this share of the antecedent's baskets."""
    max_basket: int = Field(ge=1)
    """A larger basket is cut to so many items, drawn by the seed: pairs grow with its square."""
    max_rules_per_item: int = Field(ge=1)
    """Rules kept for each antecedent, the most confident."""
    lift_power: float = Field(ge=0, le=MOST_POWER)
    """A rule adds confidence * lift ^ lift_power to a score: 0 is the confidence alone, which favours what
    is popular anyway; the higher, the more a rule must tell beyond that."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Who has all `antecedents` also has `consequent`."""

    antecedents: tuple[int, ...]
    consequent: int
    support: float
    """Share of all baskets that hold all of them."""
    confidence: float
    """Share of the baskets with the antecedents that hold the consequent too."""
    lift: float
    """Confidence over the consequent's share of all baskets: above 1, they attract each other."""


class FpGrowth(NeighbourModel):
    """Row j: the rules from item j alone. `data` is their confidence, `weights` what each adds."""

    name: ClassVar[str] = "fpgrowth"

    def __init__(
        self,
        indptr: IntArray,
        indices: IntArray,
        data: FloatArray,
        scalars: dict[str, Any],
        *,
        support: FloatArray,
        lift: FloatArray,
        larger: LargerRules,
    ) -> None:
        """Keep the rules; `support` and `lift` are aligned with `data`, `larger` have two antecedents."""
        super().__init__(indptr, indices, data, scalars)
        self.support = support
        self.lift = lift
        self.larger = larger
        power = float(scalars["lift_power"])
        # lift^0 is 1: the array itself is kept then, memory-mapped, rather than a copy of it.
        self.weights = (data * lift**power).astype(np.float32) if power else data
        self._telling = np.where(lift >= TELLING_LIFT, self.weights, np.float32(0))
        gains = (larger.confidence - larger.shorter) * larger.lift**power
        self._gains = np.where(larger.lift >= TELLING_LIFT, gains, 0).astype(np.float32)

    def basket_scores(self, query: Query) -> FloatArray:
        """Scores of all items for a basket, float32[n_items], by the rules that reach TELLING_LIFT.

        A rule with one antecedent adds what it adds to `scores`. One with two adds (its confidence less that
        of the better one with one of them) * lift ^ lift_power: what it tells beyond the pairs, which are in
        the sum already.
        """
        scores, larger = self.added(query, self._telling), self.larger
        matching = larger.matching(query.items, self.n_items)
        np.add.at(scores, larger.consequents[matching], self._gains[matching])
        return scores

    def explain_basket(self, items: IntArray, basket: IntArray) -> list[Rule | None]:
        """For each item the most confident rule with a telling lift from one or two of a basket's items.

        Args:
            items: int32[k], each once.
            basket: int32[m]
        """
        larger = self.larger
        best = {item: self.explain(item, basket, TELLING_LIFT) for item in items.tolist()}
        matching = larger.matching(basket, self.n_items)
        asked = np.isin(larger.consequents[matching], items) & (larger.lift[matching] >= TELLING_LIFT)
        for place in matching[asked].tolist():
            rule = self._larger_rule(place)
            known = best[rule.consequent]
            if known is None or rule.confidence > known.confidence:
                best[rule.consequent] = rule
        return list(best.values())

    def explain(self, item: int, history: IntArray, least_lift: float = 0.0) -> Rule | None:
        """The most confident rule from an item of the history (int32[m]) to an item, if any.

        Rules whose lift is below `least_lift` don't count.
        """
        best: Rule | None = None
        for antecedent in history.tolist():
            start = int(self.indptr[antecedent])
            consequents, _ = self.row(antecedent)
            # Rows are sorted by column, so that a rule is found in log(rules) steps.
            position = int(np.searchsorted(consequents, item))
            if position < len(consequents) and consequents[position] == item:
                rule = self._rule(antecedent, start + position)
                if rule.lift >= least_lift and (best is None or rule.confidence > best.confidence):
                    best = rule
        return best

    def _rule(self, antecedent: int, position: int) -> Rule:
        return Rule(
            (antecedent,),
            int(self.indices[position]),
            float(self.support[position]),
            float(self.data[position]),
            float(self.lift[position]),
        )

    def _larger_rule(self, place: int) -> Rule:
        return Rule(
            tuple(self.larger.antecedents[place].tolist()),
            int(self.larger.consequents[place]),
            float(self.larger.support[place]),
            float(self.larger.confidence[place]),
            float(self.larger.lift[place]),
        )

    def arrays(self) -> Arrays:
        return super().arrays() | {"support": self.support, "lift": self.lift} | self.larger.arrays()

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        pairs = {name: array for name, array in arrays.items() if not name.startswith("larger_")}
        return cls(**pairs, scalars=settings, larger=LargerRules.restore(arrays))


def fit(data: TrainingData, config: FpGrowthConfig, seed: int, report: Report | None = None) -> FpGrowth:
    """Count pairs, mine sets of three, keep the rules. Without baskets, a user's history is one basket."""
    baskets = cut_baskets(
        data.interactions if data.baskets is None else data.baskets, config.max_basket, seed
    )
    single, pairs = baskets.sum(axis=0, dtype=np.float64), pair_counts(baskets, config.min_support_baskets)
    larger = larger_rules(baskets, single, pairs, config.min_support_baskets, config.min_confidence)
    return _rules(single, pairs, baskets.shape[0], config, larger)


def cut_baskets(baskets: Csr, limit: int, seed: int) -> Csr:
    """A one (csr float32) for every item of a basket; of one above `limit`, so many drawn by the seed."""
    generator = np.random.default_rng(seed)
    sizes = np.diff(baskets.indptr)
    keep = np.ones(baskets.nnz, dtype=bool)
    for row in np.flatnonzero(sizes > limit):
        start, size = int(baskets.indptr[row]), int(sizes[row])
        keep[start + generator.permutation(size)[limit:]] = False
    rows = np.repeat(np.arange(baskets.shape[0]), sizes)[keep]
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_array((ones, (rows, baskets.indices[keep])), shape=baskets.shape)


def pair_counts(baskets: Csr, least: int) -> Csr:
    """Baskets that hold both items, where these are `least` or more; csr int32[n_items, n_items]."""
    # No pair stands in more baskets than either of its items (Agrawal and Srikant 1994).
    frequent = np.flatnonzero(np.bincount(baskets.indices, minlength=baskets.shape[1]) >= least)
    # int32: float32 counts exactly only up to 2^24 baskets.
    whole = sparse.csr_array(_short_indices(baskets)[:, frequent], dtype=np.int32)
    items = sparse.csr_array(whole.T)

    def count(block: tuple[int, int]) -> IntArray:
        """Of one block's items: int64[3, p], two items and how often they stand together."""
        start, end = block
        # Pairs with items of earlier blocks are counted there; most are rare, and dropped with the block.
        found = items[start:end] @ whole[:, start:]
        kept = np.flatnonzero(found.data >= least)
        one = np.searchsorted(found.indptr, kept, side="right") - 1 + start
        other = found.indices[kept] + start
        once = one < other
        return np.stack([frequent[one], frequent[other], found.data[kept]])[:, once]

    with ThreadPoolExecutor(_AT_ONCE) as threads:  # SciPy multiplies without Python's lock
        counted = threads.map(count, row_blocks(items, whole, _AT_ONCE))
        one, other, counts = np.concatenate([np.zeros((3, 0), dtype=np.int64), *counted], axis=1)
    both_ways = np.concatenate([one, other]), np.concatenate([other, one])
    n_items = baskets.shape[1]
    pairs = sparse.csr_array(
        (np.concatenate([counts, counts]).astype(np.int32), both_ways), shape=(n_items, n_items)
    )
    pairs.sort_indices()
    return pairs


def _short_indices(matrix: Csr) -> Csr:
    """The same matrix, its places in 32 bits where they fit: a product takes a fifth less time."""
    if max(matrix.nnz, *matrix.shape) > np.iinfo(np.int32).max:
        return matrix
    places = matrix.indices.astype(np.int32, copy=False), matrix.indptr.astype(np.int32, copy=False)
    return sparse.csr_array((matrix.data, *places), shape=matrix.shape)


def _rules(
    single: DoubleArray, pairs: Csr, n_baskets: int, config: FpGrowthConfig, larger: LargerRules
) -> FpGrowth:
    both = pairs.tocoo()
    # P(consequent | antecedent) = support(both) / support(antecedent) (Agrawal et al. 1993).
    confidence = both.data / single[both.row]
    kept = confidence >= config.min_confidence
    matrix = sparse.csr_array((confidence[kept], (both.row[kept], both.col[kept])), shape=pairs.shape)
    # Cut by confidence before support and lift are looked up: they then align with what is left.
    matrix = keep_top(matrix, config.max_rules_per_item)
    antecedents = np.repeat(np.arange(len(single)), np.diff(matrix.indptr))
    held = np.asarray(pairs[antecedents, matrix.indices]).ravel() if len(antecedents) else np.zeros(0)
    return FpGrowth(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32),
        {"strength": "binary", "baskets": n_baskets, "lift_power": config.lift_power},
        support=(held / max(n_baskets, 1)).astype(np.float32),
        lift=(matrix.data * n_baskets / np.maximum(single[matrix.indices], 1.0)).astype(np.float32),
        larger=larger,
    )


ALGORITHM = Algorithm(
    FpGrowthConfig,
    fit,
    FpGrowth,
    about="Association rules: items bought together.",
    limits="Only items bought together often enough have rules (see params).",
)
