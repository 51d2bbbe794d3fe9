"""Filters as texts: what can be read, and where a mistake is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.conditions.reading import LONGEST, read
from serving.conditions.tree import Both, Comparison, Either, Field, FilterError, Flag, Known, Not, OneOf

PRICE = Field("price", 0)


def test_a_filter_is_read_by_the_usual_precedence() -> None:
    found = read("price < 20 or sold and not stock = 0")
    assert isinstance(found, Either)
    first, second = found.parts
    assert first == Comparison(PRICE, "<", 20.0, 8)
    assert isinstance(second, Both) and isinstance(second.parts[0], Flag) and isinstance(second.parts[1], Not)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("price == 2.5e1", Comparison(PRICE, "=", 25.0, 9)),
        ("PRICE = -1", Comparison(Field("PRICE", 0), "=", -1.0, 8)),
        ("price = null", Not(Known(PRICE))),
        ("price != NULL", Known(PRICE)),
        ("((price)) AND price", Both((Flag(Field("price", 2)), Flag(Field("price", 14))))),
        ('android = "or"', Comparison(Field("android", 0), "=", "or", 10)),
        ("länge = 'it\\'s \"so\"'", Comparison(Field("länge", 0), "=", 'it\'s "so"', 8)),
        ("attributes.price > 1", Comparison(Field("price", 0, attribute=True), ">", 1.0, 19)),
        ('attributes["in stock"]', Flag(Field("in stock", 0, attribute=True))),
        ('"a" in labels', OneOf(Field("labels", 7), ("a",), 0)),
        ('labels not in ["a", 1, true]', Not(OneOf(Field("labels", 0), ("a", 1.0, True), 15))),
        ("labels in []", OneOf(Field("labels", 0), (), 7)),
    ],
)
def test_what_can_be_written(text: str, read_as: object) -> None:
    assert read(text) == read_as


@pytest.mark.parametrize(
    ("text", "position", "said"),
    [
        ("", 0, "ends too early"),
        ("price <", 7, "expected a number or a text in quotes"),
        ("price < 20 price", 11, "unexpected 'price'"),
        ("price ~ 3", 6, "expected a comparison"),
        ('category = "tea', 11, "closing quote"),
        ("category = tea", 11, "a text in quotes"),
        ("foo.bar = 1", 0, "no field foo.bar"),
        ("price < null", 6, "null has no order"),
        ("(price", 6, "ends too early"),
        ("not " * 40 + "price", 0, "nested"),
        ("a = 1 or " * 64 + "a = 1", 0, "at most 64 comparisons"),
        ("a" * (LONGEST + 1), LONGEST, "at most 4096 characters"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, said: str) -> None:
    with pytest.raises(FilterError, match=said) as raised:
        read(text)
    assert raised.value.position == position
    assert str(raised.value).endswith(f"(at character {position + 1})")


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.sampled_from("()[]\"'\\,.<>=! andorinot0 1é\n")),
    st.sampled_from(["", "(", "not ", "[", "a in ["]),
)
def test_any_text_is_read_or_refused(text: str, repeated: str) -> None:
    try:
        read((repeated * 2000)[: LONGEST - len(text)] + text)
    except FilterError as error:
        assert 0 <= error.position <= LONGEST
