"""The pure functions of the ranking, on arrays small enough to know the answer."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pytest

from serving.ranking import reasons
from serving.ranking.coldstart import cold_scores, interest_scores, warmed
from serving.ranking.diversity import day_seed, mmr, sample_diverse
from serving.ranking.feedback import push_down
from serving.ranking.history import build_history, event_weight, queries_of
from serving.ranking.order import best, contrast, merged, percentile, scaled, spread, without
from serving.ranking.types import Item
from serving.ranking.value import value_scores

WEIGHTS = {"like": 5.0, "click": 2.0, "skip": -1.0, "rating": 1.0, "feedback": 5.0}


@dataclass(frozen=True)
class Event:
    event_type: str
    item_id: str | None = None
    query: str | None = None
    value: float | None = None


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("event", "weight"),
    [
        (Event("like", "a"), 5.0),
        (Event("skip", "a"), -1.0),
        (Event("rating", "a", value=5), 2.5),
        (Event("rating", "a", value=1), -1.5),
        (Event("rating", "a"), 0.0),
        (Event("feedback", "a", value=-1), -5.0),
        (Event("feedback", "a", value=0), 0.0),
        (Event("search_query", query="tea"), 0.0),
    ],
)
def test_each_event_weighs_as_the_documents_say(event: Event, weight: float) -> None:
    assert event_weight(event, WEIGHTS, 2.5) == weight


def test_a_history_sums_up_an_items_events() -> None:
    events = [
        Event("skip", "b"),
        Event("click", "a"),
        Event("search_query", query=" tea "),
        Event("like", "b"),
        Event("feedback", "c", value=-1),
        Event("click", "gone"),
        Event("search_query", query="tea"),
    ]
    rows = {"a": 0, "b": 1, "c": 2}
    history = build_history(events, lambda item_id: rows.get(item_id, -1), WEIGHTS, 2.5)
    assert dict(zip(history.liked.tolist(), history.weights.tolist(), strict=True)) == {0: 2.0, 1: 4.0}
    assert history.disliked.tolist() == [2]
    assert sorted(history.seen.tolist()) == [0, 1, 2]
    assert history.events == 7
    assert history.latest[1] == "skip"
    assert queries_of(events) == ("tea",)


def test_scaling_keeps_order_and_drops_what_is_negative() -> None:
    assert scaled(floats(-1, 2, 4)).tolist() == [0.0, 0.5, 1.0]
    assert scaled(floats(0, -3)).tolist() == [0.0, 0.0]


def test_merging_weighs_each_signal_by_its_best() -> None:
    total = merged([(0.5, floats(10, 0, 5)), (0.4, floats(0, 1, 1)), (0.0, floats(9, 9, 9))], 3)
    assert total == pytest.approx([0.5, 0.4, 0.65])


def test_best_leaves_out_the_forbidden_and_the_worthless() -> None:
    allowed = without(np.ones(4, dtype=bool), np.array([1]))
    rows, scores = best(floats(1, 9, 0, 3), allowed, 10)
    assert rows.tolist() == [3, 0] and scores.tolist() == [3, 1]


def test_what_all_have_in_common_says_nothing_nor_does_rounding() -> None:
    common = np.full(200, 0.1, dtype=np.float32)
    common[::3] = np.nextafter(common[::3], np.float32(1))
    assert not contrast(common, np.ones(200, dtype=bool)).any()
    common[7] += 1e-3
    common[8] = -5.0
    allowed = without(np.ones(200, dtype=bool), np.array([8]))
    assert np.flatnonzero(contrast(common, allowed)).tolist() == [7]
    assert not contrast(common, np.zeros(200, dtype=bool)).any()


def test_spreading_drops_rows_that_are_not_known() -> None:
    assert spread(floats(1, 2), np.array([-1, 2], dtype=np.int32), 3).tolist() == [0, 0, 2]


def test_percentiles_share_ranks_among_equals() -> None:
    assert percentile(np.array([5.0, 1.0, 5.0])).tolist() == [0.75, 0.0, 0.75]
    assert percentile(np.array([7.0])).tolist() == [0.5]


def test_dislikes_push_down_what_is_near_and_nothing_else() -> None:
    vectors = np.eye(3, dtype=np.float32)
    pushed = push_down(floats(1.0, 0.9, 0.8), vectors, vectors[:1], 0.5)
    assert pushed == pytest.approx([0.5, 0.9, 0.8])
    assert push_down(floats(1.0), vectors[:1], vectors[:0], 0.5).tolist() == [1.0]


def test_interests_and_popularity_share_a_cold_list() -> None:
    fitting, which = interest_scores([floats(0.2, 0.9, 0), floats(0.5, 0.1, 0)], 3)
    assert which.tolist() == [1, 0, -1]
    cold = cold_scores(fitting, floats(0, 0, 1), 0.8)
    assert np.argsort(-cold).tolist() == [1, 0, 2]
    assert cold_scores(floats(0, 0, 0), floats(1, 3, 2), 0.8).argmax() == 1


def test_history_takes_over_with_each_event() -> None:
    cold, warm = floats(1, 0), floats(0, 1)
    assert warmed(cold, warm, 0, 5).tolist() == [1, 0]
    assert warmed(cold, warm, 2, 5) == pytest.approx([0.6, 0.4])
    assert warmed(cold, warm, 9, 5).tolist() == [0, 1]
    assert warmed(cold, floats(0, 0), 4, 5).tolist() == [1, 0]


def test_diverse_picks_repeat_for_a_seed_and_favour_groups_not_shown() -> None:
    rows = np.arange(200, dtype=np.int32)
    groups = (rows // 100).astype(np.int32)
    popularity = np.ones(200, dtype=np.float32)
    shown = np.zeros(20, dtype=np.int32)
    draws = [sample_diverse(rows, groups, popularity, shown, k=10, seed=seed)[0] for seed in range(20)]
    again = sample_diverse(rows, groups, popularity, shown, k=10, seed=0)[0]
    assert draws[0].tolist() == again.tolist() and len(set(again.tolist())) == 10
    assert np.mean([groups[draw].mean() for draw in draws]) > 0.8
    assert draws[0].tolist() != draws[1].tolist()


def test_the_day_and_the_user_make_the_seed() -> None:
    today = date(2026, 11, 21)
    assert day_seed("ann", today) == day_seed("ann", today)
    assert len({day_seed("ann", today), day_seed("bea", today), day_seed("ann", date(2026, 11, 22))}) == 3


def test_mmr_avoids_a_repeat_and_keeps_the_order_when_told_to() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = floats(1.0, 0.99, 0.7)
    assert mmr(scores, vectors, 2, 0.5).tolist() == [0, 2]
    assert mmr(scores, vectors, 2, 1.0).tolist() == [0, 1]
    assert mmr(scores[:0], vectors[:0], 2, 0.5).tolist() == []


def values(**columns: list[float]) -> np.ndarray:
    n = len(columns["price"])
    unknown = [float("nan")] * n
    return value_scores(
        price=np.array(columns["price"], dtype=np.float64),
        discount=np.array(columns.get("discount", unknown), dtype=np.float32),
        rating=np.array(columns.get("rating", unknown), dtype=np.float32),
        rating_count=np.array(columns.get("count", [0] * n), dtype=np.int64),
        group=np.array(columns.get("group", [0] * n), dtype=np.int32),
        popularity=np.array(columns.get("popularity", [0.0] * n), dtype=np.float64),
        prior_ratings=20.0,
        popularity_share=0.3,
        cheapness_share=0.25,
    )


def test_a_discount_and_a_rating_make_value() -> None:
    found = values(price=[5, 5, 5], discount=[0.5, 0.0, 0.5], rating=[4.5, 4.5, 2.0], count=[500, 500, 500])
    assert found.argsort().tolist() == [2, 1, 0]


def test_few_ratings_are_believed_little() -> None:
    found = values(price=[5, 5, 5], rating=[5.0, 4.6, 3.0], count=[1, 1000, 1000])
    assert found[1] > found[0] > found[2]


def test_without_ratings_and_discounts_the_cheap_and_popular_win() -> None:
    found = values(price=[1, 9, 1, 9], popularity=[9, 9, 1, 1])
    assert found.argmax() == 0 and found.argmin() == 3


def test_prices_are_compared_within_their_group() -> None:
    found = values(price=[10, 20, 1000, 2000], group=[0, 0, 1, 1])
    assert found[0] == found[2] > found[1] == found[3]


def test_without_a_price_there_is_no_value() -> None:
    assert values(price=[float("nan"), 0.0, 3.0]).tolist()[:2] == [0.0, 0.0]


def test_reasons_read_like_sentences() -> None:
    assert reasons.bought_together("Teapot", 0.344, 5.21) == (
        "bought together with Teapot: 34 % of baskets, 5.2 times chance"
    )
    assert reasons.because_of("product_click", "Teapot") == "because you viewed Teapot"
    assert reasons.trending(1234, 7) == "trending: 1,234 events this week"
    assert reasons.trending(1, 30) == "trending: 1 event in 30 days"
    assert reasons.interest("python") == "matches your interest 'python'"
    cheap = Item("a", "product", "A", price=2.0)
    assert reasons.good_value(cheap) == "best value: low price for what is popular"
    reduced = Item("a", "product", "A", price=2.0, discount_ratio=0.4, rating=4.5, rating_count=1500)
    assert reasons.good_value(reduced) == "best value: 40 % off, rated 4.5 by 1,500"
