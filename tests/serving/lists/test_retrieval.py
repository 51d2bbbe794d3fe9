"""Above a stated size, what a list is made of after its sources does not grow with the catalogue."""

from collections.abc import Callable, Sized
from dataclasses import fields, replace
from random import Random
from typing import Any

import numpy as np
import pytest

from serving.lists import recipes
from serving.lists.executor import make_list
from serving.lists.recipes import Recipe
from serving.lists.retrieval import retrieve
from serving.steps import context as contexts
from serving.steps.context import Context, Exploration, Recent, User
from serving.steps.rerankers.dislikes import penalise_disliked
from serving.steps.scorers.single import Single
from serving.steps.sources import models
from serving.steps.table import Table
from tests.worlds.plain_lists import Plain, agree
from tests.worlds.world import World, texts, user, world
from training.models.als import Als
from training.models.core import longest_first

RECIPES = {name: each for name, each in vars(recipes).items() if isinstance(each, Recipe)}
LARGE = 100
"""Live items above which a catalogue counts as large in these tests; the worlds have 150 and 2,000."""


@pytest.fixture(autouse=True)
def a_low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", LARGE)


def asked(made: World, seed: int = 1, **wanted: Any) -> Context:
    """A list of somebody who has liked, disliked and searched things; it can be made by every recipe."""
    ((query, vector),) = texts(4, 1)
    live = np.flatnonzero(made.index.catalogue.column("alive"))
    rows = live[:40].astype(np.int32)
    return made.context(
        5,
        user=user(made, seed, events=30, searches=2, interests=2),
        item=int(live[3]),
        query=query,
        vector=vector,
        shares={"cf": 0.5, "embeddings": 0.5},
        recent=Recent(3, rows, np.arange(1, 41, dtype=np.float32), dict.fromkeys(rows.tolist(), 1)),
        **wanted,
    )


def noting(recipe: Recipe, seen: list[Table]) -> Recipe:
    """The recipe, each of whose steps after the sources notes the table that it gets."""

    def noted(step: Callable[..., Any]) -> Callable[..., Any]:
        def noting_step(context: Context, table: Table, *rest: Any) -> Any:
            seen.append(table)
            return step(context, table, *rest)

        return noting_step

    scorer = recipe.scorer if recipe.whole else noted(recipe.scorer)
    return replace(
        recipe,
        scorer=scorer,
        rerankers=tuple(noted(each) for each in recipe.rerankers),
        labels=noted(recipe.labels),
        reasons=noted(recipe.reasons),
        fallback=None,
        fill=None,
    )


def lengths(table: Table) -> set[int]:
    """How long the arrays of a table are."""
    found: list[Sized] = []
    for each in fields(table):
        value = getattr(table, each.name)
        found += value.values() if each.name in ("sources", "steps") else []
        found += [value] if isinstance(value, np.ndarray) and (each.name != "score" or len(value)) else []
    return {len(each) for each in found}


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("variants", [False, True], ids=["every variant", "one of variants"])
def test_no_step_after_the_sources_gets_more_than_the_pool(name: str, variants: bool) -> None:
    for made in (world(0, "small"), world(0, "large")):
        context = asked(made, one_of_variants=variants)
        each = max(5 * context.params.ranking.candidates, context.n)
        seen: list[Table] = []
        make_list(noting(RECIPES[name], seen), context)
        assert seen or not len(retrieve(RECIPES[name], context, None)[0])
        for table in seen:
            pool = each * max(1, len(table.sources)) + context.length
            assert lengths(table) == {len(table)} and len(table) <= pool, (len(table), pool)
            assert all(isinstance(scale, float) for scale in table.scales.values())


BLENDED = ("als", "nmf", "ease", "tfidf", "embeddings", "popularity", "cf")


@pytest.mark.parametrize("name", ["PERSONALIZED", "HYBRID", "COLD_START", "SIMILAR_TO_NEW_ITEM"])
def test_a_candidate_is_scored_as_it_is_where_every_item_is_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(0, "large")
    # Variety is drawn among the candidates, and so many nearest count for a search in any catalogue.
    for seed in (1, 2, 3):
        context = asked(made, seed)
        pooled, _ = retrieve(RECIPES[name], context, None)
        with monkeypatch.context() as patch:
            patch.setattr(contexts, "WHOLE_CATALOGUE", 20_000)
            whole, _ = retrieve(RECIPES[name], context, None)
        assert len(pooled) < len(whole)
        assert pooled.sources.keys() == whole.sources.keys()
        for column, values in pooled.sources.items():
            wanted = whole.sources[column][pooled.rows]
            assert np.allclose(values, wanted, atol=1e-5), column
        for column in pooled.sources.keys() & BLENDED:
            # The bundle's items are not quite the live ones: some were deleted, others are new.
            ratio = pooled.scales[column] / whole.scales[column]
            assert 0.8 < ratio < 1.25, (column, ratio)


