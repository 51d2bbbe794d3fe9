"""What rounding makes is no opinion, in whatever order a processor adds; what is small and real stays one."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from training.models import als, ease, gfcf, nmf
from training.models.als import Als
from training.models.core.base import Config, Query, top_k
from training.models.core.data import TrainingData
from training.models.core.factors import FactorModel
from training.models.core.rounding import SPREAD, STORED, UNIT, rounding_bound, zero_rounding
from training.models.core.types import Csr, DoubleArray, FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.ease import Ease
from training.models.embeddings import Embeddings
from training.models.nmf import Nmf

ORDERS = 4
"""Orders of summation that are tried, each as another processor's."""

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def vectors_with_zeros(
    generator: np.random.Generator, items: int, pairs: int
) -> tuple[FloatArray, FloatArray, list[Fraction]]:
    """A user (float32[2 * pairs]), items' factors of all sizes (float32[items, 2 * pairs]) and exact scores.

    Every other item's score is exactly zero: its products cancel two by two. They are shuffled, so that a
    sum of them in float32 is not zero.
    """
    user = (generator.standard_normal(2 * pairs) * 10.0 ** generator.integers(-2, 3)).astype(np.float32)
    size = 10.0 ** generator.integers(-3, 3, (items, 1))
    factors = (generator.standard_normal((items, 2 * pairs)) * size).astype(np.float32)
    # (a, b) and (b * c, -a * c) are at right angles: exactly, as c is a power of two.
    powers = 2.0 ** generator.integers(-6, 6, (items, pairs))
    factors[::2, 0::2] = (powers * user[1::2])[::2]
    factors[::2, 1::2] = (-powers * user[0::2])[::2]
    order = generator.permutation(2 * pairs)
    user, factors = user[order], factors[:, order]
    return user, factors, [exact(row, user) for row in factors]


def exact(one: FloatArray, other: FloatArray) -> Fraction:
    """The inner product, without any rounding."""
    pairs = zip(one.tolist(), other.tolist(), strict=True)
    return sum((Fraction(a) * Fraction(b) for a, b in pairs), Fraction(0))


def model_of(kind: type[FactorModel], factors: FloatArray, user: FloatArray) -> FactorModel:
    width = factors.shape[1]
    scalars = {"strength": "linear", "alpha": 1.0, "regularization": 1.0, "regularization_power": 0.0}
    return kind(factors, user[None, :], np.zeros(1, np.int32), np.eye(width, dtype=np.float32), scalars)


@pytest.mark.parametrize("kind", [Als, Nmf])
@settings(max_examples=40, deadline=None)
@given(generators, st.integers(1, 40))
def test_no_list_holds_an_item_whose_exact_score_is_zero(
    kind: type[FactorModel], generator: np.random.Generator, pairs: int
) -> None:
    user, factors, true = vectors_with_zeros(generator, 12, pairs)
    for _ in range(ORDERS):
        order = generator.permutation(len(user))
        model = model_of(kind, np.ascontiguousarray(factors[:, order]), user[order])
        items, _ = top_k(model.scores_of(model.user_factors[0]), 12)
        assert all(true[item] != 0 for item in items)
        noise = rounding_bound(len(user) + STORED) * np.linalg.norm(factors, axis=1) * np.linalg.norm(user)
        sure = [item for item in range(12) if abs(float(true[item])) > 2.5 * noise[item]]
        assert set(items.tolist()) >= set(sure)


@settings(max_examples=40, deadline=None)
@given(generators, st.integers(2, 400))
def test_a_sum_in_any_order_is_within_the_bound(generator: np.random.Generator, terms: int) -> None:
    one, other = generator.standard_normal((2, terms)).astype(np.float32)
    true = float(np.dot(one.astype(np.float64), other.astype(np.float64)))
    bound = rounding_bound(terms) * float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    for _ in range(ORDERS):
        order = generator.permutation(terms)
        one_by_one = np.cumsum(one[order] * other[order], dtype=np.float32)[-1]
        assert abs(float(one_by_one) - true) <= bound
        assert abs(float(one[order] @ other[order]) - true) <= bound


def test_the_bound_is_the_worst_of_short_sums_and_the_likely_one_of_long() -> None:
    assert rounding_bound(1) == pytest.approx(UNIT)
    assert rounding_bound(10) == pytest.approx(10 * UNIT, rel=1e-5)
    assert rounding_bound(10_000) == pytest.approx(SPREAD * 100 * UNIT, rel=1e-3)
    assert rounding_bound(0) == 0.0


def test_it_is_each_score_by_its_own_size() -> None:
    scores = np.array([[1e-9, -1e-9, 1e-3], [1e-9, 0.0, -1e-3]], dtype=np.float32)
    cleared = zero_rounding(scores, np.array([[1.0, 1e-6, 1.0]], dtype=np.float32), 8)
    np.testing.assert_allclose(cleared, [[0, -1e-9, 1e-3], [0, 0, -1e-3]], rtol=1e-6)
    assert not zero_rounding(np.zeros(3, dtype=np.float32), 0.0, 8).any()


