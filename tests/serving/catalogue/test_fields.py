"""Orders by a field's numbers are kept while no number changes."""

import math
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import fields
from serving.catalogue.fields import FieldColumns, Numbers
from serving.catalogue.places import MOVED_ONE_BY_ONE, Places
from serving.types import Item

CHANGES = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.sampled_from([-1.0, 0.0, 2.5, 7.0]), st.booleans()),
    max_size=20,
)


def falling_scores(values: np.ndarray, *, descending: bool) -> np.ndarray:
    """In order of the values, by a sort of all."""
    _, place = np.unique(
        np.where(np.isnan(values), np.inf, -values if descending else values), return_inverse=True
    )
    scores: np.ndarray = 1 - place.astype(np.float32) / np.float32(len(values) + 1)
    return scores


@given(CHANGES, st.booleans())
def test_a_kept_order_is_that_of_the_values_of_now(
    changes: list[tuple[int, float | None, bool]], descending: bool
) -> None:
    numbers, values = Numbers(), np.full(10, np.nan)
    for row, value, asked in changes:
        if value is None:
            numbers.clear(row)
            values[row] = np.nan
        else:
            numbers.put(row, value)
            values[row] = value
        if asked:
            found = numbers.falling(10, descending=descending)
            assert found.tolist() == falling_scores(values, descending=descending).tolist()
    assert len(numbers.falling(12, descending=descending)) == 12


@given(st.lists(st.sampled_from([-1.0, 0.0, 2.5, 7.0, float("nan")]), max_size=20), st.booleans())
def test_scores_fall_with_the_place(values: list[float], descending: bool) -> None:
    scores = Places(np.array(values)).falling(descending=descending)
    assert (scores > 0).all()
    for one, first in zip(values, scores, strict=True):
        for other, second in zip(values, scores, strict=True):
            if math.isnan(one) or math.isnan(other):
                before = math.isnan(other) and not math.isnan(one)
            else:
                before = one > other if descending else one < other
            assert (first > second) == before


def test_an_edit_of_another_field_leaves_the_order_as_it_is() -> None:
    columns, item = FieldColumns(), Item("a", "product", "Plum", price=2.0, tags=("old",))
    columns.put(0, item, fresh=True)
    columns.put(1, replace(item, item_id="b", price=1.0, tags=()), fresh=True)
    order = columns.numbers("price").falling(2, descending=False)
    columns.put(0, replace(item, title="Plums", stock=3, tags=("new",)), fresh=False)
    assert columns.numbers("price").falling(2, descending=False) is order
    columns.put(0, replace(item, price=0.5), fresh=False)
    assert columns.numbers("price").falling(2, descending=False).tolist() != order.tolist()
    columns.put(0, replace(item, price=None, stock=None, tags=()), fresh=False)
    assert (columns.numbers("price").known, columns.numbers("stock").known) == (1, 0)
    assert not columns.codes("labels", "texts").known


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([-1.0, 0.0, 2.5, 7.0, 9.0])), max_size=60))
def test_the_first_of_an_order_are_those_of_a_sort(changes: list[tuple[int, float]]) -> None:
    """Rows come, change and go between lists, and get other items."""
    numbers, n_rows = Numbers(), 1
    for edition, (row, value) in enumerate(changes):
        n_rows = max(n_rows, row + 1)
        if value == 9.0:
            numbers.clear(row)
        else:
            numbers.put(row, value)
        if edition % 3 == 0:
            identity = np.random.default_rng(edition).permutation(n_rows).astype(np.uint64)
            for descending in (False, True):
                scores = falling_scores(numbers.values(n_rows), descending=descending)
                first = numbers.first(identity, edition, descending=descending)
                assert first.tolist() == np.lexsort((identity, -scores)).tolist()


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 2.5, 7.0, math.nan]), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 39), st.sampled_from([-1.0, 0.0, 1.0, 2.5, 7.0, 9.0])), max_size=40),
    st.integers(1, 50),
    st.booleans(),
)
def test_a_front_that_follows_changes_begins_as_a_sort_does(
    values: list[float], changes: list[tuple[int, float]], length: int, descending: bool
) -> None:
    """Of items that stay it may be shorter, never other; and at least half as long."""
    numbers, n_rows = Numbers(), len(values)
    for row, value in enumerate(values):
        if not math.isnan(value):
            numbers.put(row, value)
    identity = np.random.default_rng(n_rows).permutation(n_rows).astype(np.uint64)
    with patch.object(fields, "FRONT", length):
        for number, (row, value) in enumerate(changes):
            if value == 9.0:
                numbers.clear(row % n_rows)
            else:
                numbers.put(row % n_rows, value)
            if number % 3:
                continue
            scores = falling_scores(numbers.values(n_rows), descending=descending)
            order = np.lexsort((identity, -scores))
            first = numbers.first(identity, 1, descending=descending)
            assert min(length, n_rows) / 2 <= len(first) <= length
            assert first.tolist() == order[: len(first)].tolist()
            found = numbers.falling_of(order.astype(np.int32), n_rows, descending=descending)
            assert found.tolist() == scores[order].tolist()


def test_a_front_is_not_looked_for_anew_for_one_change() -> None:
    numbers, identity = Numbers(), np.arange(50, dtype=np.uint64)
    for row in range(50):
        numbers.put(row, float(row))
    with patch.object(fields, "FRONT", 20):
        numbers.first(identity, 1, descending=True)
        numbers.put(45, 10.0)
        numbers.put(3, 47.5)
        with patch.object(fields, "top", side_effect=AssertionError):
            first = numbers.first(identity, 1, descending=True)
    assert first.tolist() == [49, 48, 3, 47, 46, *range(44, 29, -1)]


def test_a_front_that_is_not_asked_for_is_forgotten() -> None:
    numbers, identity = Numbers(), np.arange(200, dtype=np.uint64)
    for row in range(200):
        numbers.put(row, float(row))
    with patch.object(fields, "FRONT", 20):
        numbers.first(identity, 1, descending=False)
        for row in range(100):
            numbers.put(row, 300.0 + row)
            assert numbers.first(identity, 1, descending=True)[0] == row
        assert list(numbers._first) == [True]
        assert numbers.first(identity, 1, descending=False).tolist() == list(range(100, 120))


def test_many_changes_are_sorted_anew() -> None:
    numbers = Numbers()
    for times in (1, MOVED_ONE_BY_ONE, MOVED_ONE_BY_ONE + 1, 40):
        for row in range(times):
            numbers.put(row, float(row * times % 7))
        found = numbers.falling(50, descending=True)
        assert found.tolist() == falling_scores(numbers.values(50), descending=True).tolist()
