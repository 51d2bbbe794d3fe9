"""Rankings are kept while nothing that they depend on changes, and are never older than that."""

import asyncio
import math
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from serving.catalogue import percentiles, rankings
from serving.catalogue.catalogue import Catalogue, identity_of
from serving.catalogue.rankings import Rankings, stamp
from serving.catalogue.signals import TrendingScores
from serving.plane import LivePlane
from serving.types import KINDS as ALL_KINDS
from serving.types import Item
from tests.serving.catalogue.plain import plain_values
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


CHANGES = st.lists(st.one_of(ITEMS, st.sampled_from("abcd"), st.just(TRENDING), st.just(None)), max_size=12)
"""An item that is put, the id of one that is removed, another computation of trending, or None: the rows of
deleted items are given back."""


@given(CHANGES, st.lists(st.booleans(), min_size=12, max_size=12), st.sampled_from([0, 1, 8]))
def test_rankings_that_follow_the_changes_are_what_new_ones_would_be(
    changes: list[Item | str | TrendingScores | None], asked: list[bool], few: int
) -> None:
    catalogue, trending = Catalogue(), TRENDING
    kept = Rankings(catalogue, trending, None, PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles, "_MOVED_ONE_BY_ONE", few)
        for seq, (change, ask) in enumerate(zip(changes, asked, strict=False)):
            if isinstance(change, TrendingScores):
                trending = TrendingScores(trending.version + 1, {"c": (seq + 1.0, 2)})
            elif change is None:
                catalogue.give_back([])
            elif isinstance(change, str):
                catalogue.remove(change, seq)
            else:
                catalogue.put(change, seq)
            if not ask:  # several changes at once
                continue
            if kept.stamp != stamp(catalogue, trending):
                kept = Rankings(catalogue, trending, None, PARAMS, kept)
            assert_equal(kept, Rankings(catalogue, trending, None, PARAMS))


