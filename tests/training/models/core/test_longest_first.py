"""The best of all items, found among the longest factors."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models.als import Als
from training.models.core.base import Model, Query
from training.models.core.longest_first import LEAST_ITEMS
from training.models.core.types import BoolArray, FloatArray, IntArray

ITEMS, WIDTH = LEAST_ITEMS + 7, 4
SHAPES = ("skewed", "steps", "flat", "equal", "mostly zero", "zero", "tiny")


def factors_of(shape: str, seed: int) -> FloatArray:
    """float32[ITEMS, WIDTH] of few bits, so that their products with whole numbers are exact in any order."""
    draw = np.random.default_rng(seed)
    whole = draw.integers(-3, 4, (ITEMS, WIDTH)).astype(np.float32)
    if shape == "skewed":
        whole *= np.float32(2.0) ** -np.floor(12 * draw.random((ITEMS, 1)) ** 0.2).astype(np.float32)
    elif shape == "steps":
        whole = whole[: ITEMS // 500].repeat(501, axis=0)[:ITEMS] * np.float32(0.5)
        whole[draw.integers(ITEMS, size=ITEMS - 2000)] *= np.float32(2.0**-6)
    elif shape == "equal":
        whole[:] = whole[0]
    elif shape == "mostly zero":
        whole[draw.random(ITEMS) > 0.02] = 0
    elif shape == "zero":
        whole[:] = 0
    elif shape == "tiny":
        # The squares of these are no float32.
        whole *= np.float32(2.0**-90)
    return whole


@cache
def drawn(shape: str, seed: int) -> Als:
    return model_of(factors_of(shape, seed))


def model_of(factors: FloatArray) -> Als:
    gram = np.diag(np.full(factors.shape[1], 100.0, dtype=np.float32))
    scalars = {"alpha": 3.0, "strength": "linear", "regularization_power": 0.0, "regularization": 1.0}
    return Als(factors, factors[:1], np.zeros(1, dtype=np.int32), gram, scalars)


def power_law(seed: int, items: int = ITEMS, width: int = 16) -> FloatArray:
    """float32[items, width] whose lengths fall as popularity does, in no order."""
    draw = np.random.default_rng(seed)
    factors = draw.normal(size=(items, width)) * (1.0 + draw.permutation(items)[:, None]) ** -0.8
    return factors.astype(np.float32)


def best_by_all(model: Als, vector: FloatArray, k: int, allowed: BoolArray) -> IntArray:
    """The k best allowed items above zero and whoever equals the last, by the scores of all."""
    scores = np.where(allowed, model.scores_of(vector), np.float32(0))
    least = np.sort(scores)[-k]
    return np.flatnonzero(scores >= least).astype(np.int32)


@given(
    st.sampled_from(SHAPES),
    st.integers(0, 2),
    st.sampled_from([1, 20, 200, 400, ITEMS, 2 * ITEMS]),
    st.sampled_from([None, 1.0, 0.5, 0.05, 0.001, 0.0]),
    st.lists(st.integers(-4, 4), min_size=WIDTH, max_size=WIDTH),
)
@settings(max_examples=50)
def test_what_is_found_is_the_best_of_all(
    shape: str, seed: int, k: int, share: float | None, weights: list[int]
) -> None:
    model, vector = drawn(shape, seed), np.array(weights, dtype=np.float32)
    chosen = np.ones(ITEMS) if share is None else np.random.default_rng(seed).random(ITEMS) < share
    allowed = chosen.astype(np.bool_)
    found = model.best_of(vector, k, None if share is None else lambda items: allowed[items])
    if found is None:
        return
    items, scores = found
    assert items.tolist() == best_by_all(model, vector, k, allowed).tolist()
    assert scores.tolist() == model.scores_of(vector)[items].tolist()
    assert items.dtype == np.int32 and scores.dtype == np.float32 and (scores > 0).all()


@given(st.sampled_from(SHAPES), st.integers(0, 2), st.sampled_from([0, 1, 20, 300, ITEMS + 1]))
@settings(max_examples=25)
def test_lists_are_those_of_the_scores_of_all(shape: str, seed: int, k: int) -> None:
    draw, model = np.random.default_rng(seed), drawn(shape, seed)
    history = draw.choice(ITEMS, 5, replace=False).astype(np.int32)
    query = Query(history, np.ones(5, dtype=np.float32), history[:3])
    items, scores = model.recommend(query, k)
    expected, of_all = Model.recommend(model, query, k)
    np.testing.assert_allclose(scores, of_all, rtol=1e-5, atol=1e-7 * float(of_all.max(initial=0.0)))
    assert len(np.unique(items)) == len(items) and not np.isin(items, history[:3]).any()
    # Only equals, of which rounding makes one larger here and the other there, may change places.
    every = model.scores(query)
    np.testing.assert_allclose(every[items], every[expected], rtol=1e-5)


def test_lists_are_full_though_the_best_are_left_out() -> None:
    model = model_of(power_law(7))
    history = np.argsort(-np.linalg.norm(model.item_factors, axis=1))[:3].astype(np.int32)
    ones = np.ones(3, dtype=np.float32)
    best, _ = model.recommend(Query(history, ones), 40)
    query = Query(history, ones, best[::2])
    assert model.best_of(model.user_vector(query), 40) is not None
    items, scores = model.recommend(query, 20)
    assert items.tolist() == best[1::2].tolist()
    np.testing.assert_allclose(scores, Model.recommend(model, query, 20)[1], rtol=1e-5)


@pytest.mark.parametrize("k", [20, 200])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_of_skewed_lengths_the_longest_tell(k: int, share: float) -> None:
    model, draw = model_of(power_law(1)), np.random.default_rng(2)
    allowed = draw.random(ITEMS) < share
    for vector in draw.normal(size=(20, 16)).astype(np.float32):
        found = model.best_of(vector, k, lambda items: allowed[items])
        assert found is not None
        assert found[0].tolist() == best_by_all(model, vector, k, allowed).tolist()


def test_equals_stand_in_the_order_of_their_numbers() -> None:
    factors = power_law(3)
    best = np.argsort(-np.linalg.norm(factors, axis=1))[:30]
    factors[best] = np.abs(factors[best[0]])
    query = Query(best[:1].astype(np.int32), np.ones(1, dtype=np.float32))
    model = model_of(factors)
    assert model.best_of(model.user_vector(query), 20) is not None
    assert model.recommend(query, 20)[0].tolist() == sorted(best.tolist())[:20]


@pytest.mark.parametrize(
    ("factors", "k", "share"),
    [
        (np.random.default_rng(4).normal(size=(ITEMS, 16)).astype(np.float32), 20, 1.0),
        (power_law(4, LEAST_ITEMS - 1), 20, 1.0),
        (power_law(4), ITEMS // 4, 1.0),
        (power_law(4), 20, 0.0001),
        (np.zeros((ITEMS, 16), dtype=np.float32), 20, 1.0),
        (power_law(4) * np.float32(2.0**-80), 20, 1.0),
    ],
    ids=["flat", "few items", "long lists", "a rare filter", "zero", "tiny"],
)
def test_where_the_longest_do_not_tell_all_are_scored(factors: FloatArray, k: int, share: float) -> None:
    model, draw = model_of(factors), np.random.default_rng(5)
    allowed, vector = draw.random(len(factors)) < share, draw.normal(size=16).astype(np.float32)
    assert model.best_of(vector, k, lambda items: allowed[items]) is None


def test_a_user_of_whom_nothing_is_known_has_no_best() -> None:
    model = model_of(power_law(6))
    assert model.best_of(np.zeros(16, dtype=np.float32), 20) is None
    assert not len(model.recommend(Query(), 20)[0])
