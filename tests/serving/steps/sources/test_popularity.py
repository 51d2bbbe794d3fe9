"""Columns that are the same for every user."""

from dataclasses import replace

import numpy as np
import pytest

from serving.steps.context import Recent
from serving.steps.sources import popularity
from tests.worlds.plain_lists import Plain, alike, said
from tests.worlds.world import world

ALLOWED = np.ones(0, dtype=np.bool_)


def test_popularity_and_value_are_those_of_the_plain_lists() -> None:
    for which, bundle in ((0, True), (2, False)):
        made = world(which, bundle=bundle)
        asked = made.context()
        plain = Plain(made, asked)
        assert alike(said(made, popularity.popularity(asked, ALLOWED)["popularity"]), plain.popular)
        value = said(made, popularity.value(asked, ALLOWED)["value"])
        assert plain.best_value().keys() <= value.keys()
        assert alike({each: value[each] for each in plain.best_value()}, plain.best_value())


def test_the_draw_is_from_the_most_popular_that_may_be_shown() -> None:
    made = world(0)
    asked = made.context(kinds=frozenset({"product"}))
    plain, found = Plain(made, asked), popularity.most_popular(asked, ALLOWED)["popularity"]
    listed = {each: plain.popular[each] for each in plain.listed()}
    count = min(len(listed), 5 * asked.params.ranking.candidates)
    assert found.rows is not None and len(found.rows) == count
    assert (
        sorted(found.values.tolist(), reverse=True)[-1]
        >= sorted(listed.values(), reverse=True)[count - 1] - 1e-6
    )


def test_the_trend_of_hours_is_what_the_context_brings() -> None:
    made = world(0)
    rows, scores = np.array([4, 2], dtype=np.int32), np.array([3, 1], dtype=np.float32)
    asked = made.context(recent=Recent(6, rows, scores, {4: 3, 2: 1}))
    assert said(made, popularity.trending_now(asked, ALLOWED)["window"]) == {
        made.item_id(row): score for row, score in ((4, 3.0), (2, 1.0)) if made.item_id(row) in made.items
    }


def test_the_bundles_popularity_only_where_it_weighs_something() -> None:
    made = world(0)
    asked = made.context()
    assert popularity.learned_popularity(replace(asked, weights={}), ALLOWED) == {}
    weighed = replace(asked, weights={"popularity": 1.0})
    found = said(made, popularity.learned_popularity(weighed, ALLOWED)["popularity"])
    wanted = Plain(made, weighed).learned_popularity()
    assert alike(found, {each: score for each, score in wanted.items() if each in made.items})
    nothing = popularity.learned_popularity(replace(weighed, bundle=None), ALLOWED)["popularity"]
    assert not nothing.values.any()


def test_in_a_large_catalogue_the_bundle_tells_the_scale_of_its_popularity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a small one it is that of the live items; here ten items count as many."""
    monkeypatch.setattr("serving.steps.context.WHOLE_CATALOGUE", 10)
    asked = replace(world(0).context(), weights={"popularity": 1.0})
    column = popularity.learned_popularity(asked, ALLOWED)["popularity"]
    assert column.scale == pytest.approx(float(column.values.std()), rel=1e-5)
