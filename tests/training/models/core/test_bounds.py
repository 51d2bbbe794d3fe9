"""How large the numbers of params.yaml may be. That each section refuses them: tests/training/params."""

from datetime import UTC, datetime, timedelta

import pytest

from training.models.core.bounds import LARGEST, LONGEST, largest_of, numbers_in


@pytest.mark.parametrize("unit", LONGEST)
def test_today_can_be_moved_by_the_longest_time_of_each_unit(unit: str) -> None:
    assert largest_of(f"some_{unit}") == largest_of(unit) == LONGEST[unit]
    length = timedelta(**{unit: LONGEST[unit]})
    for moved in (datetime.now(UTC) - length, datetime.now(UTC) + length):
        assert moved.year > 1700  # pandas begins in 1677


def test_a_name_that_holds_a_unit_elsewhere_is_no_time() -> None:
    assert largest_of("days_of_users") == largest_of("daysight") == LARGEST


def test_numbers_are_found_at_any_depth_and_texts_are_none() -> None:
    value = {"a": [1, (2.5, {"b": -3, "c": "4"})], "d": None}
    assert list(numbers_in(value)) == [1, 2.5, -3]
    assert list(numbers_in("7")) == []
