"""The home page: five lists from one context, or those of them that are asked for."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeVar

from serving.lists import recipes
from serving.lists.executor import MadeList, make_list
from serving.steps.context import NOBODY, Context
from serving.steps.table import NO_ROWS
from serving.types import HOME_LISTS

T = TypeVar("T")

NO_PERSONALIZED = MadeList(recipes.PERSONALIZED.name, [], NO_ROWS)


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """The lists that were asked for."""

    rows: dict[str, MadeList] = field(default_factory=dict)
    """By their names in HOME_LISTS, all but the top categories."""
    top_categories: dict[str, MadeList] = field(default_factory=dict)
    """A list for each category."""

    def logged(self) -> list[MadeList]:
        """What is logged: each list by itself, those of the categories under one name."""
        return [*self.rows.values(), *self.top_categories.values()]


def make_home(context: Context, lists: Collection[str] = HOME_LISTS) -> Home:
    """`personalized` is empty without an event in the window; three lists are the same for every user.

    The diverse picks leave out what is in `personalized` if that is asked for as well.
    """
    rows: dict[str, MadeList] = {}
    if "personalized" in lists:
        personal = bool(context.history.events and context.n_rows)
        rows["personalized"] = make_list(recipes.PERSONALIZED, context) if personal else NO_PERSONALIZED
        context = context.excluding(rows["personalized"].rows)
    for name, recipe in (("trending", recipes.TRENDING), ("best_value", recipes.BEST_VALUE)):
        if name in lists:
            rows[name] = shared_list(recipe, context)
    if "diverse_picks" in lists:
        rows["diverse_picks"] = make_list(recipes.DIVERSE_PICKS, replace(context, exploration=None))
    return Home(rows, top_categories(context) if "top_categories" in lists else {})


def shared_list(recipe: recipes.Recipe, context: Context) -> MadeList:
    """A list that is the same for every user: made once for each length, until something changes."""
    return _made_once(recipe, context, lambda anonymous: replace(make_list(recipe, anonymous), shared=True))


def top_categories(context: Context) -> dict[str, MadeList]:
    """The most popular of each top category, the same for every user."""
    recipe = recipes.TOP_OF_CATEGORY

    def make(anonymous: Context) -> dict[str, MadeList]:
        return {
            name: replace(
                make_list(recipe, replace(anonymous, category=code, query=name)), part=name, shared=True
            )
            for name, code in context.rankings.top_categories(context.kinds)
        }

    return _made_once(recipe, context, make)


def _made_once(recipe: recipes.Recipe, context: Context, make: Callable[[Context], T]) -> T:
    """What `make` gives for nobody in particular, remembered until catalogue, trending or bundle change."""
    key = (recipe.name, context.n, context.kinds, context.explain, context.reasons)
    return context.rankings.remembered(
        key, lambda: make(replace(context, user=NOBODY, exploration=None, exclude=NO_ROWS))
    )
