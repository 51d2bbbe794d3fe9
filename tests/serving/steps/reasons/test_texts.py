"""Reasons read like sentences."""

from serving.steps.reasons import texts
from serving.types import Item


def test_reasons_read_like_sentences() -> None:
    assert texts.bought_together("Teapot", 0.344, 5.21) == (
        "bought together with Teapot: 34 % of baskets, 5.2 times as often as by chance"
    )
    assert texts.because_of("product_click", Item("t", "product", "Teapot")) == "because you viewed Teapot"
    assert texts.trending(1234, 7) == "trending: 1,234 events this week"
    assert texts.trending(1, 30) == "trending: 1 event in 30 days"
    assert texts.interest("python") == "matches your interest 'python'"
    cheap = Item("a", "product", "A", price=2.0)
    assert texts.good_value(cheap) == "best value: popular and low-priced"
    reduced = Item("a", "product", "A", price=2.0, discount_ratio=0.4, rating=4.5, rating_count=1500)
    assert texts.good_value(reduced) == "best value: 40 % off, rated 4.5 by 1,500"


def test_reasons_have_parts_for_a_shop_that_words_them_itself() -> None:
    reason = texts.bought_together("Teapot", 0.344, 5.21, Item("t1", "product", "Teapot"))
    assert (reason.code, reason.item) == ("bought_together", "t1")
    assert reason.numbers == {"confidence": 0.344, "lift": 5.21}
    assert texts.trending_hours(1, 1) == "trending: 1 event in the last hour"
    assert texts.trending_hours(1200, 6) == "trending: 1,200 events in the last 6 hours"
    assert texts.trending_hours(3, 6).numbers == {"events": 3, "hours": 6}
