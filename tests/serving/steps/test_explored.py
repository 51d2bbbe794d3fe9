"""The chances of an explored list, also where there are fewer candidates than its pool, or more places."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.steps.context import Exploration
from serving.steps.selection import explore


class Scripted(Random):
    """Draws, or does not; a draw turns the order round."""

    def __init__(self, draws: bool) -> None:
        super().__init__(0)
        self._draws = draws

    def random(self) -> float:
        return 0.0 if self._draws else 1.0

    def sample(self, population: range, k: int, **_: object) -> list[int]:  # type: ignore[override]
        return list(reversed(population))[:k]


@given(
    st.integers(0, 8), st.integers(1, 8), st.integers(1, 8), st.sampled_from([0.05, 0.5, 1.0]), st.booleans()
)
def test_each_place_is_told_the_chance_that_its_item_had(
    count: int, k: int, pool: int, epsilon: float, draws: bool
) -> None:
    found = explore(count, k, Exploration(epsilon, pool, Scripted(draws)))
    drawn_from = min(count, max(pool, k))
    assert len(found.places) == len(found.propensities) == min(k, drawn_from)
    assert set(found.places) <= set(range(drawn_from))
    if drawn_from < 2:
        assert set(found.propensities) <= {1.0}
        return
    assert list(found.places) == list(range(drawn_from))[:: -1 if draws else 1][: len(found.places)]
    for at, (place, chance) in enumerate(zip(found.places, found.propensities, strict=True)):
        best = 1 - epsilon if at == place else 0.0
        assert chance == pytest.approx(best + epsilon / drawn_from)
    # At each position the chances of all that could stand there sum up to 1.
    assert (1 - epsilon) + drawn_from * (epsilon / drawn_from) == pytest.approx(1)
