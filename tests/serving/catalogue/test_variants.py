"""Variants of one another have one value in common, after any edits, that no other item has."""

from dataclasses import replace
from itertools import combinations
from unittest.mock import patch

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serving.catalogue import variants
from serving.catalogue.catalogue import Catalogue
from serving.steps.selection import OneOfVariants
from serving.types import Item

IDS = ("shirt", "shirt-m", "shirt-l", "cup", "cup-red")
ITEMS = st.builds(
    lambda item_id, title, parent, kind: Item(
        item_id=item_id, kind=kind, title=title, attributes={} if parent is None else {"variant_of": parent}
    ),
    st.sampled_from(IDS),
    st.sampled_from([None, "Shirt", " shirt ", "Cup", "cup"]),
    st.sampled_from([None, "shirt", "cup", "no item"]),
    st.sampled_from(["product", "content"]),
)


def related(one: Item, other: Item, items: dict[str, Item]) -> bool:
    """By definition: the same parent, where an item that others name is its own; else the same title."""

    def parent(item: Item) -> object:
        named = {each.attributes.get("variant_of") for each in items.values()}
        return item.attributes.get("variant_of") or (item.item_id if item.item_id in named else None)

    if parent(one) is not None or parent(other) is not None:
        return parent(one) == parent(other)
    titles = [(item.kind, " ".join((item.title or "").lower().split())) for item in (one, other)]
    return titles[0] == titles[1] and bool(titles[0][1])


def shirt(item_id: str, parent: str | None = None) -> Item:
    return Item(item_id, "product", "Shirt", attributes={} if parent is None else {"variant_of": parent})


@settings(max_examples=50)
@given(st.lists(st.one_of(ITEMS, st.sampled_from(IDS)), max_size=12))
@example([shirt("shirt"), shirt("shirt-l"), shirt("shirt-m", "shirt"), "shirt-m"])  # no longer a parent
@example([shirt("shirt"), shirt("shirt-l"), shirt("shirt-m", "shirt"), shirt("shirt-m", "cup")])
@example([shirt("shirt"), shirt("shirt-l"), shirt("shirt-m", "shirt")])
def test_any_edits_leave_what_the_items_say(edits: list[Item | str]) -> None:
    catalogue, items = Catalogue(), dict[str, Item]()
    for number, edit in enumerate(edits):
        if isinstance(edit, str):
            catalogue.remove(edit, number)
            items.pop(edit, None)
        else:
            catalogue.put(edit, number)
            items[edit.item_id] = edit
    groups = catalogue.column("variants")
    for one, other in combinations(items.values(), 2):
        same = groups[catalogue.row(one.item_id)] == groups[catalogue.row(other.item_id)]
        assert same == related(one, other, items), (one, other)


def test_a_number_names_a_parent_as_its_text_does() -> None:
    catalogue, plain = Catalogue(), Item(item_id="17", kind="product", title="Lamp")
    rows = [
        catalogue.put(plain, 1),
        catalogue.put(replace(plain, item_id="18", title="Lamp, red", attributes={"variant_of": 17}), 2),
    ]
    assert len(set(catalogue.column("variants")[rows].tolist())) == 1


@given(st.lists(ITEMS | st.sampled_from(IDS), max_size=12))
def test_who_has_variants_is_known(changes: list[Item | str]) -> None:
    catalogue = Catalogue()
    for seq, change in enumerate(changes):
        if isinstance(change, Item):
            catalogue.put(change, seq)
        else:
            catalogue.remove(change, seq)
        groups = catalogue.column("variants").tolist()
        assert catalogue.together().tolist() == [
            row for row, group in enumerate(groups) if groups.count(group) > 1
        ]


def test_who_has_variants_is_known_until_variants_change() -> None:
    catalogue = Catalogue()
    catalogue.put(shirt("a", "p"), 1)
    catalogue.put(Item("cup", "product", "Cup"), 2)
    together = catalogue.together()
    assert together.tolist() == []
    catalogue.put(replace(shirt("a", "p"), title="Shirt, blue", price=2.0), 3)
    catalogue.put(Item("cup", "product", "cup", hidden=True), 4)
    assert catalogue.together() is together, "a price, or a title of the same words, takes no sort"
    catalogue.put(Item("mug", "product", "CUP"), 5)
    assert catalogue.together().tolist() == [1, 2]
    catalogue.put(Item("mug", "product", "Mug"), 6)
    assert catalogue.together().tolist() == []


@settings(max_examples=50)
@given(st.lists(st.one_of(ITEMS, st.sampled_from([*IDS, "given back"])), max_size=16), st.integers(0, 3))
def test_the_variants_of_an_item_are_found_as_by_a_look_at_all(changes: list[Item | str], kept: int) -> None:
    catalogue = Catalogue()
    with patch.object(variants, "_REGROUPED", kept):  # so that a few changes sort them anew
        for number, change in enumerate(changes):
            if change == "given back":
                catalogue.give_back([])
            elif isinstance(change, str):
                catalogue.remove(change, number)
            else:
                catalogue.put(change, number)
            groups, alive = catalogue.column("variants"), catalogue.column("alive")
            for without in combinations(np.flatnonzero(alive).astype(np.int32).tolist(), 2):
                rows = np.array(without, dtype=np.int32)
                plain, fast = alive.copy(), alive.copy()
                OneOfVariants(groups, rows).take_out(plain)
                OneOfVariants(groups, rows, catalogue.variants_of).take_out(fast)
                assert fast.tolist() == plain.tolist()