@pytest.mark.parametrize("name", ["SEARCH_PAGES", "LISTING"])
def test_a_list_in_pages_counts_everything_and_shows_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(0, "large")
    for variants in (False, True):
        context = asked(made, one_of_variants=variants)
        pages = []
        for limit in (LARGE, 20_000):
            monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", limit)
            first = make_list(RECIPES[name], context)
            later = replace(context, earlier_pages=first.rows, no_variants_of=first.rows)
            second = make_list(RECIPES[name], later)
            assert not set(first.rows.tolist()) & set(second.rows.tolist())
            pages.append([(first.rows.tolist(), second.rows.tolist()), first.found.tolist()])
        assert pages[0] == pages[1]


@pytest.mark.parametrize("limit", [LARGE, 20_000])
def test_diverse_picks_are_of_the_most_popular_in_any_catalogue(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", limit)
    made = world(0, "large")
    context = made.context(10, user=user(made, 1))
    agree(make_list(recipes.DIVERSE_PICKS, context), Plain(made, context).diverse_picks(), 10)


@pytest.mark.parametrize("name", ["DIVERSE_PICKS", "COLD_START", "HYBRID", "RECOMMEND", "TRENDING"])
def test_a_large_shop_in_which_nothing_is_popular_yet_shows_items(name: str) -> None:
    made = world(2, "small", bundle=False)
    context = made.context(10, shares={"cf": 0.5, "embeddings": 0.5})
    context.rankings.popularity = np.zeros(context.n_rows)
    assert len(make_list(RECIPES[name], context).items) == 10


def by_the_longest(made: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, as if its bundle had so many items that the longest factors are looked at alone."""
    monkeypatch.setattr(longest_first, "LEAST_ITEMS", 100)
    monkeypatch.setattr(longest_first, "_FIRST", 64)
    monkeypatch.setattr(longest_first, "_FEW", 8)
    monkeypatch.setattr(longest_first, "_SHARE", 1)
    assert made.placed is not None
    loaded = made.placed.loaded
    # Steeper than they are, as of a catalogue with a long tail.
    arrays = loaded.models.als.arrays()
    lengths = np.linalg.norm(arrays["item_factors"], axis=1, keepdims=True)
    arrays["item_factors"] = (arrays["item_factors"] * lengths).astype(np.float32)
    als = Als.restore(arrays, loaded.models.als.settings())
    placed = replace(made.placed, loaded=replace(loaded, models=replace(loaded.models, als=als)))
    return replace(made, placed=placed)


@pytest.mark.parametrize("variants", [False, True], ids=["every variant", "one of variants"])
@pytest.mark.parametrize("name", ["ALS", "LIKED_WITH_A_BASKET"])
def test_a_list_by_als_is_the_same_from_the_longest_factors(
    name: str, variants: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, recipe = by_the_longest(world(0, "large"), monkeypatch), RECIPES[name]
    few = 0
    for seed in range(12):
        kinds = frozenset({"product"}) if seed % 3 else None
        for who in (user(made, seed, events=12), User("bob", trained=seed), User("eve", trained=-1)):
            permitted = (
                np.random.default_rng(seed).random(made.index.catalogue.n_rows) < (0.6, 0.05)[seed % 2]
            )
            narrow = permitted if seed > 5 else None
            explored = (
                [Exploration(0.5, 12, Random(seed)) for _ in range(2)] if seed % 4 == 0 else [None, None]
            )
            context = made.context(
                9, user=who, kinds=kinds, permitted=narrow, one_of_variants=variants, exploration=explored[0]
            )
            table, _ = retrieve(recipe, context, None)
            found = make_list(recipe, context)
            with monkeypatch.context() as patch:
                patch.setattr(Als, "best_of", lambda *_: None)
                context = replace(context, exploration=explored[1])
                plain, wanted = retrieve(recipe, context, None)[0], make_list(recipe, context)
            assert found.rows.tolist() == wanted.rows.tolist()
            scores = [[each.score for each in made_list.items] for made_list in (found, wanted)]
            assert scores[0] == pytest.approx(scores[1], rel=1e-5)
            assert (found.fallback, found.propensities) == (wanted.fallback, wanted.propensities)
            few += len(table) < len(plain)
    assert few >= 5


@pytest.mark.parametrize("name", [name for name, each in RECIPES.items() if models.als in each.sources])
def test_als_brings_few_to_lists_alone_that_can_hold_no_others(name: str) -> None:
    """It brings no more items than such a list is chosen from, which would be too few for a blend."""
    recipe = RECIPES[name]
    assert recipe.sources == (models.als,) and recipe.scorer == Single("als")
    assert set(recipe.rerankers) <= {penalise_disliked}
    assert recipe.eligible == "positive" and not recipe.whole and not recipe.scores_everything
