"""What ALS and NMF share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from training.models.core.base import Query
from training.models.core.factors import column_length, distinct_rows
from training.models.core.types import Csr, FloatArray
from training.models.nmf import Nmf


@given(st.lists(st.lists(st.sampled_from([0, 0, 1, 2]), min_size=4, max_size=4), min_size=1, max_size=12))
def test_users_with_the_same_history_have_one_row(rows: list[list[int]]) -> None:
    dense = np.array(rows, dtype=np.float32)
    first, inverse = distinct_rows(sparse.csr_array(dense))
    assert dense[first][inverse].tolist() == dense.tolist()
    assert len(np.unique(dense[first], axis=0)) == len(first)
    assert first.tolist() == sorted(first.tolist())


@pytest.mark.parametrize(
    ("dense", "length"),
    [
        ([[3, 0], [4, 0]], 5.0),
        ([[3, 1], [4, 1]], np.sqrt((25 + 2) / 2)),
        ([[0, 0], [0, 0]], 1.0),
    ],
)
def test_the_length_of_a_column_is_that_of_those_that_hold_anything(
    dense: list[list[int]], length: float
) -> None:
    matrix: Csr = sparse.csr_array(np.array(dense, dtype=np.float32))
    assert column_length(matrix) == pytest.approx(length)


def model() -> Nmf:
    """Three items of two factors, the last of which nobody chose; two users."""
    items = np.array([[1, 0], [1, 1], [0, 0]], dtype=np.float32)
    gram = items.T @ items + np.float32(0.1) * np.eye(2, dtype=np.float32)
    users = np.array([[2, 1]], dtype=np.float32)
    return Nmf(items, users, np.array([0, 0], dtype=np.int32), gram, {"strength": "binary"})


def test_similar_items_are_the_nearest_by_cosine_and_not_the_item_itself() -> None:
    items, cosines = model().similar(0, 5)
    assert items.tolist() == [1] and cosines == pytest.approx([np.sqrt(0.5)])
    assert not len(model().similar(2, 5)[0])


def test_a_model_without_its_users_scores_histories_alike() -> None:
    whole, asked = model(), Query(np.array([0], dtype=np.int32), np.ones(1, dtype=np.float32))
    without = whole.without_users()
    assert not len(without.user_factors)
    assert without.scores(asked).tolist() == whole.scores(asked).tolist()
    assert not whole.scores(Query()).any()


FACTORS = arrays(np.float32, (7, 3), elements=st.sampled_from([0.0, -2.0, 0.5, 3.0]))


@given(FACTORS, st.integers(0, 6), st.integers(1, 9))
def test_the_cosines_are_those_of_the_factors_however_long_they_are(
    factors: FloatArray, item: int, k: int
) -> None:
    fitted = Nmf(
        factors,
        np.zeros((0, 3), dtype=np.float32),
        np.zeros(0, dtype=np.int32),
        factors.T @ factors,
        {"strength": "binary"},
    )
    lengths = np.linalg.norm(factors.astype(float), axis=1)
    expected = {
        other: float(factors[other].astype(float) @ factors[item]) / lengths[other] / lengths[item]
        for other in range(7)
        if other != item and lengths[other] and lengths[item]
    }
    best = sorted((value for value in expected.values() if abs(value) > 1e-6), reverse=True)
    items, cosines = fitted.similar(item, k)
    assert cosines.tolist() == pytest.approx(best[: len(cosines)], abs=1e-5)
    assert len(cosines) >= min(k, sum(value > 1e-6 for value in best))
    for other, cosine in zip(items.tolist(), cosines.tolist(), strict=True):
        assert cosine == pytest.approx(expected[other], abs=1e-5)
