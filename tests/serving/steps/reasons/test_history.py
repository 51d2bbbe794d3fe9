"""A reason names what really gave most: the item of the history, the search, the rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.lists.recommender import basket_history
from serving.steps.context import User
from serving.steps.reasons import wording
from serving.steps.reasons.history import NEAR_ENOUGH, leading_items
from serving.steps.table import SEARCH, Table, numbered
from tests.worlds.plain_lists import Plain
from tests.worlds.world import user, world
from training.models.core.base import Query
from training.models.fpgrowth import TELLING_LIFT, FpGrowth

SEEDS = st.integers(0, 40)


@given(SEEDS)
@settings(max_examples=25)
def test_by_meaning_the_nearest_item_that_weighs_most_leads(seed: int) -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, seed, events=20))
    plain = Plain(made, asked)
    rows = np.flatnonzero(made.index.catalogue.column("alive"))[:60].astype(np.int32)
    found = leading_items(asked, "embeddings", rows).tolist()
    for row, leading in zip(rows.tolist(), found, strict=True):
        own, given_by = made.vectors.get(made.item_id(row)), {}
        for each, weight in plain.weights.items():
            if own is not None and each in made.vectors and not plain.items[each].hidden:
                cosine = float(own.astype(float) @ made.vectors[each].astype(float))
                if cosine > NEAR_ENOUGH - 1e-6:
                    given_by[each] = cosine * np.log1p(weight)
        if leading < 0:
            assert leading == -1
            assert all(value < NEAR_ENOUGH * 20 for value in given_by.values())
            sure = [
                each
                for each, value in given_by.items()
                if value / np.log1p(plain.weights[each]) > NEAR_ENOUGH + 1e-4
            ]
            assert not sure
        else:
            assert given_by[made.item_id(leading)] == pytest.approx(max(given_by.values()), rel=1e-4)


@pytest.mark.parametrize("name", ["als", "ease", "nmf"])
@given(SEEDS)
@settings(max_examples=15)
def test_by_users_the_item_that_gives_the_model_most_leads(name: str, seed: int) -> None:
    """What each item gives adds up to the score, and the largest part has the name."""
    made = world(1, "small")
    asked = made.context(user=user(made, seed, events=20))
    query, placed = asked.model_query(), made.placed
    assert placed is not None
    rows = placed.rows[:60]
    found = leading_items(asked, "cf" if name == "nmf" else name, rows)
    if not len(query.items):
        assert (found == -1).all()
        return
    model = placed.bundle.models[name]
    parts = model.contributions(Query(query.items, query.weights), placed.indexes(rows))
    assert parts is not None
    hidden = made.index.catalogue.column("hidden")[placed.rows[query.items]]
    np.testing.assert_allclose(
        parts.sum(axis=1), model.scores(query)[placed.indexes(rows)], rtol=1e-3, atol=1e-3
    )
    for row, leading, gives in zip(rows.tolist(), found.tolist(), np.where(hidden, 0, parts), strict=True):
        if leading < 0:
            assert (gives <= 0).all(), row
        else:
            place = placed.rows[query.items].tolist().index(leading)
            assert gives[place] == gives.max() > 0


@given(SEEDS)
@settings(max_examples=25)
def test_a_cart_is_told_its_surest_rule_and_no_hidden_item(seed: int) -> None:
    made = world(seed % 2, "small")
    placed, random = made.placed, np.random.default_rng(seed)
    assert placed is not None
    basket = random.choice(len(placed.rows), 3, replace=False).astype(np.int32)
    live = [index for index in basket.tolist() if made.index.catalogue.column("alive")[placed.rows[index]]]
    asked = made.context(user=User(history=basket_history(placed.rows[live])))
    rules = placed.models.fpgrowth
    scores = rules.basket_scores(asked.model_query())
    rows = placed.rows[np.flatnonzero(scores > 0)]
    rows = rows[made.index.catalogue.column("alive")[rows]]
    table = Table(rows, rows.astype(np.uint64), rows >= 0, {}, {}, np.ones(len(rows), np.float32))
    told = wording.of_basket(asked, table, ["fpgrowth"] * len(rows))
    for row, reason in zip(rows.tolist(), told, strict=True):
        surest = max(_rules(rules, live, placed.index(row)), key=lambda rule: rule[0])
        hidden = made.index.catalogue.column("hidden")[placed.rows[list(surest[1])]].any()
        assert (reason.code == "bought_with_cart") == bool(hidden)
        if not hidden:
            assert reason.numbers["confidence"] == pytest.approx(surest[0])


def _rules(rules: FpGrowth, basket: list[int], item: int) -> list[tuple[float, tuple[int, ...]]]:
    """Confidence and antecedents of every telling rule from one or two of the basket to an item."""
    found: list[tuple[float, tuple[int, ...]]] = []
    for own in basket:
        span = range(int(rules.indptr[own]), int(rules.indptr[own + 1]))
        found += [
            (float(rules.data[at]), (own,))
            for at in span
            if rules.indices[at] == item and rules.lift[at] >= TELLING_LIFT
        ]
    larger = rules.larger
    for place in range(len(larger.consequents)):
        two = tuple(larger.antecedents[place].tolist())
        if (
            larger.consequents[place] == item
            and set(two) <= set(basket)
            and larger.lift[place] >= TELLING_LIFT
        ):
            found.append((float(larger.confidence[place]), two))
    return found


def test_the_search_that_fits_best_is_named() -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, 3, searches=3))
    rows = np.arange(3, dtype=np.int32)
    scores = np.array([[0.1, 0.9, 0.2], [0.3, 0.0, 0.2], [0.2, 0.8, 0.7]], dtype=np.float32)
    columns = {numbered(SEARCH, age): scores[age] for age in range(3)}
    table = Table(rows, rows.astype(np.uint64), rows >= 0, columns, {}, np.ones(3, np.float32))
    told = wording.of_user(asked, table, ["search"] * 3)
    asked_for = [query for query, _ in asked.user.searches]
    assert list(told) == [f"matches your search '{asked_for[place]}'" for place in (1, 0, 2)]
