"""The home page: five lists from one context."""

from dataclasses import dataclass, replace

from serving.lists import recipes
from serving.lists.executor import MadeList, make_list
from serving.steps.context import NOBODY, Context
from serving.steps.table import NO_ROWS

NO_PERSONALIZED = MadeList(recipes.PERSONALIZED.name, [], NO_ROWS)


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """The five lists."""

    personalized: MadeList
    trending: MadeList
    best_value: MadeList
    top_categories: dict[str, MadeList]
    diverse_picks: MadeList

    def logged(self) -> list[MadeList]:
        """What is logged as shown: those of the top categories, one after another, are one list."""
        items = [each for made in self.top_categories.values() for each in made.items]
        top = MadeList(recipes.TOP_OF_CATEGORY.name, items, NO_ROWS)
        return [self.personalized, self.trending, self.best_value, top, self.diverse_picks]


def make_home(context: Context) -> Home:
    """`personalized` is empty without an event in the window; three lists are the same for every user."""
    personal = bool(context.history.events and context.n_rows)
    personalized = make_list(recipes.PERSONALIZED, context) if personal else NO_PERSONALIZED
    trending, best_value, top_categories = shared_lists(context)
    beside = replace(context.excluding(personalized.rows), exploration=None)
    return Home(
        personalized=personalized,
        trending=trending,
        best_value=best_value,
        top_categories=top_categories,
        diverse_picks=make_list(recipes.DIVERSE_PICKS, beside),
    )


def shared_lists(context: Context) -> tuple[MadeList, MadeList, dict[str, MadeList]]:
    """Trending, best value and top categories: made once for each length, until something changes."""
    anonymous = replace(context, user=NOBODY, exploration=None)
    key = (context.n, context.kinds, context.explain)
    return context.rankings.remembered(
        key,
        lambda: (
            make_list(recipes.TRENDING, anonymous),
            make_list(recipes.BEST_VALUE, anonymous),
            {
                name: make_list(recipes.TOP_OF_CATEGORY, replace(anonymous, category=code, query=name))
                for name, code in context.rankings.top_categories(context.kinds)
            },
        ),
    )
