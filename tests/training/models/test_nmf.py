import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.evaluation.ranking import rank
from training.models import nmf
from training.models.core.base import Query
from training.models.core.data import TrainingData
from training.models.core.vocabulary import Vocabulary
from training.models.nmf import Nmf, NmfConfig, fit


def random_data(users: int, items: int, nnz: int) -> TrainingData:
    generator = np.random.default_rng(0)
    matrix = sparse.coo_array(
        (np.ones(nnz, np.float32), (generator.integers(0, users, nnz), generator.integers(0, items, nnz))),
        shape=(users, items),
    ).tocsr()
    names = Vocabulary.build(f"{i:07d}" for i in range(items))
    return TrainingData(names, Vocabulary.build(f"{i:07d}" for i in range(users)), matrix)


def loss(data: TrainingData, users: np.ndarray, items: np.ndarray) -> float:
    return float(((data.interactions.toarray() - users @ items.T) ** 2).sum())


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_fits_as_well_as_scikit_learn() -> None:
    from sklearn.decomposition import NMF

    data = random_data(60, 40, 400)
    ours = fit(data, NmfConfig(factors=5, iterations=200, l2=0.0, strength="linear"), 0)
    theirs = NMF(n_components=5, init="random", random_state=0, max_iter=200)
    users = theirs.fit_transform(data.interactions)
    expected = loss(data, users, theirs.components_.T)
    found = loss(data, ours.user_factors[ours.user_rows], ours.item_factors)
    assert found <= expected * 1.03


def test_luck_decides_hardly_anything_after_a_few_rounds() -> None:
    """A young shop of six tastes, learned with few rounds: else the lists depended on the seed."""
    generator = np.random.default_rng(3)
    taste = generator.integers(0, 6, 300)
    chance = np.where(np.arange(60) % 6 == taste[:, None], 0.3, 0.03)
    bought = sparse.csr_array((generator.random((300, 60)) < chance).astype(np.float32))
    names = Vocabulary.build(f"{i:03d}" for i in range(60)), Vocabulary.build(f"{i:03d}" for i in range(300))
    data, config = TrainingData(*names, bought), NmfConfig(factors=8, iterations=5, l2=1.0, strength="log1p")
    one, other = (rank(fit(data, config, seed), bought, 10, 300) for seed in (1, 2))
    same = [len({*mine} & {*theirs}) for mine, theirs in zip(one.tolist(), other.tolist(), strict=True)]
    assert np.mean(same) >= 9


def test_more_topics_than_users_or_items(checkerboard: TrainingData) -> None:
    few = replace(checkerboard, interactions=checkerboard.interactions[:3])
    users = Vocabulary.build(f"{i}" for i in range(3))
    model = fit(replace(few, users=users), NmfConfig(factors=50, iterations=5, l2=1.0, strength="log1p"), 0)
    assert np.isfinite(model.item_factors).all() and model.item_factors.shape[1] == 50


def test_factors_are_not_negative(checkerboard: TrainingData) -> None:
    model = fit(checkerboard, NmfConfig(factors=4, iterations=10, l2=0.1, strength="log1p"), 0)
    assert model.item_factors.min() >= 0
    assert model.user_factors.min() >= 0


def test_four_times_as_many_users_of_the_same_tastes_leave_the_scores_as_they_are(
    checkerboard: TrainingData,
) -> None:
    histories, config = (
        checkerboard.interactions,
        NmfConfig(factors=4, iterations=60, l2=0.5, strength="log1p"),
    )
    larger = replace(checkerboard, interactions=sparse.vstack([histories] * 4, format="csr"))
    once, often = (fit(data, config, 0).score_batch(histories) for data in (checkerboard, larger))
    np.testing.assert_allclose(often, once, atol=0.02)
    assert once.max() > 0.1


