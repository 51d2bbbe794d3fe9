"""What a filter lets through is what a slow look at every item would, after any edits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.catalogue.catalogue import Catalogue
from serving.conditions import masks as masks_of
from serving.conditions.masks import KEPT, Masks, rows_where
from serving.conditions.tree import FilterError
from serving.types import Item, category_paths

DAY = datetime(2026, 11, 20, tzinfo=UTC)
TEXTS = ("red", "blue", 'sky "blue"', "2026-11-21", "2026-11-20T00:00:00Z", "")
NUMBERS = (-1.0, 0.0, 3.5, 20.0)
PATHS = ("Food", "Food > Fruit", "Food > Fruit > Pear", "Home")

attributes = st.fixed_dictionaries(
    {},
    optional={
        "colour": st.sampled_from(TEXTS),
        "width": st.sampled_from(NUMBERS),
        "price": st.sampled_from(NUMBERS),
        "flag": st.booleans(),
        "sizes": st.lists(st.sampled_from(TEXTS), max_size=3),
        "mixed": st.sampled_from([1.0, "red", ["red", "blue"], True, None, {"a": 1}]),
    },
)
items = st.builds(
    Item,
    st.sampled_from([f"item {number}" for number in range(8)]),
    st.sampled_from(["product", "article"]),
    st.just("title"),
    category=st.sampled_from([None, "Food", "Home"]),
    sub_category=st.sampled_from([None, "Fruit"]),
    tags=st.lists(st.sampled_from(TEXTS[:3]), max_size=3).map(tuple),
    categories=st.lists(st.sampled_from(PATHS), max_size=2, unique=True).map(tuple),
    price=st.sampled_from([None, *NUMBERS]),
    rating=st.sampled_from([None, 4.1, float(np.float32(4.1)), 4.5]),
    stock=st.sampled_from([None, 0, 20]),
    created_at=st.sampled_from([None, DAY, DAY + timedelta(days=1)]),
    attributes=attributes,
)


def own(item: Item, name: str) -> Any:
    """An item's value, as the API names it."""
    if name.startswith("attributes."):
        return item.attributes.get(name.removeprefix("attributes."))
    if name == "labels":
        return list(item.tags)
    if name == "rating":
        return None if item.rating is None else round(item.rating, 6)
    if name == "categories":
        paths = [path.split(" > ") for path in category_paths(item)]
        return [" > ".join(path[: level + 1]) for path in paths for level in range(len(path))]
    return getattr(item, name)


def moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def is_one_of(value: Any, wanted: list[Any]) -> bool:
    if isinstance(value, datetime):
        return any(moment(each) == value for each in wanted)
    if isinstance(value, list):
        return any(is_one_of(each, wanted) for each in value)
    alike = {bool: bool, int: float, float: float, str: str}.get(type(value))
    return any(value == each for each in wanted if type(each) is alike)


def less(value: Any, limit: Any) -> bool:
    if isinstance(limit, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and value < limit
    at, until = moment(value), moment(limit)
    return at is not None and until is not None and at < until


def known(value: Any) -> bool:
    return value is not None and value != [] and not isinstance(value, dict)


def slow(tree: Any, item: Item) -> bool:
    """What a filter says of one item."""
    kind, *parts = tree
    if kind == "and":
        return all(slow(part, item) for part in parts)
    if kind == "or":
        return any(slow(part, item) for part in parts)
    if kind == "not":
        return not slow(parts[0], item)
    return compared(kind, own(item, parts[0]), parts)


def compared(kind: str, value: Any, parts: list[Any]) -> bool:
    if kind == "flag":
        return value is True
    if kind == "null":
        return not known(value)
    if kind == "<":
        return less(value, parts[1])
    return is_one_of(value, parts[1][:1] if kind == "=" else parts[1])


def written(tree: Any) -> str:
    """A filter as a text."""
    kind, *parts = tree
    simple = {"flag": "{}", "null": "{} = null"}
    if kind in simple:
        return simple[kind].format(parts[0])
    if kind in ("and", "or"):
        return "(" + f" {kind} ".join(written(part) for part in parts) + ")"
    if kind == "not":
        return f"not {written(parts[0])}"
    if kind == "<":
        return f"{parts[0]} < {literal(parts[1])}"
    if kind == "=":
        return f"{parts[0]} = {literal(parts[1][0])}"
    return f"{parts[0]} in [{', '.join(map(literal, parts[1]))}]"


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)
    )


text_fields = st.sampled_from(
    ["kind", "category", "categories", "labels", "attributes.colour", "attributes.sizes"]
)
number_fields = st.sampled_from(["price", "rating", "stock", "attributes.width", "attributes.price"])
some_texts = st.lists(st.sampled_from([*TEXTS, *PATHS, "product"]), min_size=1, max_size=3)
some_numbers = st.lists(st.sampled_from([*NUMBERS, 4.1]), min_size=1, max_size=3)
mixed = st.just("attributes.mixed")
comparisons = st.one_of(
    st.tuples(st.sampled_from(["=", "in"]), text_fields | mixed, some_texts),
    st.tuples(st.sampled_from(["=", "in"]), number_fields | mixed, some_numbers),
    st.tuples(st.just("in"), mixed, st.tuples(st.sampled_from([True, "red", 1.0])).map(list)),
    st.tuples(st.just("<"), number_fields, st.sampled_from([*NUMBERS, 4.1])),
    st.tuples(
        st.just("<"), st.sampled_from(["created_at", "attributes.colour"]), st.sampled_from(TEXTS[3:5])
    ),
    st.tuples(st.just("="), st.just("created_at"), st.lists(st.sampled_from(TEXTS[3:5]), min_size=1)),
    st.tuples(st.just("flag"), st.sampled_from(["attributes.flag", "attributes.mixed"])),
    st.tuples(st.just("null"), text_fields | number_fields | mixed),
)
trees = st.recursive(
    comparisons,
    lambda parts: st.one_of(
        st.tuples(st.just("and"), parts, parts),
        st.tuples(st.just("or"), parts, parts, parts),
        st.tuples(st.just("not"), parts),
    ),
    max_leaves=5,
)