def assert_equal(kept: Rankings, new: Rankings) -> None:
    assert np.array_equal(kept.popularity, new.popularity)
    assert np.array_equal(kept.values, new.values)
    assert np.array_equal(kept.groups, new.groups)
    assert np.array_equal(kept.events, new.events)
    for one, other in zip(kept.popularity_in_order(), new.popularity_in_order(), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(kept.lowest_identities(), new.lowest_identities())
    for kinds in (KINDS, None):
        assert np.array_equal(kept.most_popular(kinds, 2), new.most_popular(kinds, 2))
        assert kept.top_categories(kinds) == new.top_categories(kinds)
    assert np.array_equal(kept.listing("product", None), new.listing("product", None))


LAMPS = [
    Item(name, "product", "lamp", category=of, price=2.5, discount_ratio=0.1, rating=4.0, rating_count=3)
    for name, of in (("a", "tea"), ("b", "tea"), ("c", "light"), ("d", "tea"))
]


@pytest.mark.parametrize(
    "edit",
    [
        {"kind": "article"},
        {"title": None},
        {"category": "light"},
        {"price": 9.0},
        {"discount_ratio": 0.9},
        {"rating": 1.0},
        {"rating_count": 300},
        {"hidden": True},
        {"available": False},
    ],
)
def test_an_edit_of_one_field_is_followed(edit: dict[str, Any]) -> None:
    catalogue = Catalogue()
    for seq, item in enumerate(LAMPS):
        catalogue.put(item, seq)
    kept = Rankings(catalogue, TRENDING, None, PARAMS)
    assert kept.values.any()
    catalogue.put(replace(LAMPS[1], **edit), len(LAMPS))
    if kept.stamp != stamp(catalogue, TRENDING):
        kept = Rankings(catalogue, TRENDING, None, PARAMS, kept)
    assert_equal(kept, Rankings(catalogue, TRENDING, None, PARAMS))


@given(st.lists(ITEMS, max_size=8))
@example([Item(name, "product", "lamp", category="tea" if name == "b" else "light") for name in "bcd"])
@example([replace(each, item_id=f"{each.item_id}2", rating_count=None) for each in LAMPS])
@example([LAMPS[0], LAMPS[2], replace(LAMPS[3], category="art", rating_count=None)])  # one has a trend
def test_rankings_are_what_a_plain_computation_gives(items: list[Item]) -> None:
    catalogue = Catalogue()
    for seq, item in enumerate(items):
        catalogue.put(item, seq)
    made = Rankings(catalogue, TRENDING, None, PARAMS)
    shown = [(row, item) for row, item in catalogue.live() if not item.hidden]
    titled = any(item.title for _, item in catalogue.live())
    shown = [(row, item) for row, item in shown if item.title or not titled]

    def popularity(item: Item) -> float:
        most = max((item.rating_count or 0 for _, item in catalogue.live()), default=0)
        ids = [each.item_id for _, each in catalogue.live()]
        trends = {item_id: TRENDING.scores.get(item_id, (0.0, 0))[0] for item_id in ids}
        trend = trends[item.item_id] / (max(trends.values()) or 1.0)
        return trend + 1e-4 * (math.log1p(item.rating_count or 0) / math.log1p(most) if most else 0.0)

    order = sorted(shown, key=lambda each: (-popularity(each[1]), identity_of(each[1].item_id)))
    assert made.most_popular(None, 9).tolist() == [row for row, _ in order]
    of_kind = [(row, item) for row, item in catalogue.live() if item.kind in KINDS]
    named = any(item.title for _, item in of_kind)
    of_kind = [(row, item) for row, item in of_kind if not item.hidden and (item.title or not named)]
    order = sorted(of_kind, key=lambda each: (-popularity(each[1]), identity_of(each[1].item_id)))
    assert made.most_popular(KINDS, 9).tolist() == [row for row, _ in order]
    trends = {item.item_id: TRENDING.scores.get(item.item_id, (0.0, 0))[0] for _, item in catalogue.live()}
    weights: dict[str, list[float]] = {}
    for row, item in shown:
        if item.category is not None:
            weight = trends[item.item_id] if any(trends.values()) else made.popularity[row]
            weights.setdefault(item.category, []).append(weight)
    best = sorted(weights, key=lambda name: (-math.fsum(weights[name]), -len(weights[name]), name))
    names = [name for name, _ in made.top_categories(None)]
    assert names == (best[: PARAMS.top_categories] or (["Other"] if shown else []))
    assert made.listing(None, None).tolist() == [
        row for row, item in sorted(shown, key=lambda each: each[1].item_id) if item.title
    ]
    live = [row for row, _ in catalogue.live()]
    category, kind = (catalogue.column(name)[live] for name in ("category", "kind"))
    values = plain_values(
        price=catalogue.column("price")[live],
        discount=catalogue.column("discount")[live],
        rating=catalogue.column("rating")[live],
        rating_count=catalogue.column("rating_count")[live],
        group=np.where(category >= 0, category + len(ALL_KINDS), kind).astype(np.int32),
        popularity=made.popularity[live],
        prior_ratings=PARAMS.value_prior_ratings,
        popularity_share=PARAMS.value_popularity,
        cheapness_share=PARAMS.value_cheapness,
    )
    np.testing.assert_allclose(made.values[live], values)


@given(st.lists(ITEMS, max_size=12), st.randoms(use_true_random=False))
def test_workers_whose_rows_differ_agree(items: list[Item], random: Random) -> None:
    items = list({item.item_id: item for item in items}.values())
    shuffled = random.sample(items, len(items))
    weights = TrendingScores(1, {item_id: (0.1 * place, 1) for place, item_id in enumerate("abcd", start=1)})
    found = []
    for each in (items, shuffled):
        catalogue = Catalogue()
        for seq, item in enumerate(each):
            catalogue.put(item, seq)
        made = Rankings(catalogue, weights, None, PARAMS)
        names = [catalogue.id_of(row) for row in made.most_popular(None, 12)]
        found.append((names, made.top_categories(None)))
    codes = [[name for name, _ in categories] for _, categories in found]
    assert found[0][0] == found[1][0] and codes[0] == codes[1]


@given(st.lists(st.lists(st.text("ab-", min_size=1, max_size=4), max_size=40), max_size=4))
@example([["b", "a5"], [f"a{number}" for number in range(40)], ["a"]])  # more than are put in one by one
def test_rows_are_kept_in_order_of_their_ids(deliveries: list[list[str]]) -> None:
    catalogue = Catalogue()
    for seq, delivery in enumerate(deliveries):
        for item_id in delivery:
            catalogue.put(Item(item_id=item_id, kind="product", title="lamp"), seq)
        ids = [catalogue.id_of(row) for row in catalogue.rows_by_id()]
        assert ids == sorted(set().union(*deliveries[: seq + 1]))


async def test_an_edited_text_shows_at_once_and_sorts_nothing_anew(plane: LivePlane) -> None:
    before = plane.lists.rankings()
    await plane.lists.home("ann", 18)  # made, and to be forgotten
    await plane.update_item("TEA0000000", {"title": "samovar"})
    titles: list[Any] = [each.item.title for each in (await plane.lists.home("ann", 18)).trending]
    assert "samovar" in titles and "teapot" not in titles
    assert plane.lists.rankings() is before
    await plane.update_item("TEA0000000", {"price": 1.0})
    assert plane.lists.rankings() is not before


@pytest.mark.slow
@given(
    st.integers(0, 999), st.sampled_from([1.5, 999.0]), st.sampled_from(["price", "category", "rating_count"])
)
@settings(max_examples=25)
def test_one_edit_sorts_nothing_anew(edited: int, number: float, what: str) -> None:
    """The work of an edit is counted, not timed: each sort tells how many values it gets."""
    catalogue = Catalogue()
    items = [
        Item(
            f"{n:04}", "product", "lamp", category=f"c{n % 50}", price=1.0 + n, rating=4.0, rating_count=n % 9
        )
        for n in range(1000)
    ]
    for item in items:
        catalogue.put(item, 1)
    kept = Rankings(catalogue, TRENDING, None, PARAMS)
    assert kept.values.any()
    change: dict[str, Any] = {"price": number, "category": f"c{int(number)}", "rating_count": 3}
    with pytest.MonkeyPatch.context() as patch:
        sorted_values: list[int] = []
        order = percentiles._by_group_and_value

        def noting(values: Any, groups: Any) -> Any:
            sorted_values.append(len(values))
            return order(values, groups)

        patch.setattr(percentiles, "_by_group_and_value", noting)
        catalogue.put(replace(items[edited], **{what: change[what]}), 2)
        after = Rankings(catalogue, TRENDING, None, PARAMS, kept)
        assert after.values.any() and sorted_values == []
        for item in items[: 9 * 50 : 50]:  # more than a few of one category
            catalogue.put(replace(item, price=5000.0), 3)
        after = Rankings(catalogue, TRENDING, None, PARAMS, after)
        assert after.values.any() and sum(sorted_values) <= 3 * 1000 / 50


async def test_items_that_come_in_while_a_home_page_is_made_fail_no_request(plane: LivePlane) -> None:
    """A file of new items is applied between any two steps of a request."""
    catalogue = plane._components.index.catalogue
    changed = int(catalogue.column("change_seq").max())

    async def apply() -> None:
        for number in count():
            catalogue.put(Item(f"new {number}", "product", "lamp", price=1.0 + number), changed)
            await asyncio.sleep(0)

    applying = asyncio.create_task(apply())
    for _ in range(5):
        home = await plane.lists.home("ann", 5)
        assert all(each.item.price for each in home.best_value) and len(home.best_value) == 5
    applying.cancel()
    await asyncio.wait([applying])
    with pytest.raises(asyncio.CancelledError):
        applying.result()


@pytest.mark.parametrize("unit", [1e-15, 1.0, 1e15])
def test_the_top_categories_do_not_depend_on_the_unit_that_trends_are_in(unit: float) -> None:
    catalogue = Catalogue()
    scores = {"a": (2.0, 3), "b": (1.5, 1), "c": (3.0, 1), "d": (0.4, 1)}
    for seq, (item, category) in enumerate(zip("abcd", ["light", "light", "tea", "mugs"], strict=True)):
        catalogue.put(Item(item, "product", item, category=category), seq)
    trending = TrendingScores(1, {item: (unit * score, events) for item, (score, events) in scores.items()})
    found = Rankings(catalogue, trending, None, PARAMS).top_categories(KINDS)
    assert [name for name, _ in found] == ["light", "tea", "mugs"]


@given(
    st.lists(ITEMS, max_size=8),
    st.sampled_from([None, "product", "article"]),
    st.sampled_from([None, "light"]),
)
@example(LAMPS, None, "light")
@example(LAMPS, "product", "light")
@example([replace(LAMPS[0], kind="article"), LAMPS[2]], "article", None)
def test_a_listing_holds_what_is_listed_of_the_kind_and_category_by_id(
    items: list[Item], kind: str | None, category: str | None
) -> None:
    catalogue = Catalogue()
    last: dict[str, Item] = {}
    for seq, item in enumerate(items):
        catalogue.put(item, seq)
        last[item.item_id] = item
    rows = Rankings(catalogue, TRENDING, None, PARAMS).listing(kind, category)
    assert [catalogue.item(row).item_id for row in rows.tolist()] == sorted(
        item.item_id
        for item in last.values()
        if item.title and not item.hidden and kind in (None, item.kind) and category in (None, item.category)
    )


@given(st.integers(0, 999), st.sampled_from([1, 5, 12, 1000]))
@settings(max_examples=25)
def test_the_fronts_that_are_kept_are_those_of_a_plain_sort(seed: int, front: int) -> None:
    random, catalogue = Random(seed), Catalogue()
    for number in range(30):
        counted, hidden = random.choice([None, 3, 50]), random.random() < 0.2
        catalogue.put(Item(str(number), "product", "lamp", rating_count=counted, hidden=hidden), number)
    made = Rankings(catalogue, TrendingScores(1, {"7": (2.0, 1), "8": (2.0, 3)}), None, PARAMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankings, "FRONT", front)
        scores, popular = made.popularity_in_order()
        lowest = made.lowest_identities()
    identity = catalogue.column("identity").tolist()
    wanted = made.popularity.astype(np.float32).tolist()
    with_any = [row for row, score in enumerate(wanted) if score > 0]
    assert scores.tolist() == wanted
    assert popular.tolist() == sorted(with_any, key=lambda row: (-wanted[row], identity[row]))[:front]
    shown = [row for row, item in catalogue.live() if not item.hidden]
    assert lowest.tolist() == sorted(shown, key=lambda row: identity[row])[:front]
    # Kept for all lists, which may not change them, until the popularity is another.
    assert made.popularity_in_order()[1] is popular and made.lowest_identities() is lowest
    assert not scores.flags.writeable
    made.popularity = np.zeros(catalogue.n_rows)
    assert not len(made.popularity_in_order()[1])


class Counted(dict[str, tuple[float, int]]):
    """Trending scores that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Any:
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("change", [{"price": 999.0}, {"category": "c3"}, {"rating_count": 3}])
def test_one_edit_in_a_small_shop_sorts_nothing_and_reads_no_other_item(change: dict[str, Any]) -> None:
    catalogue, scores = Catalogue(), Counted({"4": (1.0, 1)})
    items = [Item(str(n), "product", "lamp", category=f"c{n % 5}", price=1.0 + n) for n in range(40)]
    for seq, item in enumerate(items):
        catalogue.put(item, seq)
    trending = TrendingScores(1, scores)
    kept = Rankings(catalogue, trending, None, PARAMS)
    assert kept.values.any() and scores.times == 1
    catalogue.put(replace(items[7], **change), 99)
    with pytest.MonkeyPatch.context() as patch:
        sorted_values: list[Any] = []
        patch.setattr(percentiles, "_by_group_and_value", lambda values, groups: sorted_values.append(values))
        after = Rankings(catalogue, trending, None, PARAMS, kept)
        assert after.values.any() and sorted_values == [] and scores.times == 1
    assert_equal(after, Rankings(catalogue, trending, None, PARAMS))


def test_of_another_price_popularity_is_not_computed_anew() -> None:
    catalogue = Catalogue()
    lamp, cup = (Item(each, "product", each, price=1.0, rating_count=3) for each in ("lamp", "cup"))
    catalogue.put(lamp, 1)
    catalogue.put(cup, 2)
    first = Rankings(catalogue, TRENDING, None, PARAMS)
    order = first.popularity_in_order()
    catalogue.put(replace(lamp, price=2.0), 3)
    second = Rankings(catalogue, TRENDING, None, PARAMS, first)
    assert second.popularity is first.popularity
    assert second.popularity_in_order()[1] is order[1]
    catalogue.put(replace(lamp, rating_count=9), 4)
    third = Rankings(catalogue, TRENDING, None, PARAMS, second)
    assert third.popularity_in_order()[1].tolist() == [0, 1]
    assert np.argmax(third.popularity) == 0 and third.popularity[1] < 1


def test_a_new_item_in_a_deleted_ones_row_stands_where_its_own_identity_puts_it() -> None:
    catalogue, rankings = Catalogue(), None
    catalogue.put(Item("m", "product", "lamp", rating_count=3), 1)
    orders = set()
    for number, item_id in enumerate("cdef"):  # of one before and one behind "m"
        catalogue.put(Item(item_id, "product", "lamp", rating_count=3), 2 * number + 2)
        rankings = Rankings(catalogue, TRENDING, None, PARAMS, rankings)
        assert_equal(rankings, Rankings(catalogue, TRENDING, None, PARAMS))
        assert catalogue.n_rows == 2
        orders.add(tuple(rankings.lowest_identities().tolist()))
        catalogue.remove(item_id, 2 * number + 3)
        catalogue.give_back([])
    assert orders == {(0, 1), (1, 0)}


def test_rankings_are_of_the_moment_that_their_stamp_tells() -> None:
    catalogue = Catalogue()
    for seq, item in enumerate(LAMPS):
        catalogue.put(item, seq)
    made = Rankings(catalogue, TRENDING, None, PARAMS)
    assert made.stamp == stamp(catalogue, TRENDING)
    catalogue.put(replace(LAMPS[1], title="another lamp"), 8)
    assert made.stamp == stamp(catalogue, TRENDING), "a text sorts nothing anew"
    assert made.stamp != stamp(catalogue, TrendingScores(2))
    catalogue.put(replace(LAMPS[1], price=9.0), 9)
    assert made.stamp != stamp(catalogue, TRENDING)


def test_a_row_that_waits_for_its_item_is_not_popular() -> None:
    """Rows of a bundle's items are made before the bundle serves, with or without an item."""
    catalogue = Catalogue()
    for seq, item in enumerate(LAMPS):
        catalogue.put(item, seq)
    kept = Rankings(catalogue, TRENDING, None, PARAMS)
    waiting = catalogue.reserve("to come")
    catalogue.put(replace(LAMPS[1], price=9.0), len(LAMPS))
    kept = Rankings(catalogue, TRENDING, None, PARAMS, kept)
    assert kept.popularity[waiting] == 0 and kept.events[waiting] == 0
    assert_equal(kept, Rankings(catalogue, TRENDING, None, PARAMS))
