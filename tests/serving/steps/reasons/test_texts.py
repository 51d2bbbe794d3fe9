"""Reasons read like sentences, and have parts for a shop that words them itself."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from serving.steps.reasons import texts
from serving.types import Item, Reason

POT = Item("t1", "product", "Teapot")
CHEAP = Item("a", "product", "A", price=2.0)
RATED = Item("a", "product", "A", rating=4.5, rating_count=1500)
PRICED = Item("a", "product", "A", price=2.0, rating=4.5, rating_count=1500)
REDUCED = Item("a", "product", "A", price=2.0, discount_ratio=0.4, rating=4.5, rating_count=1500)
UNRATED = Item("a", "product", "A", rating=4.5)
RATINGS = {"rating": 4.5, "rating_count": 1500}
RULE = "34 % of baskets, 5.2 times as often as by chance"
RULE_NUMBERS = {"confidence": 0.344, "lift": 5.21}

SENTENCES: list[tuple[Callable[[], Reason], str, str, str | None, dict[str, float]]] = [
    (
        lambda: texts.bought_together("Teapot", 0.344, 5.21, POT),
        f"bought together with Teapot: {RULE}",
        "bought_together",
        "t1",
        RULE_NUMBERS,
    ),
    (
        lambda: texts.bought_together("Teapot and Mug", 0.344, 5.21),
        f"bought together with Teapot and Mug: {RULE}",
        "bought_together",
        None,
        RULE_NUMBERS,
    ),
    (texts.with_basket, "bought with the items in the cart", "bought_with_cart", None, {}),
    (
        lambda: texts.trending(1234, 7),
        "trending: 1,234 events this week",
        "trending",
        None,
        {"events": 1234, "days": 7},
    ),
    (
        lambda: texts.trending(1, 30),
        "trending: 1 event in 30 days",
        "trending",
        None,
        {"events": 1, "days": 30},
    ),
    (
        lambda: texts.trending_hours(1, 1),
        "trending: 1 event in the last hour",
        "trending",
        None,
        {"events": 1, "hours": 1},
    ),
    (
        lambda: texts.trending_hours(1200, 6),
        "trending: 1,200 events in the last 6 hours",
        "trending",
        None,
        {"events": 1200, "hours": 6},
    ),
    (lambda: texts.popular(RATED), "popular: rated 4.5 by 1,500", "popular", None, RATINGS),
    (lambda: texts.popular(UNRATED), "popular", "popular", None, {}),
    (lambda: texts.popular(POT), "popular", "popular", None, {}),
    (texts.new_item, "new in the catalogue", "new", None, {}),
    (lambda: texts.good_value(CHEAP), "best value: popular and low-priced", "best_value", None, {}),
    *(
        (
            lambda item=item: texts.good_value(item),
            "best value: popular and low-priced",
            "best_value",
            None,
            {},
        )
        for item in (replace(UNRATED, price=2.0), replace(CHEAP, rating_count=3))
    ),
    (
        lambda: texts.good_value(PRICED),
        "best value: rated 4.5 by 1,500, low price",
        "best_value",
        None,
        RATINGS,
    ),
    (
        lambda: texts.good_value(REDUCED),
        "best value: 40 % off, rated 4.5 by 1,500",
        "best_value",
        None,
        RATINGS | {"discount": 0.4},
    ),
    (lambda: texts.priced_like(POT), "similar in price to Teapot", "similar_price", "t1", {}),
    (lambda: texts.interest("python"), "matches your interest 'python'", "interest", None, {}),
    (lambda: texts.searched("tea"), "matches your search 'tea'", "past_search", None, {}),
    (lambda: texts.matches("tea", {}), "matches 'tea'", "matches", None, {}),
    (
        lambda: texts.matches("tee cupp", {"tee": "tea", "cupp": "cup"}),
        "matches 'tee cupp' ('tee' read as 'tea', 'cupp' read as 'cup')",
        "matches_corrected",
        None,
        {},
    ),
    (lambda: texts.near_meaning("tea"), "close in meaning to 'tea'", "similar_meaning", None, {}),
    (lambda: texts.near_meaning("Teapot", POT), "close in meaning to 'Teapot'", "similar_meaning", "t1", {}),
    (lambda: texts.alike(POT), "similar to Teapot", "similar_title", "t1", {}),
    (lambda: texts.same_people(POT), "chosen by people who chose Teapot", "same_people", "t1", {}),
    (
        lambda: texts.like_you(POT),
        "chosen by people who, like you, chose Teapot",
        "people_like_you",
        "t1",
        {},
    ),
    (lambda: texts.different("tea"), "something different: tea", "different", None, {}),
    (lambda: texts.different(None), "something different for you", "different", None, {}),
    (lambda: texts.top_of("tea"), "popular in tea", "popular_in_category", None, {}),
    (texts.listed, "fits the filter", "filter", None, {}),
]


@pytest.mark.parametrize(("say", "sentence", "code", "item", "numbers"), SENTENCES)
def test_a_reason_is_a_sentence_with_its_code_item_and_numbers(
    say: Callable[[], Reason], sentence: str, code: str, item: str | None, numbers: dict[str, float]
) -> None:
    reason = say()
    assert reason == sentence
    assert (reason.code, reason.item, reason.numbers) == (code, item, numbers)


@pytest.mark.parametrize(
    ("event_type", "verb"),
    [
        ("purchase", "bought"),
        ("like", "liked"),
        ("rating", "rated"),
        ("feedback", "liked"),
        ("view_time", "viewed"),
        ("click", "viewed"),
        ("cart", "chose"),
        ("product_click", "viewed"),
        ("", "saw"),
    ],
)
def test_what_the_user_did_has_its_verb(event_type: str, verb: str) -> None:
    reason = texts.because_of(event_type, POT)
    assert (reason, reason.code, reason.item) == (f"because you {verb} Teapot", f"because_you_{verb}", "t1")
