"""Rankings are kept while nothing that they depend on changes, and are never older than that."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from database.settings import REPOSITORY
from serving.catalogue.catalogue import Catalogue
from serving.catalogue.rankings import Rankings, TrendingScores, stamp
from serving.plane import LivePlane
from serving.types import Item
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml").ranking
TRENDING = TrendingScores(1, {"a": (2.0, 3), "b": (1.0, 1)})
KINDS = frozenset({"product"})

ITEMS = st.builds(
    Item,
    item_id=st.sampled_from("abcd"),
    kind=st.sampled_from(["product", "article"]),
    title=st.sampled_from([None, "lamp", "red lamp"]),
    category=st.sampled_from([None, "light", "tea"]),
    price=st.sampled_from([None, 1.0, 2.5]),
    discount_ratio=st.sampled_from([None, 0.1, 0.3]),
    rating=st.sampled_from([None, 4.0]),
    rating_count=st.sampled_from([None, 3, 50]),
    hidden=st.booleans(),
)


@given(st.lists(st.one_of(ITEMS, st.sampled_from("abcd")), max_size=12))
def test_kept_rankings_are_what_new_ones_would_be(changes: list[Item | str]) -> None:
    """A change is an item that is put, or the id of one that is removed."""
    catalogue = Catalogue()
    kept = Rankings(catalogue, TRENDING, None, PARAMS)
    for seq, change in enumerate(changes):
        if isinstance(change, str):
            catalogue.remove(change, seq)
        else:
            catalogue.put(change, seq)
        new = Rankings(catalogue, TRENDING, None, PARAMS)
        if kept.stamp == stamp(catalogue, TRENDING):
            assert np.array_equal(kept.popularity, new.popularity)
            assert np.array_equal(kept.values, new.values)
            assert np.array_equal(kept.groups, new.groups)
            assert np.array_equal(kept.order(KINDS), new.order(KINDS))
            assert kept.top_categories(KINDS) == new.top_categories(KINDS)
            assert np.array_equal(kept.listing("product", None), new.listing("product", None))
        else:
            kept = new
        kept.listing("product", None)  # made, and to be forgotten


async def test_an_edited_text_shows_at_once_and_sorts_nothing_anew(plane: LivePlane) -> None:
    before = plane.lists.rankings()
    await plane.lists.home("ann", 18)  # made, and to be forgotten
    await plane.update_item("TEA0000000", {"title": "samovar"})
    titles: list[Any] = [each.item.title for each in (await plane.lists.home("ann", 18)).trending]
    assert "samovar" in titles and "teapot" not in titles
    assert plane.lists.rankings() is before
    await plane.update_item("TEA0000000", {"price": 1.0})
    assert plane.lists.rankings() is not before
