"""Factorisations: our ALS and bare `implicit`, our NMF and scikit-learn's."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from benchmarks.speed.compare import Benchmark, Pair
from benchmarks.speed.reviews import RATINGS, reviews, training_data
from training.models.als import AlsConfig
from training.models.als import fit as fit_als
from training.models.core.base import top_k
from training.models.core.data import transform_matrix
from training.models.core.types import Csr, FloatArray
from training.models.nmf import NmfConfig
from training.models.nmf import fit as fit_nmf
from training.params import load_params

DEPTH = 20
_TESTED = 2000
_SLACK = 0.995


def _als(size: int) -> Pair:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    params = load_params()
    config = params.section(AlsConfig)
    train, hidden = _hide_one(reviews(size))
    data = training_data(train)

    def ours() -> Any:
        model = fit_als(data, config, params.seed)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
        return model

    def reference() -> Any:
        strengths = transform_matrix(train, config.strength)
        model = AlternatingLeastSquares(
            factors=config.factors,
            regularization=ours_first.scalars["regularization"],
            alpha=config.alpha,
            iterations=config.iterations,
            random_state=params.seed,
        )
        with threadpool_limits(limits=1, user_api="blas"):
            model.fit(sparse.csr_matrix(strengths), show_progress=False)
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "users.npy", model.user_factors)
            np.save(Path(folder) / "items.npy", model.item_factors)
        return model

    ours_first = fit_als(data, config.model_copy(update={"iterations": 1}), params.seed)

    def agree(our: Any, their: Any) -> str:
        users = np.array(sorted(hidden))
        vectors = our.fold_in_batch(transform_matrix(sparse.csr_array(train[users]), config.strength))
        found = _recall(vectors @ our.item_factors.T, train, users, hidden)
        other = _recall(their.user_factors[users] @ their.item_factors.T, train, users, hidden)
        assert found >= _SLACK * other, f"Recall@{DEPTH} {found:.4f} against {other:.4f}"
        return f"Recall@{DEPTH} {found:.4f}, reference {other:.4f}"

    return Pair(_shape(train), ours, reference, agree)


def _nmf(size: int) -> Pair:
    from sklearn.decomposition import NMF

    params = load_params()
    config = params.section(NmfConfig).model_copy(update={"factors": 50})
    train = reviews(size)
    data = training_data(train)
    matrix = transform_matrix(train, config.strength)

    def ours() -> tuple[FloatArray, FloatArray]:
        model = fit_nmf(data, config, params.seed)
        return model.user_factors[model.user_rows], model.item_factors

    target = _loss(matrix, *ours())

    def reference() -> tuple[FloatArray, FloatArray]:
        # To the same loss: as many rounds as it takes, ten more at a time, each continuing the last.
        users = items = None
        while True:
            model = NMF(config.factors, init="nndsvd" if users is None else "custom", max_iter=10, tol=0.0)
            users = model.fit_transform(sparse.csr_matrix(matrix), W=users, H=items)
            items = model.components_
            if _loss(matrix, users, items.T) <= target:
                return users, items.T

    def agree(our: Any, their: Any) -> str:
        return f"loss {_loss(matrix, *our):,.0f}, reference {_loss(matrix, *their):,.0f}"

    return Pair(_shape(train), ours, reference, agree)


def _loss(matrix: Csr, users: FloatArray, items: FloatArray) -> float:
    """||X - WH'||^2, without forming WH'."""
    squares = float(np.dot(matrix.data, matrix.data))
    crossed = float(np.sum((matrix @ items) * users, dtype=np.float64))
    fitted = float(np.sum((users.T @ users).astype(np.float64) * (items.T @ items)))
    return squares - 2 * crossed + fitted


def _hide_one(ratings: Csr) -> tuple[Csr, dict[int, int]]:
    """The ratings without one of each of some users who have several, and which that was."""
    several = np.flatnonzero(np.diff(ratings.indptr) > 1)[:_TESTED]
    last = ratings.indptr[several + 1] - 1
    kept = ratings.copy()
    kept.data[last] = 0.0
    kept.eliminate_zeros()
    return kept, dict(zip(several.tolist(), ratings.indices[last].tolist(), strict=True))


def _recall(scores: FloatArray, train: Csr, users: Any, hidden: dict[int, int]) -> float:
    """The share of the hidden ratings among the best of each user."""
    hits = 0
    for row, user in enumerate(users.tolist()):
        scores[row, train.indices[train.indptr[user] : train.indptr[user + 1]]] = 0.0
        best, _ = top_k(scores[row].astype(np.float32), DEPTH)
        hits += hidden[user] in best
    return hits / len(users)


def _shape(matrix: Csr) -> str:
    return f"{matrix.shape[0]:,} users, {matrix.shape[1]:,} items, {matrix.nnz:,} pairs"


BENCHMARKS = (
    Benchmark("als", "ALS, from interactions to saved factors", "bare implicit", 0.5, _als, RATINGS, 6),
    Benchmark("nmf", "NMF, 50 factors", "scikit-learn, to the same loss", 0.5, _nmf, 1_000_000, 13),
)
