"""A user's lists are made once, and anew as soon as anything that they are made of has changed."""

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.state import UserEvents
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.lists import executor, home, recommender
from serving.lists.remembered import ENTRY_BYTES, MadeOf, RememberedLists
from serving.plane import LivePlane
from tests.serving.worker import Clock, score_trends
from training.params import Params

OpenPlane = Callable[[], Awaitable[LivePlane]]


async def click(plane: LivePlane, user_id: str, item_id: str, event_type: str = "product_click") -> None:
    await plane.record_interaction(
        InteractionDraft(user_id=user_id, event_type=event_type, item_id=item_id, value=None)
    )


async def single_lists(plane: LivePlane) -> list[Any]:
    """Lists that stand alone: a user's by ALS, and those that everybody gets who asks for the same."""
    return [
        await plane.lists.for_user_als("ann", 5),
        await plane.lists.for_user_als("ann", 5, filter_already_liked=False),
        await plane.lists.search("tea cosy", 5),
        await plane.lists.search("nothing like it", 5),
        await plane.lists.similar_products("TEA0000003", 5),
        await plane.lists.similar_by_vector("TEA0000003", 5, explain=True),
    ]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose home pages were made, one by one."""
    users: list[str] = []
    make = home.make_home

    def noted(context: Any, lists: Any) -> Any:
        users.append(context.user.user_id)
        return make(context, lists)

    monkeypatch.setattr(recommender, "make_home", noted)
    return users


async def test_lists_are_made_once_until_something_changes(
    shop: list[str],
    open_plane: OpenPlane,
    deploy: Any,
    clock: Clock,
    made: list[str],
    database: Any,
    small_params: Params,
) -> None:
    deploy()
    plane, other = await open_plane(), await open_plane()
    await click(plane, "ann", "TEA0000000")
    await click(plane, "bea", "GAR0000000")

    async def click_elsewhere() -> None:
        await click(other, "ann", "OFF0000001")

    async def edit() -> None:
        await other.update_item("TEA0000001", {"title": "tea cosy, knitted"})

    async def hide() -> None:
        await other.update_item("TEA0000002", {"hidden": True})

    async def deploy_another() -> None:
        deploy("second", seed=1)
        await plane.lists.catch_up()
        await plane.settle()

    async def tomorrow() -> None:
        clock.now += timedelta(days=1)

    async def a_month_later() -> None:
        clock.now += timedelta(days=40)

    async def trends() -> None:
        score_trends(database.dsn, clock.now + timedelta(minutes=1), small_params)

    for change in (click_elsewhere, trends, edit, hide, deploy_another, tomorrow, a_month_later):
        before = await plane.lists.home("ann", 6)
        count = len(made)
        assert await plane.lists.home("ann", 6) == before
        assert len(made) == count, change
        await change()
        after = await plane.lists.home("ann", 6)
        assert made[count:] == ["ann"], change
        others = await single_lists(plane)
        assert await single_lists(plane) == others, change
        plane.lists.forget()
        assert await plane.lists.home("ann", 6) == after
        assert await single_lists(plane) == others, change


async def test_an_edit_of_the_synonyms_reaches_who_searched_before_it(
    shop: list[str], open_plane: OpenPlane, deploy: Any, small_params: Params, made: list[str]
) -> None:
    deploy()
    plane = await open_plane()
    path = Path(small_params.search.synonyms)
    text = path.read_text()
    await plane.record_interaction(
        InteractionDraft(user_id="ann", event_type="search_query", query="flamingo")
    )
    before = await plane.lists.home("ann", 6)
    try:
        path.write_text(text + "gnome, flamingo\n")
        os.utime(path, ns=(time.time_ns(), time.time_ns()))
        after = await plane.lists.home("ann", 6)
    finally:
        path.write_text(text)

    assert made == ["ann", "ann"]
    assert "GAR0000003" in {each.item.item_id for each in after.personalized}
    assert before.personalized != after.personalized


async def test_a_list_that_is_remembered_is_made_once_and_logged_each_time(
    shop: list[str], open_plane: OpenPlane, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy()
    plane = await open_plane()
    await click(plane, "ann", "TEA0000000")
    made: list[str] = []
    logged: list[Any] = []
    make, add = executor.make_list, plane._components.exposure.impressions.add

    def noted(recipe: Any, context: Any) -> Any:
        made.append(recipe.name)
        return make(recipe, context)

    def kept(row: Any) -> bool:
        logged.append((row.endpoint, row.item_ids, row.user_id, [each.item_ids for each in row.shared]))
        return add(row)

    monkeypatch.setattr(recommender, "make_list", noted)
    monkeypatch.setattr(plane._components.exposure.impressions, "add", kept)
    await single_lists(plane)
    count, first = len(made), logged[:]
    await single_lists(plane)
    assert count == len(first)
    assert not made[count:]
    assert logged == first + first


async def test_another_users_click_and_another_request_leave_them_alone(
    shop: list[str], open_plane: OpenPlane, deploy: Any, made: list[str]
) -> None:
    deploy()
    plane = await open_plane()
    await click(plane, "ann", "TEA0000000")
    few, many = await plane.lists.home("ann", 3), await plane.lists.home("ann", 6)
    assert (len(few.personalized), len(many.personalized)) == (3, 6)
    await click(plane, "bea", "GAR0000000")
    assert await plane.lists.home("ann", 3) == few
    assert await plane.lists.home("ann", 6) == many
    assert made == ["ann", "ann"]


async def test_nothing_is_remembered_of_strangers_and_of_deleted_users(
    shop: list[str], open_plane: OpenPlane, deploy: Any
) -> None:
    deploy()
    plane = await open_plane()
    await plane.lists.home("nobody", 6)
    assert plane.lists.remembered.nbytes == 0
    await click(plane, "ann", "TEA0000000")
    await plane.lists.home("ann", 6)
    assert plane.lists.remembered.nbytes > 0
    await plane.delete_user("ann", lambda _: None)
    await click(plane, "bea", "TEA0000000")
    await plane.lists.home("bea", 6)
    kept = plane.lists.remembered.nbytes
    plane.lists.remembered.clear()
    await plane.lists.home("bea", 6)
    assert plane.lists.remembered.nbytes == kept


async def test_nothing_of_before_a_change_is_kept(
    shop: list[str], open_plane: OpenPlane, deploy: Any
) -> None:
    """It is good for nobody, and would hold what all users' pages had in common then."""
    deploy()
    plane = await open_plane()
    await click(plane, "ann", "TEA0000000")
    await click(plane, "bea", "TEA0000000")
    await plane.lists.home("ann", 6)
    kept = plane.lists.remembered.nbytes
    await plane.update_item("OFF0000001", {"title": "paper clips, 100"})
    await plane.lists.home("bea", 6)
    assert 0 < plane.lists.remembered.nbytes < 1.5 * kept


