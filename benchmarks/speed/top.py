"""Best items: of a new user by fold-in beside a product over all items, of all users beside `implicit`."""

from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.speed.compare import Benchmark, Pair
from benchmarks.speed.reviews import RATINGS, reviews, training_data
from benchmarks.speed.vectors import one_thread
from training.evaluation.ranking import rank
from training.models.als import Als, AlsConfig
from training.models.als import fit as fit_als
from training.models.core.base import Query, exclude, top_k
from training.models.core.types import Csr, IntArray
from training.params import load_params

DEPTH = 20
_ROUNDS = 3
"""Of ALS: the lists' quality is not asked here."""
_NEW_USERS = 200
_OVERLAP = 0.95
_SAME = 0.995
_AT_ONCE = 512
_ALL_USERS = RATINGS // 10
"""Of ratings: all users by all items of the whole set took hours."""


def _fold_in(size: int) -> Pair:
    train, model = _fitted(size)
    several = np.flatnonzero(np.diff(train.indptr) > 1)[:_NEW_USERS]
    # As a new user asks for a list: without what they have seen.
    queries = [
        Query(train.indices[span], train.data[span], train.indices[span])
        for span in (slice(train.indptr[user], train.indptr[user + 1]) for user in several.tolist())
    ]
    vectors = [model.user_vector(query) for query in queries]

    @one_thread()
    def ours() -> list[IntArray]:
        return [model.recommend(query, DEPTH)[0] for query in queries]

    @one_thread()
    def reference() -> list[Any]:
        return [model.item_factors @ vector for vector in vectors]

    def agree(our: Any, their: Any) -> str:
        shared = [
            len(np.intersect1d(found, top_k(exclude(scores, query.exclude), DEPTH)[0]))
            for query, found, scores in zip(queries, our, their, strict=True)
        ]
        overlap = float(np.mean(shared)) / DEPTH
        assert overlap >= _OVERLAP, f"overlap@{DEPTH} {overlap:.3f}"
        return f"overlap@{DEPTH} {overlap:.3f}"

    return Pair(f"{_NEW_USERS} users, {_shape(model)}", ours, reference, agree)


def _everyone(size: int) -> Pair:
    from implicit.cpu.als import AlternatingLeastSquares

    train, model = _fitted(size)
    filtered = sparse.csr_matrix(train)
    theirs = AlternatingLeastSquares(factors=model.item_factors.shape[1])
    theirs.item_factors = model.item_factors
    theirs.user_factors = np.ascontiguousarray(model.user_factors[model.user_rows])
    users = np.arange(train.shape[0])

    def ours() -> IntArray:
        return rank(model, train, DEPTH, _AT_ONCE)

    def reference() -> Any:
        return theirs.recommend(users, filtered, N=DEPTH, filter_already_liked_items=True)[0]

    def agree(our: Any, their: Any) -> str:
        checked = np.random.default_rng(0).choice(users, min(2000, len(users)), replace=False)
        shared = np.mean([len(np.intersect1d(our[user], their[user])) for user in checked.tolist()]) / DEPTH
        assert shared >= _SAME, f"{shared:.4f} of the items are the same"
        return f"{shared:.4f} of the items are the same"

    return Pair(f"{len(users):,} users, {_shape(model)}", ours, reference, agree)


def _fitted(size: int) -> tuple[Csr, Als]:
    params = load_params()
    config = params.section(AlsConfig).model_copy(update={"iterations": _ROUNDS})
    train = reviews(size)
    return train, fit_als(training_data(train), config, params.seed)


def _shape(model: Als) -> str:
    return f"{model.n_items:,} items, {model.item_factors.shape[1]} factors"


BENCHMARKS = (
    Benchmark(
        "foldin",
        "a new user's best 20, folded in",
        "product over all items, one thread",
        0.5,
        _fold_in,
        RATINGS,
        5,
    ),
    Benchmark("everyone", "best 20 of all users", "implicit.recommend", 0.35, _everyone, _ALL_USERS, 7),
)
