"""What a list says of itself beside its items: its name, their rows, chances and columns, what stood in."""

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.lists import recipes
from serving.lists.executor import make_list
from serving.lists.recipes import Recipe
from serving.observe.list_metrics import ListMetrics
from serving.steps.context import Context, Exploration, Recent
from serving.steps.scorers.single import Single
from serving.steps.selection import explore
from tests.worlds.world import World, texts, user, world

RECIPES = {name: each for name, each in vars(recipes).items() if isinstance(each, Recipe)}


def asked(made: World, n: int = 10, **wanted: Any) -> Context:
    """A list of somebody who has a history and searches; it can be made by every recipe."""
    ((query, vector),) = texts(4, 1)
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    return made.context(
        n,
        user=user(made, 1, events=30, searches=2, interests=2),
        item=int(live[3]),
        query=query,
        vector=vector,
        shares={"cf": 0.5, "embeddings": 0.5},
        recent=Recent(3, live[:40], np.arange(1, 41, dtype=np.float32), dict.fromkeys(live[:40].tolist(), 1)),
        **wanted,
    )


@pytest.mark.parametrize("name", RECIPES)
def test_a_list_tells_its_own_name_and_the_rows_of_its_items(name: str) -> None:
    """Also where another list stands in for it, or fills it up."""
    recipe = RECIPES[name]
    for made in (world(0), world(2, bundle=False)):
        for n in (1, 10, 200):
            found = make_list(recipe, asked(made, n))
            assert found.name == recipe.name
            rows = [made.item_id(row) for row in found.rows.tolist()]
            assert rows == [each.item.item_id for each in found.items]


@pytest.mark.parametrize("name", RECIPES)
def test_an_explained_list_has_columns_and_is_otherwise_the_same(name: str) -> None:
    recipe, context = RECIPES[name], asked(world(0), 5)
    plain, explained = make_list(recipe, context), make_list(recipe, replace(context, explain=True))
    assert [replace(each, columns=None) for each in explained.items] == plain.items
    assert all(each.columns is None for each in plain.items)
    for item in explained.items:
        assert item.columns is not None and item.columns.keys() == {"sources", "steps"}
        scorer = recipe.scorer
        if isinstance(scorer, Single) and not recipe.rerankers and not recipe.fallback and not recipe.fill:
            assert item.columns["sources"][scorer.source] == item.score


@given(
    st.integers(0, 999),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 300),
    st.sampled_from([1, 5, 60, 200]),
    st.booleans(),
)
@settings(max_examples=50)
def test_an_explored_list_is_drawn_from_the_best_of_the_list(
    seed: int, epsilon: float, pool: int, n: int, nothing: bool
) -> None:
    context = asked(world(0), n)
    if nothing:
        context = replace(context, permitted=np.zeros(context.n_rows, dtype=np.bool_))
    best = make_list(recipes.TRENDING, replace(context, n=max(n, pool)))
    drawn = explore(len(best.items), n, Exploration(epsilon, pool, Random(seed)))
    found = make_list(
        recipes.TRENDING, replace(context, exploration=Exploration(epsilon, pool, Random(seed)))
    )
    assert found.items == [best.items[place] for place in drawn.places]
    assert found.propensities == drawn.propensities and best.propensities is None
    assert bool(found.items) != nothing


def test_only_a_users_list_of_nothing_but_popular_items_is_a_fallback() -> None:
    made = world(0)
    of_user, nobodys = asked(made), made.context(10)
    assert make_list(recipes.POPULAR, of_user).fallback == "popular"
    assert make_list(recipes.POPULAR, nobodys).fallback is None
    own = make_list(recipes.ALS, of_user)
    assert own.items and own.fallback is None
    nothing = replace(of_user, permitted=np.zeros(of_user.n_rows, dtype=np.bool_))
    assert make_list(recipes.POPULAR, nothing).fallback is None
    no_words = replace(of_user, query="qqqqqq", vector=None)
    assert make_list(recipes.SEARCH, no_words).fallback == "no_search_matches"


def named(step: object) -> str:
    """What a step is called where its time is shown: its function's name, or its class's in small letters."""
    return getattr(step, "__name__", "") or type(step).__name__.lower()


@pytest.mark.parametrize("name", RECIPES)
def test_the_time_of_each_step_is_counted_under_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPES[name], fallback=None, fill=None)
    seen: list[str] = []
    monkeypatch.setattr(ListMetrics, "time_step", lambda _, step, seconds: seen.append(step))
    make_list(recipe, asked(world(0)))
    made = ["filters", *map(named, recipe.sources), "candidates", named(recipe.scorer)]
    more = [*(["candidates"] if recipe.whole else []), "best", *map(named, recipe.rerankers), "reasons"]
    assert seen == made + more
    if name == "TRENDING":
        assert seen == ["filters", "popularity", "candidates", "single", "best", "reasons"]
