"""Rows of deleted items go to new ones: a shop that changes daily does not fill a worker's memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue.catalogue import Catalogue
from serving.catalogue.drafts import InteractionDraft, ItemDraft
from serving.plane import LivePlane
from serving.steps import context
from serving.types import Item

ITEM_IDS = [f"item {number}" for number in range(8)]
IDS = st.sampled_from(ITEM_IDS)
CHANGES = st.lists(st.tuples(st.sampled_from(["put", "remove", "reserve", "give back"]), IDS), max_size=40)


@given(CHANGES, st.sets(IDS, max_size=2))
def test_a_catalogue_whose_rows_go_round_is_that_of_the_live_items(
    changes: list[tuple[str, str]], held: set[str]
) -> None:
    catalogue = Catalogue()
    kept = {item_id: catalogue.reserve(item_id) for item_id in sorted(held)}
    live: dict[str, str] = {}
    for seq, (what, item_id) in enumerate(changes):
        if what == "put":
            live[item_id] = f"title {seq}"
            catalogue.put(Item(item_id=item_id, kind="product", title=live[item_id], price=1.0 + seq), seq)
        elif what == "remove":
            catalogue.remove(item_id, seq)
            live.pop(item_id, None)
        elif what == "reserve":
            catalogue.reserve(item_id)
        else:
            catalogue.give_back([np.array(list(kept.values()), dtype=np.int32)])
        assert {item.item_id: item.title for _, item in catalogue.live()} == live
        assert catalogue.n_live == len(live)
        assert catalogue.rows(ITEM_IDS).tolist() == [catalogue.row(each) for each in ITEM_IDS]
        assert {catalogue.id_of(row) for row in np.flatnonzero(catalogue.column("alive")).tolist()} == set(
            live
        )
        for each in live:
            assert catalogue.item(catalogue.row(each)).item_id == each
        assert all(catalogue.reserve(each) == row for each, row in kept.items())
    rows = catalogue.rows_by_id()
    ids = [catalogue.id_of(row) for row in rows.tolist() if catalogue.column("alive")[row]]
    assert ids == sorted(live)


def test_churn_takes_no_more_rows() -> None:
    catalogue = Catalogue()
    for day in range(20):
        for number in range(50):
            catalogue.put(Item(item_id=f"{day} {number}", kind="product", title="lamp"), day)
        for number in range(50):
            catalogue.remove(f"{day} {number}", day)
        catalogue.give_back([])
    assert catalogue.n_rows == 50


async def test_after_a_swap_new_items_take_the_rows_of_deleted_ones_and_lists_are_right(
    plane: LivePlane, deploy: Any
) -> None:
    deploy("a", seed=0)
    await plane.settle()

    async def make(name: str) -> None:
        for number in range(5):
            draft = ItemDraft(kind="product", item_id=f"{name}{number}", title=f"{name} lantern {number}")
            await plane.create_item(draft)

    await make("OLD")
    for number in range(5):
        await plane.delete_item(f"OLD{number}")
    await plane.delete_item("TEA0000000")  # the bundle holds it
    before = plane._components.index.catalogue.n_rows
    deploy("b", seed=1)
    await plane.settle()
    await make("NEW")
    assert plane._components.index.catalogue.n_rows == before
    found = (await plane.lists.search("lantern", 10)).results
    assert {each.item.item_id for each in found} == {f"NEW{number}" for number in range(5)}
    assert await plane.get_item("OLD0") is None and await plane.get_item("TEA0000000") is None
    alike = await plane.lists.similar_by_vector("NEW0", 4)
    assert {each.item.item_id for each in alike} == {f"NEW{number}" for number in range(1, 5)}


@pytest.mark.parametrize("limit", [17, 18], ids=["large", "small"])
async def test_a_worker_with_dead_rows_answers_as_one_without(
    shop: list[str],
    deploy: Any,
    open_plane: Callable[[], Awaitable[LivePlane]],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    monkeypatch.setattr(context, "WHOLE_CATALOGUE", limit)
    deploy()
    old = await open_plane()
    for number in range(3):
        await old.create_item(ItemDraft(kind="product", item_id=f"OLD{number}", title="garden lantern"))
        await old.delete_item(f"OLD{number}")
    await old.record_interaction(InteractionDraft(user_id="ann", event_type="like", item_id=shop[0]))
    young = await open_plane()
    rows = [plane._components.index.catalogue.n_rows for plane in (old, young)]
    assert rows == [21, 18]
    one, other = [
        (await plane.lists.home("ann", 6, lists=["personalized"], explain=True)).personalized
        for plane in (old, young)
    ]
    assert one and one == other
