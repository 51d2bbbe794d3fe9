"""Rank the full catalogue for every test user, and evaluate the lists."""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from training.evaluation import metrics
from training.evaluation.intervals import Estimate, estimate_means, jackknife_interval, list_matrix
from training.models.blend import FEW_INTERACTIONS
from training.models.core.base import Model, top_k
from training.models.core.factors import distinct_rows
from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray, LongArray

AT_ONCE = 4
"""Blocks of users that a model may rank at once, each on a core."""

SCORE_BYTES = 64 * 1024 * 1024
"""Of the scores of the blocks that are ranked, users by items. BLOCKS_HELD times as much exists while a blend
is evaluated."""

BLOCKS_HELD = 9
"""A part as it is, normalised and weighted, the sum of all, their sizes, and what rounding may be."""

ACCURACY: dict[str, metrics.Accuracy] = {
    "recall": metrics.recall,
    "ndcg": metrics.ndcg,
    "map": metrics.average_precision,
    "mrr": metrics.reciprocal_rank,
    "hit_rate": metrics.hit_rate,
}
CURVES = ("ndcg", "recall")
"""Metrics that are drawn by the length of the list."""

ITEMS = "few_interactions_items"
"""The slice that is about items with few interactions: accuracy with only them as right answers, the share
of them that is in any list ("coverage@10"), the share of a list that they are ("share@10")."""


class Ranker(Protocol):
    """What can be evaluated: every model, and blends of them."""

    def score_batch(self, histories: Csr) -> FloatArray: ...


@dataclass(frozen=True)
class TestSet:
    """Test users: what is known of them, and what they went on to do."""

    __test__ = False  # it is not a test class

    histories: Csr
    """csr float32[u, n_items]: what they did before the cut, excluded from their lists; an empty row is a
    cold user."""
    truth: Csr
    """csr[u, n_items]: right answers, at least one a user, none in `histories`."""
    item_users: LongArray
    """int64[n_items]: training users of each item."""
    n_train_users: int
    vectors: FloatArray | None
    """float32[n_items, d]: what intra-list diversity is measured with; None leaves it out."""

    @classmethod
    def build(cls, train: Csr, truth: Csr, vectors: FloatArray | None) -> "TestSet":
        """The users with at least one right answer.

        Args:
            train: csr float32[n_users, n_items], what the models were fitted on.
            truth: csr[n_users, n_items], same users.
            vectors: float32[n_items, d] or None.
        """
        users = np.flatnonzero(np.diff(truth.indptr))
        item_users = np.bincount(train.indices, minlength=train.shape[1])
        known = int((np.diff(train.indptr) > 0).sum())
        return cls(train[users], truth[users], item_users, known, vectors)

    def of(self, users: BoolArray | IntArray) -> "TestSet":
        """Only some of the users: a mask, or their places."""
        return replace(self, histories=self.histories[users], truth=self.truth[users])

    def sample(self, limit: int, seed: int) -> "TestSet":
        """At most `limit` of the users, drawn by the seed."""
        n_users = self.histories.shape[0]
        if n_users <= limit:
            return self
        # Sorted: users stay in the order of the snapshot, whatever was drawn.
        chosen = np.sort(np.random.default_rng(seed).permutation(n_users)[:limit])
        return self.of(chosen)

    def user_slices(self) -> dict[str, BoolArray]:
        """Users by what was known of them, each bool[u]."""
        sizes = np.diff(self.histories.indptr)
        return {
            "all": np.ones(len(sizes), dtype=bool),
            "warm_users": sizes > 0,
            "cold_users": sizes == 0,
            "few_interactions_users": (sizes > 0) & (sizes < FEW_INTERACTIONS),
        }

    @property
    def new_items(self) -> BoolArray:
        """bool[n_items]: items with under FEW_INTERACTIONS training users."""
        few: BoolArray = self.item_users < FEW_INTERACTIONS
        return few

    def tail_truth(self) -> Csr:
        """Only the right answers that are items with few training interactions."""
        kept = self.new_items[self.truth.indices].astype(np.float32)
        tail = sparse.csr_array(
            (kept, self.truth.indices.copy(), self.truth.indptr.copy()), shape=self.truth.shape
        )
        tail.eliminate_zeros()
        return tail


