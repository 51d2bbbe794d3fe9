"""Orders by a field's numbers are kept while no number changes."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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


def test_many_changes_are_sorted_anew() -> None:
    numbers = Numbers()
    for times in (1, MOVED_ONE_BY_ONE, MOVED_ONE_BY_ONE + 1, 40):
        for row in range(times):
            numbers.put(row, float(row * times % 7))
        found = numbers.falling(50, descending=True)
        assert found.tolist() == falling_scores(numbers.values(50), descending=True).tolist()
