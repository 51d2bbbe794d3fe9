"""The lists of /v1 on a real shop: filters, pages, sessions, carts, trends, search and order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest

from database.interactions import record
from database.item_writes import COLUMNS, replace_items
from serving.catalogue.catalogue import identity_of
from serving.catalogue.drafts import ItemDraft
from serving.conditions.tree import FilterError
from serving.errors import ItemNotFoundError
from serving.lists.list_requests import (
    ItemsListRequest,
    ListRequest,
    ListResponse,
    RerankListRequest,
    SearchListRequest,
    SessionEvent,
    SimilarListRequest,
    TrendingListRequest,
    UserListRequest,
    page_key,
)
from serving.plane import LivePlane
from serving.steps import context
from serving.types import Ranked

TEA = [f"TEA000000{number}" for number in range(6)]
GARDEN = [f"GAR000000{number}" for number in range(6)]


def ids(made: ListResponse) -> list[str]:
    return [each.item.item_id for each in made.items]


async def ready(plane: LivePlane, deploy: Any) -> LivePlane:
    deploy()
    await plane.settle()
    return plane


async def all_pages(plane: LivePlane, wanted: ListRequest) -> list[list[str]]:
    """The ids of every page, as a client reads them one after the other."""
    pages: list[list[str]] = []
    shown: frozenset[int] = frozenset()
    while len(pages) < 50:
        made = ids(await plane.lists.answer(replace(wanted, earlier_pages=shown)))
        if not made:
            return pages
        pages.append(made)
        shown |= {page_key(identity_of(each)) for each in made}
    raise AssertionError("pages without end")


@pytest.mark.parametrize("trained", [False, True])
async def test_whoever_nothing_is_known_of_gets_a_list(plane: LivePlane, deploy: Any, trained: bool) -> None:
    if trained:
        await ready(plane, deploy)
    for wanted in (
        UserListRequest(n=5),
        UserListRequest(n=5, user_id="8a6e0804-2bd0-4672-b79d-d97027f9071a"),
        UserListRequest(n=5, session=(SessionEvent("elsewhere"),)),
        ItemsListRequest(n=5, item_ids=("elsewhere",)),
    ):
        made = await plane.lists.answer(wanted)
        assert len(made.items) == 5, wanted
        assert made.fallback == "popular"
    assert made.unknown_items == ("elsewhere",)


async def test_a_session_in_the_request_is_all_it_needs(plane: LivePlane, deploy: Any) -> None:
    await ready(plane, deploy)
    wanted = UserListRequest(
        n=4, session=(SessionEvent(GARDEN[0]), SessionEvent(TEA[0]), SessionEvent(TEA[1]))
    )
    made = await plane.lists.answer(wanted)
    assert {each.item.category for each in made.items[:2]} <= {"tea", "garden"}
    assert not set(ids(made)) & {TEA[0], TEA[1], GARDEN[0]}
    searched = await plane.lists.answer(
        UserListRequest(n=3, session=(SessionEvent(None, "search_query", "hose"),))
    )
    assert searched.items[0].item.title == "garden hose"


async def test_a_session_adds_to_what_is_stored(plane: LivePlane, deploy: Any, pool: asyncpg.Pool) -> None:
    await ready(plane, deploy)
    async with pool.acquire() as conn:
        await record(conn, user_id="new", event_type="click", item_id=TEA[0])
    session = (SessionEvent(TEA[1], "skip"),)
    made = await plane.lists.answer(UserListRequest(n=18, user_id="new", session=session))
    assert not set(ids(made)) & set(TEA[:2]) and len(made.items) == 16
    everything = await plane.lists.answer(UserListRequest(n=18, user_id="new", include_seen=True))
    assert len(everything.items) == 18


@pytest.mark.parametrize("seed", [0, 1, 2])
async def test_a_session_counts_as_what_is_stored_a_moment_later(
    plane: LivePlane, deploy: Any, pool: asyncpg.Pool, clock: Any, seed: int
) -> None:
    """Whatever the visitor did, in whichever order: clicks, opinions, skips and searches."""
    await ready(plane, deploy)
    random = np.random.default_rng(seed)
    values = {"rating": (1.0, 5.0), "feedback": (-1.0, 1.0), "view_time": (3.0, 12.0)}
    events = []
    for _ in range(10):
        plain = ["click", "like", "skip", "purchase", "search_query"]
        event_type = str(random.choice([*plain, *values, *values]))
        if event_type == "search_query":
            events.append(SessionEvent(None, event_type, str(random.choice(["hose", "tea", "paper tray"]))))
        else:
            item_id = str(random.choice([*TEA[:2], *GARDEN[:2]]))  # few: a visitor changes their mind
            value = float(random.choice(values[event_type])) if event_type in values else None
            events.append(SessionEvent(item_id, event_type, None, value))
    stored, session = events[: 2 * seed], events[2 * seed :]

    async def store(each: SessionEvent, number: int) -> None:
        async with pool.acquire() as conn:
            await record(
                conn,
                user_id="ann",
                event_type=each.event_type,
                item_id=each.item_id,
                query=each.query,
                value=each.value,
                occurred_at=clock() - timedelta(seconds=60 - number),
            )

    for number, each in enumerate(stored):
        await store(each, number)
    wanted = UserListRequest(n=12, user_id="ann", explain=True)
    told = await plane.lists.answer(replace(wanted, session=tuple(session)))
    for number, each in enumerate(session):
        await store(each, len(stored) + number)
    kept = await plane.lists.answer(wanted)
    assert ids(told) == ids(kept)
    for one, other in zip(told.items, kept.items, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5) and one.reason == other.reason


@pytest.mark.parametrize("whole_catalogue", [0, context.WHOLE_CATALOGUE])
async def test_a_filter_leaves_a_full_list(
    plane: LivePlane, deploy: Any, monkeypatch: pytest.MonkeyPatch, whole_catalogue: int
) -> None:
    """Also in a catalogue so large that the sources bring their best alone."""
    monkeypatch.setattr(context, "WHOLE_CATALOGUE", whole_catalogue)
    await ready(plane, deploy)
    cheap = 'price < 8 and category in ["garden", "office"]'
    expected = {f"{name}000000{number}" for name in ("GAR", "OFF") for number in range(3)}
    for wanted in (
        UserListRequest(n=6, user_id="u", filter=cheap),
        UserListRequest(n=6, filter=cheap),
        UserListRequest(n=6, session=(SessionEvent(TEA[0]),), filter=cheap),
        ItemsListRequest(n=6, item_ids=(TEA[0],), filter=cheap),
        TrendingListRequest(n=6, filter=cheap),
        SearchListRequest(n=6, filter=cheap),
    ):
        assert set(ids(await plane.lists.answer(wanted))) == expected, wanted
    excluded = await plane.lists.answer(UserListRequest(n=6, filter=cheap, exclude=("GAR0000000", "none")))
    assert set(ids(excluded)) == expected - {"GAR0000000"}
    with pytest.raises(FilterError, match="no item has a field 'prise'"):
        await plane.lists.answer(UserListRequest(n=6, filter="prise < 8"))


@pytest.mark.parametrize(
    "wanted",
    [
        UserListRequest(n=4),
        UserListRequest(n=4, user_id="u", session=(SessionEvent(TEA[0]),), diversity=0.7),
        ItemsListRequest(n=4, item_ids=(TEA[0],)),
        TrendingListRequest(n=4),
        SearchListRequest(n=4, filter="price > 5"),
        SearchListRequest(n=4, query="tea"),
        SearchListRequest(n=4, query="tea", sort="-price"),
    ],
)
async def test_pages_repeat_nothing_and_end(
    plane: LivePlane, deploy: Any, pool: asyncpg.Pool, wanted: ListRequest
) -> None:
    await ready(plane, deploy)
    first = ids(await plane.lists.answer(wanted))
    assert first == (await all_pages(plane, wanted))[0]
    long = ids(await plane.lists.answer(replace(wanted, n=100)))
    pages = [each for page in await all_pages(plane, wanted) for each in page]
    assert len(set(pages)) == len(pages) and set(pages) == set(long)
    if isinstance(wanted, SearchListRequest):
        assert pages == long
    # What is added and clicked meanwhile moves others, and brings none back.
    await plane.create_item(ItemDraft(kind="product", title="tea kettle", item_id="KET", price=9.5))
    shown = frozenset(page_key(identity_of(each)) for each in first)
    async with pool.acquire() as conn:
        await record(conn, user_id="u", event_type="click", item_id=GARDEN[1])
    assert not set(first) & set(ids(await plane.lists.answer(replace(wanted, earlier_pages=shown))))


@pytest.mark.parametrize("sorted_up_to", [0, 20_000])
async def test_search_counts_all_that_it_finds(
    plane: LivePlane, monkeypatch: pytest.MonkeyPatch, sorted_up_to: int
) -> None:
    monkeypatch.setattr("serving.lists.shop_lists._SORTED", sorted_up_to)
    await plane.create_item(ItemDraft(kind="product", title="Tea towel", item_id="ANOTHER"))
    made = await plane.lists.answer(SearchListRequest(n=2, query="tea", facets=("category", "price")))
    assert len(made.items) == 2 and made.total is not None and made.total >= 6
    (tea, *_) = made.facets["category"].values
    assert (tea.value, tea.count) == ("tea", 6)
    every = await plane.lists.answer(SearchListRequest(n=2, query="tea", variants=True))
    assert every.total == made.total + 1  # the other towel
    assert (made.facets["price"].least, made.facets["price"].most) == (5.0, 10.0)
    earlier = frozenset(page_key(identity_of(each)) for each in ids(made))
    following = await plane.lists.answer(SearchListRequest(n=2, query="tea", earlier_pages=earlier))
    assert following.total == made.total
    nothing = await plane.lists.answer(SearchListRequest(n=2, query="zzzz qqqq"))
    assert (ids(nothing), nothing.total) == ([], 0)


async def test_search_is_put_in_order_by_a_field(plane: LivePlane) -> None:
    await plane.create_item(ItemDraft(kind="product", title="tea pet", item_id="PET"))
    dear = await plane.lists.answer(
        SearchListRequest(n=100, query="tea", sort="-price", filter='category = "tea"')
    )
    prices = [each.item.price for each in dear.items]
    assert prices == sorted(prices, reverse=True) and len(prices) == 6  # type: ignore[type-var]
    every = await plane.lists.answer(SearchListRequest(n=100, sort="price"))
    assert every.items[0].item.price == 5.0 and ids(every)[-1] == "PET"
    for sort, said in (("colour", "no item has"), ("category", "have an order")):
        with pytest.raises(FilterError, match=said) as raised:
            await plane.lists.answer(SearchListRequest(n=1, sort=sort))
        assert raised.value.source == "sort"


async def test_similar_by_each_way(plane: LivePlane, deploy: Any) -> None:
    await plane.create_item(ItemDraft(kind="product", title="tea samovar", item_id="NEW0", price=7.0))
    await plane.create_item(ItemDraft(kind="product", title="什", item_id="NEW1"))
    for item_id in (TEA[0], "NEW0"):  # before any training
        assert len(ids(await plane.lists.answer(SimilarListRequest(n=3, item_id=item_id, by="people")))) == 3
    await ready(plane, deploy)

    async def like(item_id: str, by: Any) -> list[Ranked]:
        return list((await plane.lists.answer(SimilarListRequest(n=3, item_id=item_id, by=by))).items)

    for by in ("people", "meaning", "title", "bought_together"):
        assert {each.item.category for each in await like(TEA[0], by)} == {"tea"}, by
    assert {each.model for each in await like(TEA[0], "bought_together")} == {"fpgrowth"}
    assert {each.reason.item for each in await like(TEA[0], "bought_together")} == {TEA[0]}
    assert {each.model for each in await like("NEW0", "people")} <= {"tfidf", "embeddings"}
    assert await like("NEW0", "bought_together") == []
    assert len(await like("NEW1", "people")) == 3
    with pytest.raises(ItemNotFoundError):
        await like("none", "people")


async def test_a_trend_of_some_hours(plane: LivePlane, pool: asyncpg.Pool, clock: Any) -> None:
    async with pool.acquire() as conn:
        for item_id, hours, events in ((TEA[2], 1, 3), (GARDEN[3], 1, 1), (TEA[0], 30, 9)):
            for number in range(events):
                at = clock() - timedelta(hours=hours, seconds=number)
                await record(conn, user_id="u", event_type="click", item_id=item_id, occurred_at=at)
    day = await plane.lists.answer(TrendingListRequest(n=5, hours=24))
    assert ids(day) == [TEA[2], GARDEN[3]]
    assert day.items[0].reason == "trending: 3 events in the last 24 hours"
    assert ids(await plane.lists.answer(TrendingListRequest(n=5, hours=48)))[0] == TEA[0]
    assert ids(await plane.lists.answer(TrendingListRequest(n=5, hours=24, category="garden"))) == [GARDEN[3]]
    assert ids(await plane.lists.answer(TrendingListRequest(n=5, category="none"))) == []
    assert len(ids(await plane.lists.answer(TrendingListRequest(n=5, category="tea")))) == 5


async def test_a_trend_outlasts_the_database(plane: LivePlane, pool: asyncpg.Pool, clock: Any) -> None:
    async with pool.acquire() as conn:
        await record(conn, user_id="u", event_type="click", item_id=TEA[2], occurred_at=clock())
    wanted = TrendingListRequest(n=5, hours=24)
    assert ids(await plane.lists.answer(wanted)) == [TEA[2]]
    await pool.close()
    for minutes in (0, 2, 60):
        clock.advance(minutes / (24 * 60))
        assert ids(await plane.lists.answer(wanted)) == [TEA[2]], minutes
    assert ids(await plane.lists.answer(replace(wanted, hours=48))) == [], "never read"


async def test_a_trend_of_a_category_has_all_items_of_it_whichever_way_it_is_told(
    plane: LivePlane, pool: asyncpg.Pool, clock: Any
) -> None:
    """An item has one category by its column, or several by `categories`, of which any counts."""
    whole = {"category": "garden", "categories": ["garden", "gifts"]}
    async with pool.acquire() as conn:
        nothing = dict.fromkeys(COLUMNS) | {"tags": [], "attributes": {}, "kind": "product"}
        await replace_items(
            conn,
            [
                nothing | {"title": each, "item_id": each} | how
                for each, how in (
                    ("both", whole),
                    ("list", {"categories": ["gifts"]}),
                    ("column", {"category": "gifts", "categories": []}),
                    ("none", {"categories": []}),
                )
            ],
        )
        for item_id in ("both", "list", "column", "none", TEA[0]):
            await record(conn, user_id="u", event_type="click", item_id=item_id, occurred_at=clock())
    for hours in (None, 24):
        made = await plane.lists.answer(TrendingListRequest(n=20, hours=hours, category="gifts"))
        assert set(ids(made)) == {"both", "list", "column"}, hours


async def test_rerank_gives_back_all_that_it_was_sent(plane: LivePlane, deploy: Any) -> None:
    await ready(plane, deploy)
    await plane.update_item(TEA[5], {"available": False})
    sent = (GARDEN[0], "none", TEA[5], GARDEN[1], TEA[1], TEA[0])
    for session in ((), (SessionEvent(TEA[0]), SessionEvent(TEA[2]))):
        made = await plane.lists.answer(RerankListRequest(n=6, item_ids=sent, session=session))
        assert sorted(ids(made)) == sorted([GARDEN[0], GARDEN[1], TEA[1], TEA[0]])
        assert (made.unknown_items, made.withdrawn_items) == (("none",), (TEA[5],))
    assert set(ids(made)[:2]) <= set(TEA)


async def test_more_variety_is_more_variety(plane: LivePlane, deploy: Any) -> None:
    await ready(plane, deploy)

    async def spread(diversity: float) -> float:
        session = (SessionEvent(TEA[0]), SessionEvent(GARDEN[0]))
        made = await plane.lists.answer(UserListRequest(n=6, session=session, diversity=diversity))
        rows = [plane._components.index.catalogue.row(each) for each in ids(made)]
        vectors = plane._components.index.vectors.gather(np.array(rows, dtype=np.int32))
        return float((vectors @ vectors.T).sum())

    assert await spread(1.0) <= await spread(0.5) <= await spread(0.0)


async def test_one_of_an_items_variants_is_in_a_list(
    plane: LivePlane, deploy: Any, pool: asyncpg.Pool
) -> None:
    """By title or by `variant_of`; who has bought one is shown no other; all of them where that is asked."""
    await ready(plane, deploy)
    shirts = [f"SHIRT-{size}" for size in "SML"]
    for item_id in shirts:
        await plane.create_item(
            ItemDraft(kind="product", item_id=item_id, title="quilted shirt", category="tea")
        )
    caps = ["CAP-RED", "CAP-BLUE"]
    for item_id in caps:
        title = f"quilted {item_id}"
        await plane.create_item(ItemDraft(kind="product", item_id=item_id, title=title, category="tea"))
    async with pool.acquire() as conn, conn.transaction():
        seq = await conn.fetchval(
            "update change_state set catalogue_seq = catalogue_seq + 1 returning catalogue_seq"
        )
        await conn.execute(
            "update items set attributes = $1, change_seq = $2 where item_id = any($3)",
            *('{"variant_of": "CAP"}', seq, caps),
        )
    both = SearchListRequest(n=20, query="quilted")
    for found in (await plane.lists.answer(both), await plane.lists.answer(replace(both, query=None, n=50))):
        assert len(set(ids(found)) & set(shirts)) == len(set(ids(found)) & set(caps)) == 1
        assert found.total == len(found.items)
    pages = await all_pages(plane, replace(both, n=1))
    assert [len(page) for page in pages] == [1, 1]
    everything = await plane.lists.answer(replace(both, variants=True))
    assert set(ids(everything)) == {*shirts, *caps} and everything.total == 5

    for similar in ("meaning", "title"):
        made = await plane.lists.answer(SimilarListRequest(n=20, item_id=shirts[0], by=similar))
        assert not set(ids(made)) & set(shirts), similar
    alike = await plane.lists.answer(SimilarListRequest(n=20, item_id=shirts[0], by="title", variants=True))
    assert set(ids(alike)) >= set(shirts[1:])

    async with pool.acquire() as conn:
        await record(conn, user_id="buyer", event_type="purchase", item_id=shirts[1])
    for_buyer = UserListRequest(n=50, user_id="buyer")
    assert not set(ids(await plane.lists.answer(for_buyer))) & set(shirts)
    assert set(ids(await plane.lists.answer(replace(for_buyer, variants=True)))) >= {shirts[0], shirts[2]}
    again = ids(await plane.lists.answer(replace(for_buyer, include_seen=True)))
    assert len(set(again) & set(shirts)) == 1, "where what was bought may be shown, so may its variants"
    ordered = await plane.lists.answer(RerankListRequest(n=3, item_ids=tuple(shirts), user_id="buyer"))
    assert set(ids(ordered)) == set(shirts), "the caller's own items all come back"


@pytest.mark.parametrize("size", [3, 40])
async def test_variants_hide_no_other_items(
    plane: LivePlane, deploy: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Where a source brings its best alone, all may be variants of one another or of earlier pages."""
    for place, name in enumerate(("shirt", "cap", "scarf", "glove")):
        for number in range(size):
            ratings = 1000 * (9 - place) + number
            await plane.create_item(
                ItemDraft(
                    kind="product",
                    item_id=f"{name}-{number}",
                    title=f"wool {name}",
                    category="wool",
                    rating_count=ratings,
                    rating=4.0,
                )
            )
    await ready(plane, deploy)
    ranking = plane.lists._params.ranking.model_copy(update={"candidates": 2})
    monkeypatch.setattr(plane.lists, "_params", plane.lists._params.model_copy(update={"ranking": ranking}))
    monkeypatch.setattr(plane.lists._components.arms, "_params", plane.lists._params)
    for wanted in (
        UserListRequest(n=3),
        TrendingListRequest(n=3),
        SimilarListRequest(n=3, item_id="shirt-0", by="meaning"),
    ):
        monkeypatch.setattr(context, "WHOLE_CATALOGUE", 20_000)
        expected = await all_pages(plane, wanted)
        assert all(len(page) == 3 for page in expected[:-1])
        names = {each.split("-")[0] for page in expected for each in page}
        assert names >= {"shirt", "cap", "scarf", "glove"} - {getattr(wanted, "item_id", "-").split("-")[0]}
        monkeypatch.setattr(context, "WHOLE_CATALOGUE", 0)
        assert await all_pages(plane, wanted) == expected


async def test_what_a_listing_counts_follows_the_items(plane: LivePlane) -> None:
    """It is kept until one changes."""

    async def counted() -> tuple[int | None, dict[object, int], float | None]:
        for _ in range(2):
            made = await plane.lists.answer(SearchListRequest(n=2, facets=("category", "price")))
        values = {each.value: each.count for each in made.facets["category"].values}
        return made.total, values, made.facets["price"].most

    total, values, most = await counted()
    assert total is not None
    await plane.create_item(
        ItemDraft(item_id="NEW", kind="product", title="A new sieve", category="sieves", price=999.0)
    )
    assert await counted() == (total + 1, {**values, "sieves": 1}, 999.0)
    filtered = await plane.lists.answer(SearchListRequest(n=2, filter="price > 500", facets=("category",)))
    assert filtered.total == 1 and len(filtered.facets) == 1
    without = await plane.lists.answer(SearchListRequest(n=2, exclude=("NEW",), facets=("category", "price")))
    assert without.total == total
    await plane.delete_item("NEW")
    assert await counted() == (total, values, most)