@dataclass(frozen=True)
class Evaluation:
    """One ranker's numbers. Metrics are named "ndcg@10"."""

    per_user: Mapping[str, DoubleArray]
    """float64[u] for each metric that users have one by one: what `compare` takes."""
    slices: Mapping[str, Mapping[str, Estimate]]
    """slice → metric → number and interval."""
    users: Mapping[str, int]
    """slice → users in it."""
    by_k: Mapping[str, Sequence[Estimate]] = field(default_factory=dict)
    """Each of CURVES over all users at every length of the list, from 1 to the longest cutoff."""

    def metric(self, name: str, part: str = "all") -> float:
        return self.slices[part][name].value

    def as_dict(self) -> dict[str, Any]:
        """JSON form; a metric of a slice that has no number (no such users) is left out."""
        return {
            "users": dict(self.users),
            "by_k": {
                name: [{"k": k, **asdict(found)} for k, found in enumerate(curve, start=1)]
                for name, curve in self.by_k.items()
            },
            "slices": {
                part: {name: asdict(found) for name, found in table.items() if np.isfinite(found.value)}
                for part, table in self.slices.items()
            },
        }


def rank(ranker: Ranker, histories: Csr, k: int, batch_users: int) -> IntArray:
    """The k best unseen items of each user, int32[u, k], best first, padded with -1.

    A model knows nothing of a user but the history: users of the same one have the same list, which is made
    once, and blocks of users are ranked side by side. Other rankers are asked for each user, in order.
    """
    if not isinstance(ranker, Model):
        return _rank_each(ranker, histories, k, batch_users)
    first, inverse = distinct_rows(histories)
    # Products of BLAS are half of the work: one block on all cores would leave all but one idle in the other
    # half. Scores then don't depend on how many cores there are.
    with threadpool_limits(1, user_api="blas"):
        return _rank_each(ranker, histories[first], k, batch_users, AT_ONCE)[inverse]


