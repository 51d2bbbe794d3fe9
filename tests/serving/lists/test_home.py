"""The lists of the home page: what is the same for every user, and what is only there for some."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from serving.lists import recipes
from serving.lists.executor import make_list
from serving.lists.home import make_home, shared_list, top_categories
from serving.steps.context import Exploration
from tests.worlds.world import user, world


@pytest.mark.parametrize("first", [False, True])
def test_a_list_that_is_remembered_is_explained_to_who_asks_and_to_nobody_else(first: bool) -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, 3, events=20))
    for explain in (first, not first, first):
        shown = shared_list(recipes.TRENDING, replace(asked, explain=explain)).items
        assert shown and all((item.columns is not None) == explain for item in shown)


@pytest.mark.parametrize("recipe", [recipes.TRENDING, recipes.BEST_VALUE], ids=lambda recipe: recipe.name)
def test_a_shared_list_has_nothing_of_whoever_asks_first(recipe: recipes.Recipe) -> None:
    made = world(0, "small")
    nobodys = shared_list(recipe, made.context())
    left_out = nobodys.rows[:3]
    explored = Exploration(1.0, 50, Random(1))
    asked = made.context(user=user(made, 3, events=20), exclude=left_out, exploration=explored)
    for found in (nobodys, shared_list(recipe, asked)):
        assert found.items == make_list(recipe, made.context()).items and found.shared
        assert found.fallback is None and found.propensities is None
    lists = top_categories(asked)
    assert lists and {(each.fallback, each.propensities) for each in lists.values()} == {(None, None)}
    assert {name: each.items for name, each in lists.items()} == {
        name: each.items for name, each in top_categories(made.context()).items()
    }


@pytest.mark.parametrize("events", [0, 20])
def test_personalized_is_there_from_the_first_event_and_not_for_searches_alone(events: int) -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, 3, events=events, searches=3))
    wanted = make_list(recipes.PERSONALIZED, asked).items
    home = make_home(asked, ["personalized", "diverse_picks"])
    assert wanted and home.rows["personalized"].items == (wanted if events else [])
    both = np.concatenate([each.rows for each in home.logged()])
    assert len(set(both.tolist())) == len(both), "the diverse picks are others"
