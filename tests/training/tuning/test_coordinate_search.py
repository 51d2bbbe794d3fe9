"""Coordinate search on functions whose best weights are known."""

from collections.abc import Callable

from training.tuning.coordinate_search import Weights, coordinate_search

GRID = (0.0, 0.5, 1.0, 2.0)


def distance_to(**wanted: float) -> Callable[[Weights, str], Callable[[float], float]]:
    """Scores weights by how near they are to `wanted`."""

    def along(weights: Weights, name: str) -> Callable[[float], float]:
        def score(weight: float) -> float:
            tried = weights | {name: weight}
            return -sum(abs(tried[key] - value) for key, value in wanted.items())

        return score

    return along


def test_each_weight_comes_to_its_best_and_the_fixed_one_stays() -> None:
    start = {"fixed": 1.0, "a": 0.0, "b": 2.0}
    found = coordinate_search(start, ["a", "b"], GRID, distance_to(fixed=0.0, a=2.0, b=0.5))
    assert found == {"fixed": 1.0, "a": 2.0, "b": 0.5}
    assert start == {"fixed": 1.0, "a": 0.0, "b": 2.0}


def test_what_gains_next_to_nothing_changes_no_weight() -> None:
    found = coordinate_search({"a": 0.5}, ["a"], GRID, lambda *_: lambda weight: 1.0 + 1e-7 * weight)
    assert found == {"a": 0.5}


def test_a_weight_that_adds_nothing_is_left_out() -> None:
    found = coordinate_search({"a": 0.5, "b": 2.0}, ["a", "b"], GRID, distance_to(b=1.0))
    assert found == {"a": 0.0, "b": 1.0}


def test_without_a_weight_to_try_the_start_stays() -> None:
    assert coordinate_search({"only": 1.0}, [], GRID, distance_to(only=3.0)) == {"only": 1.0}