@settings(max_examples=25, deadline=None)
@given(generators)
def test_a_tiny_real_opinion_is_kept(generator: np.random.Generator) -> None:
    user, factors, _ = vectors_with_zeros(generator, 8, 16)
    length = float(np.linalg.norm(user))
    noise = rounding_bound(len(user) + STORED)
    factors[0] += (20 * noise * np.linalg.norm(factors[0]) / length) * user
    model = model_of(Als, factors, user)
    items, scores = top_k(model.scores_of(model.user_factors[0]), 8)
    assert 0 in items and scores[items == 0][0] > 0
    assert not np.isin(np.arange(2, 8, 2), items).any()


def apart(generator: np.random.Generator) -> TrainingData:
    """Two circles of users who share no item: items 0 to 24 and 25 to 64."""
    bought = np.zeros((150, 65), dtype=np.float32)
    for users, items in ((slice(0, 60), slice(0, 25)), (slice(60, 150), slice(25, 65))):
        part = bought[users, items]
        bought[users, items] = generator.random(part.shape) < 0.1 + 0.3 * generator.random((1, part.shape[1]))
    return TrainingData(
        Vocabulary.build(f"{i:02d}" for i in range(65)),
        Vocabulary.build(f"{i:03d}" for i in range(150)),
        sparse.csr_array(bought),
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["nmf", "ease"])
def test_who_shares_nothing_with_an_item_is_not_shown_it(
    name: str, seed: int, configs: dict[str, Config]
) -> None:
    data = apart(np.random.default_rng(seed))
    fits: dict[str, Any] = {"nmf": nmf.fit, "ease": ease.fit}
    config = configs[name].model_copy(update={"iterations": 100} if name == "nmf" else {})
    model = fits[name](data, config, seed)
    seen = np.array([0, 2, 4], dtype=np.int32)
    items, _ = model.recommend(Query(seen, np.ones(3, dtype=np.float32), seen), 65)
    assert len(items) > 0 and items.max() < 25
    batch = sparse.csr_array((np.ones(3, np.float32), ([0, 0, 0], seen)), shape=(2, 65))
    assert not model.score_batch(batch)[:, 25:].any()


def test_a_low_pass_filter_that_tells_the_colours_apart_has_no_opinion_of_the_other(
    checkerboard: TrainingData, configs: dict[str, Config]
) -> None:
    config: Any = configs["gfcf"].model_copy(update={"rank": 2})
    model = gfcf.fit(checkerboard, config, 7)
    seen = np.array([0, 2, 4], dtype=np.int32)
    ones = np.ones(3, dtype=np.float32)
    items, _ = model.recommend(Query(seen, ones, seen), 30)
    assert sorted(items.tolist()) == list(range(6, 30, 2))
    batch = sparse.csr_array((ones, ([0, 0, 0], seen)), shape=(1, 30))
    assert not model.score_batch(batch)[:, 1::2].any()


def test_who_has_seen_all_of_their_colour_is_shown_nothing_of_the_other(
    checkerboard: TrainingData, configs: dict[str, Config]
) -> None:
    config: Any = configs["als"].model_copy(update={"factors": 2, "iterations": 60})
    model = als.fit(checkerboard, config, 7)
    even = np.arange(0, 30, 2, dtype=np.int32)
    few = even[:3]
    ones = np.ones(3, dtype=np.float32)
    assert len(model.recommend(Query(few, ones, even), 30)[0]) == 0
    items, _ = model.recommend(Query(few, ones, few), 30)
    assert sorted(items.tolist()) == even[3:].tolist()
    items, _ = model.similar(0, 30)
    assert sorted(items.tolist()) == even[1:].tolist()
    batch = sparse.csr_array((ones, ([0, 0, 0], few)), shape=(1, 30))
    assert np.flatnonzero(model.score_batch(batch)[0]).tolist() == even.tolist()


@settings(max_examples=25, deadline=None)
@given(generators, st.integers(2, 12))
def test_weights_that_cancel_leave_no_opinion_in_ease(generator: np.random.Generator, pairs: int) -> None:
    given = generator.standard_normal(pairs).astype(np.float32)
    last = np.concatenate([given, -given])[generator.permutation(2 * pairs)]
    matrix = np.zeros((2 * pairs + 2, 2 * pairs + 2), dtype=np.float32)
    matrix[: 2 * pairs, -1] = last
    matrix[: 2 * pairs, -2] = np.abs(last)
    model = Ease.of(sparse.csr_array(matrix), {"strength": "linear"})
    history = np.arange(2 * pairs, dtype=np.int32)
    strength = np.full(2 * pairs, 0.1, dtype=np.float32)
    assert model.recommend(Query(history, strength, history), 9)[0].tolist() == [2 * pairs]
    row: Csr = sparse.csr_array((strength, (np.zeros(2 * pairs, int), history)), shape=(1, len(matrix)))
    assert np.flatnonzero(model.score_batch(row)[0]).tolist() == [2 * pairs]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(generators)
