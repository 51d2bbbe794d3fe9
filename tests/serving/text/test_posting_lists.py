"""Posting lists are what lists of Python would be, however short or long they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.text import posting_lists
from serving.text.posting_lists import PostingLists

LISTS = 4
STEPS = st.lists(
    st.tuples(st.sets(st.integers(0, LISTS - 1)), st.booleans(), st.integers(0, 10**6)), max_size=60
)


@given(STEPS, st.sampled_from([1, 2, 4]))
def test_rows_come_and_go_as_in_lists(steps: list[tuple[set[int], bool, int]], short: int) -> None:
    lists = PostingLists()
    wanted: list[list[tuple[int, float]]] = [[] for _ in range(LISTS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posting_lists, "SHORT", short)
        for row, (numbers, leaves, choice) in enumerate(steps):
            if not leaves:
                weights = [row + number / 8 for number in numbers]
                lists.add(row, numbers, weights)
                for number, weight in zip(numbers, weights, strict=True):
                    wanted[number].append((row, weight))
            else:
                for number in numbers:
                    if wanted[number]:
                        gone, _ = wanted[number].pop(choice % len(wanted[number]))
                        lists.remove(number, gone)
            for number, entries in enumerate(wanted):
                assert lists.count(number) == len(entries)
                found = zip(lists.rows(number).tolist(), lists.weights(number).tolist(), strict=True)
                assert list(found) == entries


def test_lists_that_shrink_leave_their_room_to_others() -> None:
    lists = PostingLists()
    for again in range(50):
        for number in range(20):
            for row in range(number + 1):
                lists.add(row, [number], [1.0])
        if not again:
            held = len(lists._rows)
        for number in range(20):
            for row in np.random.default_rng(again).permutation(number + 1).tolist():
                lists.remove(number, row)
    assert len(lists._rows) <= 2 * held


def test_who_holds_a_short_list_keeps_no_other_from_changing() -> None:
    lists = PostingLists()
    lists.add(0, [0, 1], [1.0, 2.0])
    rows, weights = lists.rows(0), lists.weights(0)
    for row in range(1, 100):
        lists.add(row, [0, 1, 1 + row], [0.5] * 3)
    lists.remove(0, 0)
    assert (rows.tolist(), weights.tolist()) == ([0], [1.0])
    assert lists.rows(0).tolist() == list(range(1, 100))
