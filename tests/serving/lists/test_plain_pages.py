"""Searches and listings, read page by page, are one order of all that fits: compared with plain loops."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.lists import recipes
from serving.lists.executor import make_list
from serving.lists.recipes import Recipe
from serving.steps.context import Context, Sort
from tests.worlds.plain_lists import Plain, Scores
from tests.worlds.plain_pages import in_order, listing, matches, one_of_each, same_order
from tests.worlds.world import World, changed_params, texts, world

FIELDS = [Sort(name, "number", descending) for name in ("price", "rating") for descending in (False, True)]
SORTS = st.sampled_from([None, *FIELDS])


def read_pages(recipe: Recipe, asked: Context) -> tuple[list[str], list[int]]:
    """The ids of all pages in turn, and how much each page says is found in all."""
    shown: list[str] = []
    counts, rows = [], np.zeros(0, dtype=np.int32)
    while True:
        made = make_list(recipe, replace(asked, earlier_pages=rows, no_variants_of=rows))
        counts.append(int(np.count_nonzero(made.found)))
        if not made.items:
            return shown, counts
        assert len(made.items) <= asked.n
        shown += [each.item.item_id for each in made.items]
        rows = np.concatenate([rows, made.rows])


def narrowed(made: World, seed: int, n: int, variants: bool, sort: Sort | None) -> Context:
    """A request with a filter and items to leave out, or without."""
    random = np.random.default_rng(seed)
    asked = made.context(n, one_of_variants=not variants, sort=sort)
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    return replace(
        asked,
        permitted=None if seed % 2 else random.random(asked.n_rows) < 0.6,
        exclude=random.choice(live, seed % 4, replace=False),
    )


def agrees(recipe: Recipe, plain: Plain, found: Scores) -> None:
    """All pages together are what is found, in order, and each of them counts it."""
    asked = plain.ask
    order = in_order(plain, found, asked.sort)
    if asked.one_of_variants:
        order = one_of_each(plain, order)
    shown, counts = read_pages(recipe, asked)
    assert shown == order if asked.sort is not None else same_order(shown, order, found)
    assert set(counts) == {len(found)}, "every page counts all of it, variants too"


@given(st.integers(0, 1), st.integers(0, 100), st.sampled_from([7, 40, 300]), st.booleans(), SORTS)
@settings(max_examples=25)
def test_a_listing(which: int, seed: int, n: int, variants: bool, sort: Sort | None) -> None:
    made = world(which, "small")
    plain = Plain(made, narrowed(made, seed, n, variants, sort))
    agrees(recipes.LISTING, plain, listing(plain))


@given(st.integers(0, 1), st.integers(0, 200), st.sampled_from([7, 40, 300]), st.booleans(), SORTS)
@settings(max_examples=25)
def test_a_search_in_pages(which: int, seed: int, n: int, variants: bool, sort: Sort | None) -> None:
    made = world(which, "small")
    ((query, vector),) = texts(seed, 1)
    asked = replace(narrowed(made, seed, n, variants, sort), query=query, vector=vector)
    plain = Plain(made, asked)
    if plain.knows(query):  # other words are guessed: tests/serving/text
        agrees(recipes.SEARCH_PAGES, plain, matches(plain, query, vector))


@given(st.integers(0, 1), st.integers(0, 100), st.integers(1, 9), st.sampled_from([*FIELDS, None]))
@settings(max_examples=15)
def test_variants_leave_no_page_short_where_few_more_are_looked_at_than_it_holds(
    which: int, seed: int, n: int, sort: Sort | None
) -> None:
    made = world(which, "small")
    params = changed_params(made.params, "ranking", candidates=1)
    asked = replace(narrowed(made, seed, n, variants=False, sort=sort), params=params)
    plain = Plain(made, asked)
    agrees(recipes.LISTING, plain, listing(plain))
    shown, pages = read_pages(recipes.LISTING, asked)
    assert len(pages) == -(-len(shown) // n) + 1, "each page is full, but for the last and one without items"