def _rank_each(ranker: Ranker, histories: Csr, k: int, batch_users: int, at_once: int = 1) -> IntArray:
    n_users, n_items = histories.shape
    lists = np.full((n_users, k), -1, dtype=np.int32)
    # 4 bytes a score: a large catalogue gets fewer users at a time.
    batch = max(1, min(batch_users, SCORE_BYTES // (4 * max(n_items, 1) * at_once)))

    def fill(start: int) -> None:
        part = histories[start : start + batch]
        scores = ranker.score_batch(part)
        # Seen items: 0 is no opinion, and such an item is in no list.
        scores[np.repeat(np.arange(part.shape[0]), np.diff(part.indptr)), part.indices] = 0.0
        for row, of_user in enumerate(scores, start):
            items, _ = top_k(of_user, k)
            lists[row, : len(items)] = items

    with ThreadPoolExecutor(min(at_once, os.cpu_count() or 1), "lists") as blocks:
        deque(blocks.map(fill, range(0, n_users, batch)), maxlen=0)  # raises what one of them has raised
    return lists


def evaluate(lists: IntArray, test: TestSet, cutoffs: Sequence[int], samples: int, seed: int) -> Evaluation:
    """Evaluate lists.

    Args:
        lists: int32[u, >= max(cutoffs)], from `rank`.
        test: the users they are for.
        cutoffs: lengths to evaluate at.
        samples: bootstrap resamples.
        seed: of the resampling.
    """
    per_user = accuracy(lists, test.truth, cutoffs) | beyond_accuracy(lists, test, cutoffs)
    tables: dict[str, dict[str, Estimate]] = {}
    users: dict[str, int] = {}
    for part, mask in test.user_slices().items():
        chosen = {name: values[mask] for name, values in per_user.items()}
        tables[part] = _estimates(chosen, samples, seed)
        tables[part] |= of_all_lists(lists[mask], len(test.item_users), cutoffs)
        users[part] = int(mask.sum())
    tail, new = test.tail_truth(), test.new_items
    of_items = accuracy(lists, tail, cutoffs) | {
        f"share@{k}": metrics.share_of(new, lists, k) for k in cutoffs
    }
    tables[ITEMS] = _estimates(of_items, samples, seed) | coverage_of(new, lists, cutoffs)
    users[ITEMS] = int((np.diff(tail.indptr) > 0).sum())
    return Evaluation(per_user, tables, users, by_length(lists, test.truth, max(cutoffs), samples, seed))


def accuracy(lists: IntArray, truth: Csr, cutoffs: Sequence[int]) -> dict[str, DoubleArray]:
    """Every accuracy metric at every cutoff, float64[u] each."""
    hits = metrics.find_hits(lists, truth)
    counts = metrics.right_answers(truth)
    return {f"{name}@{k}": metric(hits, counts, k) for name, metric in ACCURACY.items() for k in cutoffs}


def beyond_accuracy(lists: IntArray, test: TestSet, cutoffs: Sequence[int]) -> dict[str, DoubleArray]:
    """Novelty, popularity percentile and intra-list diversity at every cutoff, float64[u] each."""
    found: dict[str, DoubleArray] = {}
    for k in cutoffs:
        found[f"novelty@{k}"] = metrics.novelty(lists, test.item_users, test.n_train_users, k)
        found[f"popularity@{k}"] = metrics.popularity_percentile(lists, test.item_users, k)
        if test.vectors is not None:
            found[f"diversity@{k}"] = metrics.diversity(lists, test.vectors, k, block=1024)
    return found


def by_length(
    lists: IntArray, truth: Csr, longest: int, samples: int, seed: int
) -> dict[str, list[Estimate]]:
    """Each of CURVES over all users, at every length of the list from 1 to `longest`."""
    hits, counts = metrics.find_hits(lists, truth), metrics.right_answers(truth)
    lengths = range(1, longest + 1)
    values = np.column_stack([ACCURACY[name](hits, counts, k) for name in CURVES for k in lengths])
    found = iter(estimate_means(values, samples, seed))
    return {name: [next(found) for _ in lengths] for name in CURVES}


def of_all_lists(lists: IntArray, n_items: int, cutoffs: Sequence[int]) -> dict[str, Estimate]:
    """Coverage and Gini, which belong to all lists together; without a list there is no Gini."""
    found = coverage_of(np.ones(n_items, dtype=bool), lists, cutoffs)
    for k in cutoffs:
        uneven = metrics.gini(metrics.exposure(lists, n_items, k))
        without = metrics.gini_without_each(list_matrix(lists[:, :k], n_items))
        found[f"gini@{k}"] = _share(jackknife_interval(uneven, without))
    return found


def coverage_of(items: BoolArray, lists: IntArray, cutoffs: Sequence[int]) -> dict[str, Estimate]:
    """The share of some items (bool[n_items]) that is in any list."""
    found: dict[str, Estimate] = {}
    for k in cutoffs:
        listed = list_matrix(lists[:, :k], len(items))[:, items]
        value = metrics.coverage(listed.sum(axis=0)) if items.any() and len(lists) else np.nan
        found[f"coverage@{k}"] = _share(jackknife_interval(value, metrics.coverage_without_each(listed)))
    return found


def _estimates(per_user: Mapping[str, DoubleArray], samples: int, seed: int) -> dict[str, Estimate]:
    found = estimate_means(np.column_stack(list(per_user.values())), samples, seed)
    return dict(zip(per_user, found, strict=True))


def _share(found: Estimate) -> Estimate:
    """An interval that ends where shares end."""
    return Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0))
