"""A shop's own words for events: defaults, definitions, conditions on the value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.event_types import EVENT_TYPES
from database.event_words import DEFAULTS, EventType, EventWords, Meaning, meant_by, parse_name

NOTHING = Meaning("view_time", 0.0)


def test_the_narrowest_condition_that_holds_decides() -> None:
    words = EventWords(
        [
            *DEFAULTS,
            EventType("read>=3", "like"),
            EventType("read >= 10", "purchase", 9.0),
            EventType("read<1", "nothing"),
        ]
    )
    values = (None, 0.0, 1.0, 3.0, 9.0, 10.0)
    found = [words.meaning("read", value) for value in values]
    click, like = Meaning("click"), Meaning("like")
    assert found == [click, NOTHING, click, like, like, Meaning("purchase", 9.0)]


def test_a_word_with_conditions_alone_counts_as_nothing_when_none_holds() -> None:
    words = EventWords([EventType("scroll>50", "click")])
    assert words.meaning("scroll", 51) == Meaning("click")
    assert words.meaning("scroll", 50) == NOTHING
    assert words.meaning("scrol", 51) is None


def test_a_later_definition_takes_the_place_of_an_earlier_one() -> None:
    words = EventWords([*DEFAULTS, EventType("cart", "like", 7.0)])
    assert words.meaning("cart", None) == Meaning("like", 7.0)
    assert words.meaning("rating", 5) == Meaning("rating")


@pytest.mark.parametrize("name", ["", ">3", "read>", "read>=x", "a>1>2", " read", "read "])
def test_a_name_that_says_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="neither a word"):
        parse_name(name)


@given(st.sampled_from("<>"), st.permutations([1, 3, 10]), st.integers(0, 12))
@settings(max_examples=60)
def test_of_conditions_that_hold_the_nearest_bound_decides_in_whatever_order_they_were_defined(
    sign: str, bounds: list[int], value: int
) -> None:
    words = EventWords([EventType(f"read{sign}{bound}", "like", float(bound)) for bound in bounds])
    if sign == "<":
        bound = min((bound for bound in bounds if value < bound), default=None)
    else:
        bound = max((bound for bound in bounds if value > bound), default=None)
    assert words.meaning("read", value) == (NOTHING if bound is None else Meaning("like", float(bound)))


@given(st.sampled_from(sorted(EVENT_TYPES)), st.none() | st.sampled_from([3.0, 7.25]))
def test_a_word_is_told_by_one_that_counts_the_same_or_by_its_type(
    counts_as: str, weight: float | None
) -> None:
    said = meant_by(EventType("ours", counts_as, weight))
    meaning = EventWords(DEFAULTS).meaning(said, None)
    assert meaning is not None and meaning.event_type == counts_as
    same = [each for each in DEFAULTS if (each.counts_as, each.weight) == (counts_as, weight)]
    assert meaning.weight == (weight if same else None)