def test_lists_without_items_take_their_part_of_the_memory() -> None:
    """A worker is asked what is like each of many items, and knows of nothing."""
    remembered = RememberedLists[str](lambda _: 0, 20_000)
    calls: list[int] = []

    def make(item: int) -> str:
        calls.append(item)
        return ""

    for item in [*range(100), 0, 99]:
        remembered.get(item, MadeOf(UserEvents(), 0, ()), partial(make, item))
    assert calls == [*range(100), 0]
    assert remembered.nbytes <= 20_000


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), max_size=60))
def test_the_latest_are_kept_and_what_is_given_was_made_of_the_same(asked: list[tuple[int, int]]) -> None:
    one = MadeOf(UserEvents(), 0, ())
    of = {0: one, 1: replace(one, recent=1)}
    size = ENTRY_BYTES + 1_000 + UserEvents().nbytes
    remembered = RememberedLists[tuple[int, int]](lambda _: 1, 5 * size)
    calls: list[tuple[int, int]] = []
    plain: dict[int, int] = {}
    for user, version in asked:
        count, value = len(calls), (user, version)

        def make(value: tuple[int, int] = value) -> tuple[int, int]:
            calls.append(value)
            return value

        assert remembered.get(user, of[version], make) == value
        assert (len(calls) == count) == (plain.pop(user, None) == version)
        plain[user] = version
        if len(plain) > 5:
            del plain[next(iter(plain))]
        assert remembered.nbytes == len(plain) * size


async def test_what_is_remembered_is_of_what_was_asked_for(
    shop: list[str], open_plane: OpenPlane, deploy: Any
) -> None:
    """Each answer is the one of a worker that was asked nothing else before."""
    deploy()
    plane = await open_plane()
    await click(plane, "ann", "TEA0000000")
    await plane.create_item(ItemDraft(kind="article", item_id="ART0000001", title="how to brew tea"))
    asked: list[dict[str, Any]] = [
        {"limit": 6},
        {"limit": 3},
        {"limit": 6, "kinds": frozenset({"article"})},
        {"limit": 6, "lists": ["trending"]},
        {"limit": 6, "lists": ["trending"], "explain": True},
    ]
    found = [await plane.lists.home("ann", **each) for each in asked]
    for each, home_lists in zip(asked, found, strict=True):
        assert await (await open_plane()).lists.home("ann", **each) == home_lists, each
        assert await plane.lists.home("ann", **each) == home_lists, each
    assert [len(each.personalized) for each in found[:2]] == [6, 3] and not found[3].personalized
    assert {each.item.kind for each in (*found[2].personalized, *found[2].trending)} == {"article"}
    assert found[3].trending[0].columns is None and found[4].trending[0].columns is not None