WITH_EVERYTHING = Item(
    "everything",
    "product",
    "one that has a value in every field",
    attributes={"colour": "x", "width": 9.0, "price": 9.0, "flag": False, "sizes": ["x"]},
)
MIXED = [
    replace(WITH_EVERYTHING, item_id=str(value), attributes={"mixed": value})
    for value in (7.0, "x", ["x"], False)
]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(items | st.integers(0, 7), max_size=30),
    st.lists(trees, min_size=1, max_size=4),
    st.sampled_from([0, 3, 256]),
)
def test_a_mask_is_what_a_look_at_every_item_gives(
    changes: list[Item | int], filters: list[Any], told: int
) -> None:
    with patch("serving.catalogue.catalogue._LATEST", told):
        catalogue = Catalogue()
    masks = Masks(catalogue)
    for item in (WITH_EVERYTHING, *MIXED):
        catalogue.put(item, 1)
    for seq, change in enumerate(changes, 2):
        if isinstance(change, Item):
            catalogue.put(change, seq)
        else:
            catalogue.remove(f"item {change}", seq)
            catalogue.give_back([])
        if seq % 7 == 0:
            for tree in filters:
                masks.mask(written(tree))  # one that is kept must not outlive an edit
    for tree in filters:
        expected = {item.item_id for _, item in catalogue.live() if slow(tree, item)}
        found = masks.mask(written(tree)) & catalogue.column("alive")
        assert {catalogue.id_of(row) for row in np.flatnonzero(found).tolist()} == expected, written(tree)


@pytest.mark.parametrize(
    ("text", "field", "position", "said"),
    [
        ("colou = 'red'", "colou", 0, "no item has a field 'colou'; there are: kind, .*attributes.colour"),
        ("price = 1 and attributes.prices = 1", "prices", 14, "no item has a field 'prices'"),
        ("price = 'cheap'", "price", 8, "'price' is a number: it is not compared with a text"),
        ("price in [1, 'two']", "price", 10, "'price' is a number"),
        ("colour > 3", "colour", 9, "'colour' is a text: it is not compared with a number"),
        ("colour < 'red'", "colour", 9, "'red' is no time"),
        (
            "labels < '2026-11-20'",
            "labels",
            9,
            "'labels' is a list of texts: only numbers and times have an order",
        ),
        ("created_at > 'yesterday'", "created_at", 13, "'yesterday' is no time"),
        ("not price", "price", 4, "alone stands only what is true or false"),
        ("flag > true", "flag", 7, "true and false have no order"),
        ("colour = true", "colour", 9, "not compared with true or false"),
    ],
)
def test_names_and_types_are_those_of_the_items(text: str, field: str, position: int, said: str) -> None:
    catalogue = Catalogue()
    catalogue.put(WITH_EVERYTHING, 1)
    with pytest.raises(FilterError, match=said) as raised:
        Masks(catalogue).mask(text)
    assert (raised.value.field, raised.value.position) == (field, position)


def test_a_field_that_no_item_has_any_more_is_unknown() -> None:
    catalogue = Catalogue()
    catalogue.put(WITH_EVERYTHING, 1)
    masks = Masks(catalogue)
    assert masks.mask("width = 9").sum() == 1
    catalogue.remove("everything", 2)
    with pytest.raises(FilterError):
        masks.mask("width = 9")
    assert not masks.mask("price < 3").any()


def test_after_a_change_only_the_changed_items_are_compared() -> None:
    catalogue = Catalogue()
    masks = Masks(catalogue)
    for number in range(20):
        catalogue.put(replace(WITH_EVERYTHING, item_id=str(number), price=float(number)), 1)
    before = masks.mask("price < 3 or flag")
    catalogue.put(replace(WITH_EVERYTHING, item_id="7", price=1.0), 2)
    catalogue.put(replace(WITH_EVERYTHING, item_id="new", price=2.0), 2)
    catalogue.remove("1", 3)
    with patch.object(masks_of, "rows_where", wraps=rows_where) as compared:
        found = masks.mask("price < 3 or flag")
    assert compared.call_args_list[0].args[3].tolist() == [1, 7, 20]
    assert np.flatnonzero(found).tolist() == [0, 2, 7, 20]
    assert np.flatnonzero(before).tolist() == [0, 1, 2], "who has it still reads what it was"


def test_texts_that_change_all_the_time_are_forgotten() -> None:
    catalogue = Catalogue()
    for seq in range(3000):
        catalogue.put(replace(WITH_EVERYTHING, attributes={"colour": f"shade {seq}"}), seq)
    masks = Masks(catalogue)
    assert masks.mask("colour = 'shade 2999'").sum() == 1
    assert not masks.mask("colour = 'shade 2998'").any()
    assert len(catalogue.fields.codes("attributes.colour", "text")._values) < 2500


def test_few_masks_are_kept() -> None:
    catalogue = Catalogue()
    catalogue.put(WITH_EVERYTHING, 1)
    masks = Masks(catalogue)
    for number in range(2 * KEPT):
        masks.mask(f"width > {number}")
    assert len(masks._masks) == KEPT
    first = masks.mask("width > 0")
    assert masks.mask("width > 0") is first and not first.flags.writeable