def test_nearness_that_is_rounding_is_no_opinion(generator: np.random.Generator) -> None:
    wide: DoubleArray = np.linalg.qr(generator.standard_normal((96, 96)))[0]
    vectors: FloatArray = wide[:6].astype(np.float32)
    vectors[5] = -vectors[4]
    model = Embeddings(vectors, {"flat_below": 100, "index": {}}, None)
    one = np.array([0], dtype=np.int32)
    items, _ = model.recommend(Query(one, np.ones(1, np.float32)), 9)
    assert items.tolist() == [0]
    both = np.array([4, 5], dtype=np.int32)
    assert not model.scores(Query(both, np.ones(2, np.float32))).any()
    batch = sparse.csr_array((np.ones(3, np.float32), ([0, 1, 1], [0, 4, 5])), shape=(2, 6))
    assert np.argwhere(model.score_batch(batch)).tolist() == [[0, 0]]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(generators, st.floats(2e-5, 1e-2), st.integers(1, 60))
def test_what_is_left_of_a_history_that_nearly_cancels_is_read_as_far_as_it_can_be(
    generator: np.random.Generator, left: float, others: int
) -> None:
    """Two opposite tastes leave a short remainder: rounding is then a large share of every cosine."""
    wide: DoubleArray = np.linalg.qr(generator.standard_normal((96, 96)))[0]
    opposite = left * wide[1] - wide[0]
    rows = [wide[0], opposite / np.linalg.norm(opposite), wide[1], *wide[2 : 2 + others]]
    vectors: FloatArray = np.array(rows, dtype=np.float32)
    model = Embeddings(vectors, {"flat_below": 100, "index": {}}, None)
    both = np.array([0, 1], dtype=np.int32)
    items, _ = model.recommend(Query(both, np.ones(2, np.float32), both), len(rows))
    batch = model.score_batch(sparse.csr_array((np.ones(2, np.float32), ([0, 0], [0, 1])), (1, len(rows))))
    assert set(items.tolist()) <= {2}, "at a right angle to all that was liked"
    assert set(np.flatnonzero(batch[0] > 0).tolist()) <= {0, 1, 2}
    if left > 1e-3:
        assert items.tolist() == [2]
        np.testing.assert_allclose(batch[0, 2], 1.0, atol=0.01)


def test_items_without_a_text_make_no_likeness_uncertain() -> None:
    """One liked item of a thousand has a text: what is like it is as sure as if it stood alone."""
    generator = np.random.default_rng(5)
    vectors: FloatArray = generator.standard_normal((1200, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[1:1000] = 0.0
    model = Embeddings(vectors, {"flat_below": 2000, "index": {}}, None)
    one, all_of_them = np.zeros(1, dtype=np.int32), np.arange(1000, dtype=np.int32)
    alone = model.scores(Query(one, np.ones(1, np.float32)))
    np.testing.assert_allclose(model.scores(Query(all_of_them, np.ones(1000, np.float32))), alone, atol=1e-6)
    history: Csr = sparse.csr_array(
        (np.ones(1000, np.float32), (np.zeros(1000, int), all_of_them)), shape=(1, 1200)
    )
    np.testing.assert_allclose(model.score_batch(history)[0], alone, atol=1e-6)


def test_the_two_filters_of_gfcf_may_cancel() -> None:
    """The linear filter gives the second item what the low-pass one takes, but for the last bits."""
    third = np.float32(1) / np.float32(3)
    into = np.array([[third], [0], [0]], dtype=np.float32)
    out = np.array([[0], [-third], [third]], dtype=np.float32)
    given = np.nextafter(third * third, np.float32(1))
    matrix: Csr = sparse.csr_array(np.array([[0, given, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32))
    model = gfcf.GfCf(matrix.indptr, matrix.indices, matrix.data, {"strength": "linear"}, into=into, out=out)
    first, one = np.array([0], dtype=np.int32), np.ones(1, dtype=np.float32)
    assert model.recommend(Query(first, one, first), 3)[0].tolist() == [2]
    history: Csr = sparse.csr_array((one, ([0], [0])), shape=(1, 3))
    assert np.flatnonzero(model.score_batch(history)[0]).tolist() == [2]


def test_what_is_cleared_takes_no_place_in_a_list() -> None:
    scores = zero_rounding(np.array([-2.0, 1e-9, 1.0, -1e-9], dtype=np.float32), 1.0, 8)
    assert top_k(scores, 3)[0].tolist() == [2, 0]
