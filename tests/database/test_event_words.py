"""A shop's own words for events: defaults, definitions, conditions on the value."""

import pytest

from database.event_words import DEFAULTS, EventType, EventWords, Meaning, parse_name

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
