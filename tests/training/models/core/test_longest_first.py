"""The best inner products without all of them."""

import numpy as np
import pytest

from training.models.als import Als
from training.models.core.base import Model, Query
from training.models.core.longest_first import LongestFirst

ITEMS, FACTORS = 20_000, 8


def made(skew: float) -> Als:
    draw = np.random.default_rng(3)
    factors = draw.normal(size=(ITEMS, FACTORS)).astype(np.float32)
    factors *= (draw.random(ITEMS) ** skew).astype(np.float32)[:, None]
    gram = np.diag(np.full(FACTORS, 100.0, dtype=np.float32))
    scalars = {"alpha": 3.0, "strength": "linear", "regularization_power": 0.0, "regularization": 1.0}
    return Als(factors, factors[:1], np.zeros(1, dtype=np.int32), gram, scalars)


@pytest.mark.parametrize("skew", [0.0, 1.0, 4.0])
def test_the_best_of_the_longest_are_the_best_of_all(skew: float) -> None:
    model, draw = made(skew), np.random.default_rng(4)
    for _ in range(20):
        history = draw.choice(ITEMS, 5, replace=False).astype(np.int32)
        query = Query(history, np.ones(5, dtype=np.float32), history)
        items, scores = model.recommend(query, 20)
        expected, of_all = Model.recommend(model, query, 20)
        np.testing.assert_allclose(scores, of_all, rtol=1e-5)
        assert np.isin(items, expected).mean() >= 0.95  # equals may change places
        assert not np.isin(items, history).any()


def test_few_items_are_looked_at_where_few_are_long() -> None:
    model, draw = made(4.0), np.random.default_rng(5)
    longest = LongestFirst(model.item_factors, np.linalg.norm(model.item_factors, axis=1).astype(np.float32))
    for query in draw.normal(size=(20, FACTORS)).astype(np.float32):
        few = longest.candidates(query, 20, 1e-6)
        assert few is not None and len(few) < ITEMS / 100
        best = np.argsort(-(model.item_factors @ query))[:20]
        assert np.isin(best, few).all()
    assert longest.candidates(np.zeros(FACTORS, dtype=np.float32), 20, 1e-6) is None