def test_a_fold_in_is_the_best_non_negative_vector(checkerboard: TrainingData) -> None:
    from scipy.optimize import nnls

    model: Nmf = fit(checkerboard, NmfConfig(factors=4, iterations=10, l2=0.1, strength="linear"), 0)
    items, weights = np.array([0, 2, 4], dtype=np.int32), np.ones(3, dtype=np.float32)
    root = np.linalg.cholesky(model.gram.astype(np.float64))
    expected, _ = nnls(root.T, np.linalg.solve(root, weights @ model.item_factors[items]))
    np.testing.assert_allclose(model.fold_in(items, weights), expected, atol=0.02)


def test_no_dense_user_by_item_matrix_is_made() -> None:
    data = random_data(20_000, 10_000, 50_000)
    dense = 20_000 * 10_000 * 4
    tracemalloc.start()
    fit(data, NmfConfig(factors=8, iterations=2, l2=0.1, strength="log1p"), 0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < dense / 10


def test_items_nobody_had_are_no_opinion() -> None:
    data = random_data(20, 10, 60)
    cut = data.interactions.tolil()
    cut[:, 3] = 0
    model = fit(
        replace(data, interactions=cut.tocsr()),
        NmfConfig(factors=3, iterations=5, l2=0.1, strength="log1p"),
        0,
    )
    assert model.scores(Query(np.array([1], np.int32), np.ones(1, np.float32)))[3] == 0.0


@given(st.integers(0, 1000), st.integers(4, 12), st.integers(4, 9), st.sampled_from([0.0, 0.3]))
def test_a_row_that_counts_n_times_is_as_good_as_n_rows(
    seed: int, users: int, items: int, penalty: float
) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.random((users, items), dtype=np.float32)
    times = draw.integers(1, 5, users)
    # One start for both: which side of a singular vector weighs more may be left to rounding.
    of_users, of_items = draw.random((users, 3), dtype=np.float32), draw.random((items, 3), dtype=np.float32)
    config = NmfConfig(factors=3, iterations=4, l2=0.0, strength="linear")
    once, all_rows = (sparse.csr_array(each) for each in (rows, np.repeat(rows, times, axis=0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nmf, "_start", lambda *_: (of_users.copy(), of_items.copy()))
        counted = nmf._factorise(once, times.astype(np.float32), penalty, config, (0, None))
        patch.setattr(nmf, "_start", lambda *_: (np.repeat(of_users, times, axis=0), of_items.copy()))
        plain = nmf._factorise(all_rows, np.ones(times.sum(), np.float32), penalty, config, (0, None))
    np.testing.assert_allclose(counted, plain, atol=5e-3)


def test_rows_that_count_begin_as_so_many_rows() -> None:
    draw = np.random.default_rng(1)
    rows, times = draw.random((9, 6), dtype=np.float32), draw.integers(1, 5, 9)
    users, items = nmf._start(sparse.csr_array(rows), times.astype(np.float32), 2, 0)
    all_rows = sparse.csr_array(np.repeat(rows, times, axis=0))
    every, same = nmf._start(all_rows, np.ones(times.sum(), np.float32), 2, 0)
    np.testing.assert_allclose(np.repeat(users, times, axis=0), every, atol=1e-3)
    np.testing.assert_allclose(items, same, atol=1e-3)


@given(st.integers(0, 1000), st.integers(0, 20), st.integers(1, 5), st.sampled_from([0.0, 0.5]))
def test_rows_are_solved_block_by_block_as_all_at_once(
    seed: int, rows: int, factors: int, penalty: float
) -> None:
    draw = np.random.default_rng(seed)
    begun, targets = draw.random((2, rows, factors), dtype=np.float32)
    other = draw.random((6, factors), dtype=np.float32) * (draw.random(factors) < 0.8)
    gram = (other.T @ other).astype(np.float32)
    plain, swept = begun.copy(), begun.copy()
    for factor in range(factors):
        if (curvature := gram[factor, factor] + penalty) > 0:
            left = targets[:, factor] - plain @ gram[:, factor] - penalty * plain[:, factor]
            plain[:, factor] = np.maximum(plain[:, factor] + left / curvature, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nmf, "_BLOCK", 7)
        nmf._sweep(swept, targets, gram, penalty)
    np.testing.assert_allclose(swept, plain, rtol=1e-3, atol=1e-3)
