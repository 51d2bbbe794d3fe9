"""Home's blend: each part is a share of its best, and variety alone makes no list personal."""

from dataclasses import replace

import numpy as np
import pytest

from serving.steps.context import Context
from serving.steps.scorers.blend import PARTS, home_blend, weighted_models
from tests.worlds.tables import table_of
from tests.worlds.world import changed_params, make_world, texts, user, world


@pytest.fixture
def asked() -> Context:
    made = world(0)
    params = changed_params(made.params, "blend", clicked=0.5, search=0.3, diverse=0.2)
    who = replace(user(made, 1), searches=tuple(texts(1, 2)))
    return replace(made.context(user=who, params=params), weights={"als": 1.0, "popularity": 1.0})


def test_models_over_their_scales_and_searches_by_the_best(asked: Context) -> None:
    table = table_of(
        {"als": [4, 2, 0], "popularity": [0, 0, 6], "search 1": [0, 1, 0], "search 2": [0, 0, 4]},
        scales={"als": 2.0, "popularity": 3.0},
    )
    scored = home_blend(asked, table)
    # als + popularity: 2, 1, 2, less the lowest: 1, 0, 1. Searches by their best: 0, 1, 4.
    assert scored.score == pytest.approx([0.5, 0.3 / 4, 0.5 + 0.3])
    assert scored.steps["als"].tolist() == [2, 1, 0] and scored.steps["search"] == pytest.approx(
        [0, 0.075, 0.3]
    )
    assert sum(scored.steps[part] for part in PARTS) == pytest.approx(scored.score)


def test_variety_alone_makes_no_list(asked: Context) -> None:
    nothing = home_blend(asked, table_of({"als": [0, 0], "popularity": [5, 1], "diverse": [0.9, 0.1]}))
    assert nothing.score.tolist() == [0, 0] and not nothing.steps
    beside = home_blend(asked, table_of({"als": [2, 0], "popularity": [0, 0], "diverse": [0, 0.5]}))
    assert beside.score == pytest.approx([0.5, 0.1])


def test_candidates_that_may_not_be_shown_are_no_lowest(asked: Context) -> None:
    table = table_of({"als": [-3, 1, 2]}, allowed=[False, True, True])
    assert home_blend(asked, table).score == pytest.approx([0, 0, 0.5])


def test_new_items_have_a_weight_of_their_own(asked: Context) -> None:
    assert asked.bundle is not None
    users = asked.bundle.models.popularity.all_time
    rows = [int(asked.bundle.rows[users.argmax()]), int(asked.bundle.rows[users.argmin()])]
    assert users.max() >= 5 > users.min()
    weighed = replace(asked, weights={"tfidf": 1.0, "new_items": 2.0})
    parts = weighted_models(weighed, table_of({"tfidf": [1, 1]}, rows=rows))
    assert parts["tfidf"].tolist() == [1, 3]
    unknown = weighted_models(replace(weighed, bundle=None), table_of({"tfidf": [1, 1]}, rows=rows))
    assert np.all(unknown["tfidf"] == 3)


def test_which_items_are_new_is_known_anew_after_another_has_come() -> None:
    made = make_world(0)
    asked = replace(made.context(), weights={"tfidf": 1.0, "new_items": 2.0})

    def weights(context: Context) -> list[float]:
        rows = range(context.n_rows)
        found: list[float] = weighted_models(context, table_of({"tfidf": [1] * len(rows)}, rows=rows))[
            "tfidf"
        ].tolist()
        return found

    for number in range(3):
        assert weights(asked) == weights(asked) == weights(replace(made.context(), weights=asked.weights))
        row = replace(made.shop.snapshot[0], item_id=f"new {number}", change_seq=10**6 + number)
        made.index.apply([row])
        assert weights(asked)[made.row(row.item_id)] == 3
    heavier = replace(asked, weights={"tfidf": 1.0, "new_items": 3.0})
    assert max(weights(heavier)) == 4 and max(weights(asked)) == 3
