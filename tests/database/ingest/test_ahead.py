"""What is read ahead comes as it would come otherwise."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from database.ingest.ahead import read_ahead


@given(parts=st.lists(st.integers()))
def test_parts_come_in_their_order(parts: list[int]) -> None:
    assert list(read_ahead(iter(parts))) == parts


def test_an_error_comes_after_the_parts_before_it() -> None:
    def damaged() -> Iterator[int]:
        yield 1
        raise ValueError("the file is damaged")

    parts = read_ahead(damaged())
    assert next(parts) == 1
    with pytest.raises(ValueError, match="the file is damaged"):
        next(parts)


def test_who_stops_early_makes_no_more_parts() -> None:
    made = list[int]()

    def counted() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    parts = read_ahead(counted())
    assert next(parts) == 0
    del parts
    assert made in ([0], [0, 1])
