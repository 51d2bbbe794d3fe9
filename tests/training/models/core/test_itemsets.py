from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from training.models.core import itemsets
from training.models.core.itemsets import IMPROVEMENT, LargerRules, larger_rules
from training.models.fpgrowth import pair_counts


def mined(baskets: np.ndarray, min_support: int = 2, min_confidence: float = 0.0) -> LargerRules:
    matrix = sparse.csr_array(baskets.astype(np.float32))
    single, pairs = baskets.sum(axis=0).astype(np.float64), pair_counts(matrix, min_support)
    return larger_rules(matrix, single, pairs, min_support, min_confidence)


def by_loops(
    baskets: np.ndarray, min_support: int, min_confidence: float
) -> dict[tuple[int, ...], list[float]]:
    """The rules as their definition says, (antecedents, consequent) → support, confidence, lift, shorter."""
    n_baskets, n_items = baskets.shape
    found = {}
    for triple in combinations(range(n_items), 3):
        held = baskets[:, triple].all(axis=1).sum()
        for consequent in triple if held >= min_support else ():
            pair = [item for item in triple if item != consequent]
            confidence = held / baskets[:, pair].all(axis=1).sum()
            singles = [
                (baskets[:, one] & baskets[:, consequent]).sum() / baskets[:, one].sum() for one in pair
            ]
            share = baskets[:, consequent].mean()
            if confidence >= max(min_confidence, IMPROVEMENT * max(*singles, share)):
                numbers = [held / n_baskets, confidence, confidence / share, max(singles)]
                found[*pair, consequent] = numbers
    return found


USUAL = np.repeat(
    np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1], [1, 1, 0]], dtype=np.bool_), [6, 1, 1, 1, 1], axis=0
).repeat(10, axis=0)
"""Most baskets hold item 2 by itself: who has the two others takes it more often than who has one, and still
more seldom than anybody."""


@settings(deadline=None, max_examples=60)
@example(USUAL, 2, 0.0)
@given(
    baskets=st.integers(3, 40).flatmap(lambda rows: arrays(np.bool_, (rows, 7))),
    min_support=st.integers(1, 4),
    min_confidence=st.sampled_from([0.0, 0.31, 0.73]),
)
def test_the_rules_are_those_of_the_definition(
    baskets: np.ndarray, min_support: int, min_confidence: float
) -> None:
    found = mined(baskets, min_support, min_confidence)
    items = np.concatenate([found.antecedents, found.consequents[:, None]], axis=1)
    numbers = np.stack([found.support, found.confidence, found.lift, found.shorter], axis=1)
    expected = by_loops(baskets, min_support, min_confidence)
    assert [tuple(each) for each in items.tolist()] == sorted(expected)
    for each, row in zip(items.tolist(), numbers.tolist(), strict=True):
        assert row == pytest.approx(expected[tuple(each)], rel=1e-5)


def test_the_support_is_raised_where_there_are_too_many_sets(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    baskets = np.random.default_rng(3).random((400, 12)) < np.linspace(0.1, 0.7, 12)
    baskets[:, 0] |= baskets[:, 10] & baskets[:, 11]
    every = mined(baskets)
    monkeypatch.setattr(itemsets, "MAX_TRIANGLES", 40)
    with caplog.at_level("INFO"):
        some = mined(baskets)
    assert 0 < len(some) < len(every)
    assert some.support.min() * 400 > 2
    assert "with 2 too many" in caplog.text
    monkeypatch.setattr(itemsets, "MAX_TRIANGLES", 10**6)
    monkeypatch.setattr(itemsets, "MAX_PAIRS", 20)
    assert 0 < len(mined(baskets)) < len(every)


def test_as_many_sets_as_are_allowed_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among five items that all stand together there are ten sets of three."""
    baskets = np.random.default_rng(3).random((200, 5)) < 0.4
    every = mined(baskets)
    monkeypatch.setattr(itemsets, "MAX_TRIANGLES", 10)
    assert len(mined(baskets)) == len(every) > 0
    monkeypatch.setattr(itemsets, "MAX_TRIANGLES", 9)
    assert len(mined(baskets)) < len(every)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (5, 2), (4, 4)])
def test_without_a_frequent_set_there_is_no_rule(shape: tuple[int, int]) -> None:
    assert len(mined(np.eye(*shape, dtype=np.bool_))) == 0


def test_a_rule_matches_where_both_its_items_are_there() -> None:
    rows = np.array([[1, 1, 1, 0]] * 4 + [[1, 0, 0, 1]] * 6 + [[0, 1, 0, 1]] * 6, dtype=np.bool_)
    found = mined(rows)
    (place,) = np.flatnonzero(found.consequents == 2)
    assert found.antecedents[place].tolist() == [0, 1]
    assert place in found.matching(np.array([0, 1], dtype=np.int32), 4)
    assert place not in found.matching(np.array([0, 3], dtype=np.int32), 4)
    assert len(found.matching(np.zeros(0, dtype=np.int32), 4)) == 0


@given(arrays(np.bool_, st.tuples(st.integers(0, 30), st.just(7))), st.sets(st.integers(0, 6)))
@settings(max_examples=40)
def test_rules_of_a_basket_are_those_whose_items_it_holds(baskets: np.ndarray, basket: set[int]) -> None:
    found = mined(baskets)
    expected = [place for place, pair in enumerate(found.antecedents.tolist()) if basket.issuperset(pair)]
    for order in (sorted(basket), sorted(basket, reverse=True)):
        assert found.matching(np.array(order, dtype=np.int32), 7).tolist() == expected
