"""Search over the live catalogue: words, synonyms, typing mistakes, meaning, fallback."""

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from serving.catalogue.drafts import ItemDraft
from serving.errors import ItemNotFoundError
from serving.plane import LivePlane
from serving.types import Ranked
from training.params import Params

OpenPlane = Callable[[], Awaitable[LivePlane]]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


async def test_the_item_that_has_all_the_words_comes_first(plane: LivePlane) -> None:
    found = await plane.lists.search("garden hose", 10, explain=True)
    assert ids(found.results)[0] == "GAR0000001"
    assert found.fallback_reason is None
    assert "garden hose" in found.results[0].reason


@pytest.mark.parametrize("query", ["HOSES", "the hose", "hose!", " garden  hoses "])
async def test_case_plurals_and_stop_words_do_not_matter(plane: LivePlane, query: str) -> None:
    assert ids((await plane.lists.search(query, 1)).results) == ["GAR0000001"]


async def test_synonyms_are_expanded_both_ways_and_as_phrases(plane: LivePlane) -> None:
    assert ids((await plane.lists.search("sprinkler", 1)).results) == ["GAR0000001"]
    assert ids((await plane.lists.search("kettle warmer", 1)).results) == ["TEA0000001"]


async def test_an_edit_of_the_synonyms_counts_from_the_next_search(
    plane: LivePlane, small_params: Params
) -> None:
    path = Path(small_params.search.synonyms)
    before = path.read_text()
    assert (await plane.lists.search("flamingo", 1)).fallback_reason == "no_search_matches"
    try:
        path.write_text(before + "gnome, flamingo\n")
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        assert ids((await plane.lists.search("flamingo", 1)).results) == ["GAR0000003"]
    finally:
        path.write_text(before)


@pytest.mark.parametrize(("typed", "meant"), [("staplr", "OFF0000000"), ("strianer", "TEA0000003")])
async def test_typing_mistakes_are_read_as_the_nearest_word(plane: LivePlane, typed: str, meant: str) -> None:
    found = (await plane.lists.search(typed, 1, explain=True)).results
    assert ids(found) == [meant]
    assert typed in found[0].reason


async def test_nothing_matching_gives_trending_items_and_the_reason(plane: LivePlane) -> None:
    found = await plane.lists.search("zzqqxxyy", 4)
    assert found.fallback_reason == "no_search_matches"
    assert len(found.results) == 4


async def test_an_empty_catalogue_has_nothing_to_show(open_plane: OpenPlane) -> None:
    plane = await open_plane()
    found = await plane.lists.search("teapot", 5)
    assert found.results == [] and found.fallback_reason == "no_search_matches"
    home = await plane.lists.home("ann", 5)
    assert home.trending == [] and home.top_categories == {}
    assert await plane.lists.hybrid("ann", 5) == [] and await plane.lists.for_user_als("ann", 5) == []


async def test_each_kind_is_searched_by_itself(plane: LivePlane) -> None:
    await plane.create_item(ItemDraft(kind="content", item_id="c1", title="teapot lesson"))
    assert ids((await plane.lists.search("teapot", 5, frozenset({"content"}))).results) == ["c1"]
    assert "c1" not in ids((await plane.lists.search("teapot", 5, frozenset({"product"}))).results)
    assert {"c1", "TEA0000000"} <= set(ids((await plane.lists.search("teapot", 5)).results))


@pytest.mark.parametrize("typed", ["hos", "staplr", "strianer"])
async def test_an_article_that_has_the_misspelt_word_takes_no_guess_from_the_shop(
    plane: LivePlane, typed: str
) -> None:
    shop = frozenset({"product"})
    before = await plane.lists.search(typed, 5, shop, explain=True)
    await plane.create_item(ItemDraft(kind="article", title=f"On {typed}"))
    after = await plane.lists.search(typed, 5, shop, explain=True)
    assert ids(after.results) == ids(before.results)
    assert [each.reason for each in after.results] == [each.reason for each in before.results]
    assert after.fallback_reason == before.fallback_reason
    assert (await plane.lists.search(typed, 5, frozenset({"article"}))).results[0].item.title == f"On {typed}"


async def test_meaning_finds_what_words_do_not(plane: LivePlane) -> None:
    """The bag-of-words encoder sees whole words that the index of words drops: here a stop word."""
    await plane.create_item(ItemDraft(kind="product", item_id="THEBAND001", title="the who"))
    assert ids(await plane.lists.semantic_search("the who", 1)) == ["THEBAND001"]
    assert ids((await plane.lists.search("the who", 1)).results) == ["THEBAND001"]


async def test_similar_names_are_filled_up_by_meaning(plane: LivePlane) -> None:
    found = await plane.lists.similar_products("TEA0000001", 17)
    assert len(found) == 17
    models = [each.model for each in found]
    assert models.index("embeddings") == models.count("tfidf") == 4


async def test_similar_products_are_those_of_an_item_of_the_kinds_asked_for(plane: LivePlane) -> None:
    asked = partial(plane.lists.similar_products, "TEA0000001", 3)
    assert ids(await asked(of=frozenset({"product", "article"}))) == ids(await asked())
    with pytest.raises(ItemNotFoundError):
        await asked(of=frozenset({"article"}))


async def test_one_word_of_many_counts_less_than_the_meaning(plane: LivePlane) -> None:
    await plane.create_item(ItemDraft(kind="product", item_id="CALM000000", title="keep calm sign"))
    found = ids((await plane.lists.search("keep tea caddy", 5)).results)
    assert found[0] == "TEA0000004"
    assert "CALM000000" not in found
