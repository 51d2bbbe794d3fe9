import numpy as np
import pytest

from training.evaluation.intervals import compare, compare_coverage, estimate_means, jackknife_interval
from training.evaluation.ranking import of_all_lists
from training.models.core.types import IntArray


def test_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 4000)
    (found,) = estimate_means(values[:, None], samples=1000, seed=0)
    error = 1.96 * 2.0 / np.sqrt(4000)
    assert found.value == pytest.approx(values.mean())
    assert found.value - found.low == pytest.approx(error, rel=0.15)
    assert found.high - found.value == pytest.approx(error, rel=0.15)


def test_it_holds_the_true_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    draws = generator.exponential(1.0, (200, 150))
    inside = 0
    for row in draws:
        (found,) = estimate_means(row[:, None], samples=300, seed=0)
        inside += found.low <= 1.0 <= found.high
    assert 0.88 <= inside / 200 <= 0.99


def test_users_without_a_value_are_left_out() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    first, second = estimate_means(values, samples=200, seed=0)
    assert first.value == 2.0
    assert np.isnan(second.value)


def test_nobody_is_no_number() -> None:
    (found,) = estimate_means(np.zeros((0, 1)), samples=100, seed=0)
    assert np.isnan([found.value, found.low, found.high]).all()


def test_pairing_sees_a_difference_that_users_noise_would_hide() -> None:
    generator = np.random.default_rng(2)
    user = generator.normal(0.5, 0.3, 500)
    better = user + 0.01 + generator.normal(0, 0.02, 500)
    found = compare(better, user, samples=1000, seed=0)
    assert found.verdict == "better"
    assert compare(user, better, samples=1000, seed=0).verdict == "worse"
    assert 0.005 < found.low < found.difference < found.high < 0.015
    surer = compare(better, user, samples=1000, seed=0, confidence=0.999)
    assert surer.low < found.low < found.high < surer.high
    (alone,) = estimate_means(better[:, None], samples=1000, seed=0)
    assert alone.low < user.mean() < alone.high


def test_no_difference_is_called_none_nineteen_times_in_twenty() -> None:
    draws = np.random.default_rng(3).random((100, 2, 200))
    verdicts = [compare(one, other, samples=200, seed=0).verdict for one, other in draws]
    assert verdicts.count("not significant") >= 88


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random((50, 3))
    assert estimate_means(values, 100, 5) == estimate_means(values, 100, 5)


def test_left_out_one_by_one_a_mean_has_its_textbook_error() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = jackknife_interval(values.mean(), (values.sum() - values) / 399)
    assert found.high - found.value == pytest.approx(1.96 * values.std(ddof=1) / 20)
    assert found.value - found.low == pytest.approx(found.high - found.value)


@pytest.mark.parametrize("part", ["coverage", "gini"])
def test_the_error_of_what_belongs_to_all_lists_is_what_other_users_make_of_it(part: str) -> None:
    generator = np.random.default_rng(4)
    popular = 1.0 / np.arange(1, 401) ** 0.8

    def lists() -> IntArray:
        keys = generator.exponential(1.0, (150, 400)) / popular
        return np.argsort(keys, axis=1)[:, :10].astype(np.int32)

    found = [of_all_lists(lists(), 400, [10])[f"{part}@10"] for _ in range(60)]
    spread = np.std([each.value for each in found])
    told = np.mean([each.high - each.value for each in found]) / 1.96
    assert 0.9 < told / spread < 1.5


def test_coverage_is_compared_over_the_same_users() -> None:
    generator = np.random.default_rng(0)
    wide = generator.integers(0, 500, (400, 5)).astype(np.int32)
    narrow = np.where(generator.random((400, 5)) < 0.3, -1, wide % 100).astype(np.int32)
    found = compare_coverage(wide, narrow, 500)
    shares = [len(np.unique(lists[lists >= 0])) / 500 for lists in (wide, narrow)]
    assert found.difference == pytest.approx(shares[0] - shares[1]) and found.verdict == "better"
    assert compare_coverage(narrow, wide, 500).verdict == "worse"
    same = compare_coverage(wide, wide, 500)
    assert (same.difference, same.low, same.high, same.verdict) == (0.0, 0.0, 0.0, "not significant")


def test_where_no_user_has_a_value_every_measure_is_no_number() -> None:
    found = estimate_means(np.full((3, 2), np.nan), samples=50, seed=0)
    assert len(found) == 2
    assert np.isnan([[one.value, one.low, one.high] for one in found]).all()
