"""Half rounds of ALS: each row at the minimum of its own loss, and the loss as it is defined."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.models.core import least_squares
from training.models.core.least_squares import FEW_PAIRS, HalfRound, Side, with_int32
from training.models.core.types import Csr

FACTORS = 6
CONVERGED = 60
"""Steps of conjugate gradients."""


def shop(seed: int, rows: int, vectors: int) -> tuple[Csr, Side, np.ndarray]:
    """Rows of none to many pairs, vectors that stand for several rows, and regularisations."""
    draw = np.random.default_rng(seed)
    density = draw.choice([0.0, 0.02, 0.1, 0.4], size=(rows, 1))
    pairs = with_int32(
        np.where(draw.random((rows, vectors)) < density, 1 + 4 * draw.random((rows, vectors)), 0)
    )
    pairs.data = pairs.data.astype(np.float32)
    side = Side(
        draw.normal(size=(vectors, FACTORS)).astype(np.float32), draw.integers(1, 9, vectors).astype(np.int32)
    )
    penalties = draw.choice([0.5, 1.0, 4.0], size=rows).astype(np.float32)
    return pairs, side, penalties


@given(seed=st.integers(0, 2**20), rows=st.integers(1, 30))
def test_every_row_is_at_the_minimum_of_its_loss(seed: int, rows: int) -> None:
    pairs, side, penalties = shop(seed, rows, 100)
    found = np.random.default_rng(seed).normal(size=(rows, FACTORS)).astype(np.float32)
    HalfRound(pairs, side, penalties).solve(found, CONVERGED, 1)
    wide, times = side.vectors.astype(np.float64), side.times
    assert times is not None
    for row in range(rows):
        confidence = pairs[[row]].toarray().ravel().astype(np.float64)
        extra = np.maximum(confidence - 1, 0)
        left = wide.T @ ((times + extra)[:, None] * wide) + penalties[row] * np.eye(FACTORS)
        expected = np.linalg.solve(left, wide.T @ confidence)
        np.testing.assert_allclose(found[row], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pairs_of_a_row", [FEW_PAIRS, FEW_PAIRS + 1])
def test_a_column_may_stand_in_a_row_several_times(pairs_of_a_row: int) -> None:
    """Users of one history are one vector, and an item has a pair with each of them."""
    _, side, _ = shop(1, 1, 20)
    places = np.arange(pairs_of_a_row, dtype=np.int32) // 3
    confidence = np.linspace(1, 5, pairs_of_a_row, dtype=np.float32)
    pairs = sparse.csr_array((confidence, places, np.array([0, len(places)], dtype=np.int32)), shape=(1, 20))
    apart = np.zeros((20, 20))
    for place, value in zip(places.tolist(), confidence.tolist(), strict=True):
        apart[place, place] += value - 1
    found = np.zeros((1, FACTORS), dtype=np.float32)
    HalfRound(pairs, Side(side.vectors), np.ones(1, dtype=np.float32)).solve(found, CONVERGED, 1)
    wide = side.vectors.astype(np.float64)
    left = wide.T @ wide + wide.T @ apart @ wide + np.eye(FACTORS)
    expected = np.linalg.solve(left, wide.T @ np.bincount(places, confidence, 20))
    np.testing.assert_allclose(found[0], expected, rtol=1e-3, atol=1e-4)


@given(seed=st.integers(0, 2**20), penalty=st.floats(0, 10))
def test_the_loss_is_that_of_every_pair(seed: int, penalty: float) -> None:
    pairs, side, penalties = shop(seed, 12, 30)
    assert side.times is not None
    rows = np.random.default_rng(seed).normal(size=(12, FACTORS)).astype(np.float32)
    # A vector that stands for three users: its pairs are of one of them, the other two have none here.
    confidence = pairs.toarray()
    scores = rows @ side.vectors.T
    observed = np.where(confidence > 0, confidence * (1 - scores) ** 2 - scores**2, 0).sum()
    loss = observed + (scores**2 @ side.times).sum()
    loss += penalty * ((rows**2).sum() + ((side.vectors**2).sum(axis=1) @ side.times))
    weights = np.where(confidence > 0, confidence - 1, 0).sum() + 12 * side.times.sum()
    found = HalfRound(pairs, side, penalties).loss(rows, penalty, 1)
    assert found == pytest.approx(loss / weights, rel=1e-3)


def test_vectors_that_have_room_are_not_copied_though_nearly_all_are_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two million users the copy was a gigabyte."""
    users, factors, items = 4000, 128, 4
    monkeypatch.setattr(least_squares, "_BLOCK", 256)
    draw = np.random.default_rng(5)
    buffer = np.zeros((users + factors, factors), dtype=np.float32)
    buffer[:users] = draw.normal(size=(users, factors)) / 10
    vectors, times = buffer[:users], draw.integers(1, 4, users).astype(np.int32)
    chosen = np.concatenate([np.flatnonzero(draw.random(users) < 0.6) for _ in range(items)]).astype(np.int32)
    starts = [0, *(np.flatnonzero(np.diff(chosen) < 0) + 1), len(chosen)]
    ones = np.full(len(chosen), 3.0, dtype=np.float32)
    pairs = sparse.csr_array((ones, chosen, np.array(starts, dtype=np.int32)), shape=(items, users))
    found, peaks = [], []
    for side in (Side(vectors, times), Side(vectors, times, buffer)):
        rows = np.zeros((items, factors), dtype=np.float32)
        half = HalfRound(pairs, side, np.ones(items, dtype=np.float32))
        half.solve(rows, 1, 1)  # imports are done, and counted in neither
        tracemalloc.start()
        half.solve(rows, CONVERGED, 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        found.append((rows, half.loss(rows, 1.0, 1)))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=1e-3, atol=1e-4)
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-4)
    assert peaks[1] < vectors.nbytes < peaks[0] + vectors.nbytes / 4
    assert peaks[1] < peaks[0] - vectors.nbytes / 2


def test_no_regularisation_and_vectors_of_few_directions_give_finite_vectors() -> None:
    pairs, side, _ = shop(3, 20, 40)
    flat = Side(np.repeat(side.vectors[:, :1], FACTORS, axis=1), side.times)
    for vectors in (flat, Side(np.zeros_like(side.vectors))):
        found = np.ones((20, FACTORS), dtype=np.float32)
        HalfRound(pairs, vectors, np.zeros(20, dtype=np.float32)).solve(found, 3, 1)
        assert np.isfinite(found).all()


def test_items_that_are_alike_and_counted_a_thousand_million_times_are_one_equation() -> None:
    """In float32 the two equations of such a row are the same one, and the solver ended the fit."""
    _, side, _ = shop(4, 1, 20)
    twins = Side(np.repeat(side.vectors[:1], 20, axis=0))
    pairs = with_int32(np.vstack([np.eye(20)[:3].sum(axis=0), np.eye(20)[5:9].sum(axis=0) * 1e9]))
    pairs.data = pairs.data.astype(np.float32)
    found = np.zeros((2, FACTORS), dtype=np.float32)
    HalfRound(pairs, twins, np.ones(2, dtype=np.float32)).solve(found, 3, 1)
    np.testing.assert_allclose((found @ twins.vectors.T)[1], 1.0, rtol=1e-3)
