import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from training.models.core import neighbours
from training.models.core.base import Query, exclude, top_k
from training.models.core.data import TrainingData
from training.models.core.itemsets import LargerRules
from training.models.core.vocabulary import Vocabulary
from training.models.fpgrowth import FpGrowth, FpGrowthConfig, Rule, cut_baskets, fit, pair_counts


def data_of(baskets: np.ndarray) -> TrainingData:
    matrix = sparse.csr_array(baskets.astype(np.float32))
    items = Vocabulary.build(f"{i:03d}" for i in range(baskets.shape[1]))
    return TrainingData(items, Vocabulary.build([]), sparse.csr_array((0, baskets.shape[1])), baskets=matrix)


def config(**changes: float) -> FpGrowthConfig:
    fields = {"min_support_baskets": 3, "min_confidence": 0.1, "max_basket": 100, "max_rules_per_item": 100}
    return FpGrowthConfig.model_validate(fields | {"lift_power": 0.0} | changes)


@pytest.mark.parametrize("seed", range(3))
def test_rules_are_those_of_mlxtend(seed: int) -> None:
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    baskets = np.random.default_rng(seed).random((200, 15)) < 0.2
    frame = pd.DataFrame(baskets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mlxtend's own deprecations
        sets = fpgrowth(frame, min_support=3 / 200, max_len=2)
        theirs = association_rules(sets, metric="confidence", min_threshold=0.13)
    expected = {
        (next(iter(rule.antecedents)), next(iter(rule.consequents))): (
            rule.support,
            rule.confidence,
            rule.lift,
        )
        for rule in theirs.itertuples()
    }
    # No share of so few baskets is exactly .13: at a threshold that is one, the two round apart.
    model = fit(data_of(baskets), config(min_confidence=0.13), 0)
    found = {
        (*rule.antecedents, rule.consequent): (rule.support, rule.confidence, rule.lift)
        for item in range(15)
        for rule in rules(model, item)
    }
    assert found.keys() == expected.keys()
    for pair, numbers in expected.items():
        assert found[pair] == pytest.approx(numbers, rel=1e-5)


def rules(model: FpGrowth, item: int) -> list[Rule]:
    """The rules of an antecedent, the most confident first."""
    had = np.array([item], dtype=np.int32)
    found = [model.explain(int(consequent), had) for consequent in model.row(item)[0]]
    return sorted((rule for rule in found if rule is not None), key=lambda rule: -rule.confidence)


@pytest.fixture
def model() -> FpGrowth:
    baskets = np.zeros((10, 4))
    baskets[:5, [0, 1]] = 1  # 0 and 1 together five times, 0 alone once
    baskets[5, 0] = 1
    baskets[6:, 2] = 1
    return fit(data_of(baskets), config(), 0)


def test_support_confidence_and_lift_by_hand(model: FpGrowth) -> None:
    (rule,) = rules(model, 0)
    assert (rule.antecedents, rule.consequent) == ((0,), 1)
    assert rule.support == pytest.approx(0.5)
    assert rule.confidence == pytest.approx(5 / 6)
    assert rule.lift == pytest.approx((5 / 6) / 0.5)


def test_explains_an_item_by_the_most_confident_rule(model: FpGrowth) -> None:
    rule = model.explain(0, np.array([2, 1, 3], dtype=np.int32))
    assert rule is not None
    assert rule.antecedents == (1,)
    assert model.explain(2, np.array([0, 1], dtype=np.int32)) is None


def test_only_the_most_confident_rules_are_kept() -> None:
    baskets = np.ones((20, 6))
    baskets[:5, 5] = 0
    model = fit(data_of(baskets), config(max_rules_per_item=2), 0)
    assert [len(rules(model, item)) for item in range(6)] == [2] * 6
    assert 5 not in {rule.consequent for item in range(5) for rule in rules(model, item)}


def test_a_huge_basket_is_cut_and_the_others_are_not() -> None:
    baskets = np.zeros((2, 50))
    baskets[0] = 3.0
    baskets[1, [4, 9]] = 1.0
    matrix = sparse.csr_array(baskets.astype(np.float32))
    cut = cut_baskets(matrix, 10, seed=0).toarray()
    assert cut.sum(axis=1).tolist() == [10, 2]
    assert cut.max() == 1
    np.testing.assert_array_equal(cut, cut_baskets(matrix, 10, seed=0).toarray())
    assert not np.array_equal(cut, cut_baskets(matrix, 10, seed=1).toarray())


def test_lift_makes_a_rule_tell_more_than_what_is_popular_anyway() -> None:
    # Item 1 is in every basket; item 2 only where item 0 is.
    baskets = np.zeros((20, 3), dtype=bool)
    baskets[:, 1] = True
    baskets[:6, 0] = baskets[:5, 2] = True
    plain = fit(data_of(baskets), config(), 0)
    lifted = fit(data_of(baskets), config(lift_power=1.0), 0)
    assert [rule.consequent for rule in rules(plain, 0)] == [1, 2]
    assert plain.similar(0, 1)[0].tolist() == [1]
    assert lifted.similar(0, 1)[0].tolist() == [2]
    assert [rule.confidence for rule in rules(lifted, 0)] == [rule.confidence for rule in rules(plain, 0)]


@pytest.mark.parametrize("block", [1, 7, 30, 100])
def test_pairs_are_counted_in_blocks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    baskets = np.random.default_rng(block).random((200, 30)) < np.linspace(0.02, 0.6, 30)
    expected = baskets.T.astype(int) @ baskets.astype(int)
    expected[(expected < 5) | np.eye(30, dtype=bool)] = 0
    found = pair_counts(sparse.csr_array(baskets.astype(np.float32)), 5)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert pair_counts(sparse.csr_array((3, 0), dtype=np.float32), 1).shape == (0, 0)


def test_two_items_together_say_what_neither_says_alone(tmp_path: Path) -> None:
    """0 goes with 3 and 1 with 4; only who has both takes 2."""
    apart = [[1, 0, 0, 1, 0]] * 30 + [[0, 1, 0, 0, 1]] * 30
    model = fit(data_of(np.array(apart + [[1, 1, 1, 0, 0]] * 10)), config(), 0)
    model.save(tmp_path)
    for each in (model, FpGrowth.load(tmp_path)):
        both, one = np.array([0, 1], dtype=np.int32), np.array([0], dtype=np.int32)
        assert top_k(exclude(each.basket_scores(query(both)), both), 1)[0].tolist() == [2]
        assert top_k(exclude(each.basket_scores(query(one)), one), 1)[0].tolist() == [3]
        surest, none = each.explain_basket(np.array([2, 0], dtype=np.int32), both)
        assert surest is not None and (surest.antecedents, surest.confidence) == ((0, 1), 1.0)
        assert none is None
        alone, none = each.explain_basket(np.array([2, 4], dtype=np.int32), one)
        assert alone is not None and alone.antecedents == (0,) and alone.confidence == pytest.approx(0.25)
        assert none is None


def test_what_is_in_a_basket_by_chance_is_not_recommended_for_it() -> None:
    """2 is in most baskets whatever else is in them; 1 goes with 0."""
    baskets = [[1, 1, 1]] * 8 + [[1, 0, 1]] * 2 + [[0, 0, 1]] * 30 + [[0, 0, 0]] * 5
    model, had = fit(data_of(np.array(baskets)), config(), 0), np.array([0], dtype=np.int32)
    assert model.scores(query(had))[2] > 0
    assert np.flatnonzero(model.basket_scores(query(had))).tolist() == [1]
    told = model.explain_basket(np.array([1, 2], dtype=np.int32), had)
    assert [rule and rule.antecedents for rule in told] == [(0,), None]


def test_a_telling_rule_is_the_reason_though_one_at_chance_is_surer() -> None:
    """0 and 1 both lead to 3: 0 more often, but hardly more than chance does."""
    model = FpGrowth(
        np.array([0, 1, 2, 2, 2], dtype=np.int64),
        np.array([3, 3], dtype=np.int32),
        np.array([0.9, 0.8], dtype=np.float32),
        {"strength": "binary", "baskets": 10, "lift_power": 0.5},
        support=np.array([0.3, 0.2], dtype=np.float32),
        lift=np.array([1.1, 1.3], dtype=np.float32),
        larger=LargerRules.none(),
    )
    (rule,) = model.explain_basket(np.array([3], dtype=np.int32), np.array([0, 1], dtype=np.int32))
    assert rule is not None and rule.antecedents == (1,)


def test_larger_rules_are_matched_once_for_all_items_of_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = [[1, 0, 0, 1, 0]] * 30 + [[0, 1, 0, 0, 1]] * 30
    model = fit(data_of(np.array(apart + [[1, 1, 1, 0, 0]] * 10)), config(), 0)
    calls: list[int] = []
    matching = LargerRules.matching

    def counted(self: LargerRules, items: np.ndarray, n_items: int) -> np.ndarray:
        calls.append(len(items))
        return matching(self, items, n_items)

    monkeypatch.setattr(LargerRules, "matching", counted)
    model.explain_basket(np.arange(2, 5, dtype=np.int32), np.array([0, 1], dtype=np.int32))
    assert calls == [2]


def test_a_model_stored_before_larger_rules_is_read(tmp_path: Path) -> None:
    model = fit(data_of(np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]])), config(), 0)
    model.save(tmp_path)
    head = json.loads((tmp_path / "model.json").read_text())
    head["arrays"] = [name for name in head["arrays"] if not name.startswith("larger_")]
    (tmp_path / "model.json").write_text(json.dumps(head))
    old = FpGrowth.load(tmp_path)
    asked = query(np.array([0, 1], dtype=np.int32))
    assert len(old.larger) == 0
    np.testing.assert_array_equal(old.basket_scores(asked), model.scores(asked))


def query(basket: np.ndarray) -> Query:
    return Query(basket, np.ones(len(basket), dtype=np.float32))
