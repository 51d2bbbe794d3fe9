"""Every recipe is what docs/ranking.md says of its list: sources, filters, rerankers, fallback."""

import re
from dataclasses import dataclass

import pytest

from database.settings import REPOSITORY
from serving.lists import recipes
from serving.lists.recipes import Recipe

SECTIONS = {
    "Personalized": recipes.PERSONALIZED,
    "Trending": recipes.TRENDING,
    "Best value": recipes.BEST_VALUE,
    "Top categories": recipes.TOP_OF_CATEGORY,
    "Diverse picks": recipes.DIVERSE_PICKS,
    "ALS list": recipes.ALS,
    "Hybrid list": recipes.COLD_START,
    "Similar by name": recipes.SIMILAR_TITLES,
    "Chosen by the same users": recipes.SAME_PEOPLE,
    "Cart": recipes.CART,
    "Like a new item": recipes.SIMILAR_TO_NEW_ITEM,
    "Similar by meaning": recipes.NEAR_ITEM,
    "Semantic search": recipes.NEAR_QUERY,
    "Search": recipes.SEARCH,
    "Recommended": recipes.RECOMMEND,
    "Own order": recipes.RERANK,
    "Bought together": recipes.BOUGHT_TOGETHER,
    "Like an item": recipes.SIMILAR_BY_PEOPLE,
    "Trend of hours": recipes.TRENDING_HOURS,
    "Search in pages": recipes.SEARCH_PAGES,
    "Listing": recipes.LISTING,
}
SOURCES = {
    "learned_models": ("als", "nmf", "ease", "tfidf"),
    "near_history_by_weight": ("embeddings",),
    "near_history_by_share": ("embeddings",),
    "near_item": ("embeddings",),
    "near_query": ("embeddings",),
    "similar_embeddings": ("embeddings",),
    "near_price": ("price",),
    "bought_together": ("fpgrowth",),
    "learned_popularity": ("popularity",),
    "most_popular": (),
    "past_searches": ("search",),
    "variety": ("diverse",),
    "similar_titles": ("tfidf",),
    "same_people": ("als",),
    "trending_now": ("window",),
}
"""What the documentation calls the columns of a source, where that is not its own name."""

RERANKERS = {"penalise_disliked": "dislikes", "diversify": "maximal marginal relevance"}
FILTERS = {"unseen": "seen", "not_itself": "the item itself", "in_category": "category"}


@dataclass(frozen=True)
class Section:
    """One list, as the page tells of it."""

    sources: list[str]
    sentence: str


def section(title: str) -> Section:
    page = (REPOSITORY / "docs" / "ranking.md").read_text()
    text = re.split(r"^### ", page, flags=re.M)
    body = next(part for part in text if part.startswith(f"{title}\n"))
    table = re.search(r"\| source \| weight \|\n\|[-|]+\|\n((?:\|.*\n)+)", body)
    assert table is not None, title
    sources = [row.split("|")[1].strip() for row in table.group(1).splitlines()]
    sentence = re.search(r"^Filters: .*?(?=\n\n)", body, flags=re.M | re.S)
    assert sentence is not None, title
    return Section(sources, " ".join(sentence.group(0).split()))


def names(recipe: Recipe) -> list[str]:
    """The sources' names; those of the draw, whose score is a column of the scorer, included."""
    found: list[str] = []
    for source in recipe.sources:
        name = source.__name__
        found += SOURCES.get(name, (name,))
    if recipe is recipes.DIVERSE_PICKS:
        found.append("diverse")
    return found


@pytest.mark.parametrize(("title", "recipe"), SECTIONS.items(), ids=SECTIONS)
def test_the_page_tells_of_a_list_what_its_recipe_does(title: str, recipe: Recipe) -> None:
    told = section(title)
    assert told.sources == names(recipe)
    filters = told.sentence.partition("Rerankers:")[0]
    for step, name in FILTERS.items():
        held = step in {each.__name__ for each in recipe.filters}
        assert (name in filters) == held, name
    rerankers = told.sentence.partition("Rerankers:")[2].partition("Fallback:")[0]
    for step, name in RERANKERS.items():
        held = step in {each.__name__ for each in recipe.rerankers}
        assert (name in rerankers) == held, name


def test_every_recipe_is_told_of() -> None:
    held = {each for each in vars(recipes).values() if isinstance(each, Recipe)}
    known = {*SECTIONS.values(), recipes.HYBRID, recipes.POPULAR}
    known |= {recipes.LIKED_WITH_A_BASKET, recipes.LIKE_A_BASKET}  # what a cart's list is filled up with
    known |= {recipes.POPULAR_ON_V1, recipes.LIKE_NOTHING_KNOWN}  # popular items
    known |= {recipes.BASKET, recipes.TRENDING_LIST, recipes.SIMILAR_BY_MEANING, recipes.SIMILAR_BY_TITLE}
    assert held == known
