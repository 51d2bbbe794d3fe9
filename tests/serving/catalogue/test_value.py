"""Value for money."""

import numpy as np

from tests.serving.catalogue.plain import plain_values


def values(**columns: list[float]) -> np.ndarray:
    n = len(columns["price"])
    unknown = [float("nan")] * n
    return plain_values(
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


def test_what_has_become_dearer_saves_nothing_and_nothing_saves_more_than_all() -> None:
    found = values(price=[5, 5, 5, 5], discount=[-0.5, 0.0, 1.0, 1.5])
    assert found[0] == found[1] < found[2] == found[3]
