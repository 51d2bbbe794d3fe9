"""Lists that are the same for every user, asked for in two ways."""

from dataclasses import replace

import pytest

from serving.lists import recipes
from serving.lists.home import shared_list
from tests.worlds.world import user, world


@pytest.mark.parametrize("first", [False, True])
def test_a_list_that_is_remembered_is_explained_to_who_asks_and_to_nobody_else(first: bool) -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, 3, events=20))
    for explain in (first, not first, first):
        shown = shared_list(recipes.TRENDING, replace(asked, explain=explain)).items
        assert shown and all((item.columns is not None) == explain for item in shown)
