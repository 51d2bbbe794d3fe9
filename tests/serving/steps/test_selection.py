"""Which candidates make the list, and how likely each was to stand where it does."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.context import Exploration
from serving.steps.selection import OneOfVariants, best, explore
from serving.steps.table import Table


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def table(*scores: float) -> Table:
    """Candidates of which the second may not be in the list."""
    allowed = np.array([place != 1 for place in range(len(scores))])
    rows = np.arange(len(scores), dtype=np.int32)
    return Table(rows, rows.astype(np.uint64), allowed, {}, {}, floats(*scores))


def test_the_forbidden_and_the_worthless_are_left_out() -> None:
    found = best(table(1, 9, 0, 3, -2), 10, "positive")
    assert found.rows.tolist() == [3, 0] and found.score.tolist() == [3, 1]
    assert best(table(1, 9, 0, 3, -2), 10, "scored").rows.tolist() == [3, 0, 4]
    assert best(table(1, 9, 0, 3, -2), 10, "all").rows.tolist() == [3, 0, 2, 4]


def test_propensities_are_what_happens() -> None:
    """Any of the pool can stand at any position, as often as its propensity there says."""
    exploration = Exploration(epsilon=0.4, pool=5, random=Random(5))
    seen: Counter[tuple[int, int]] = Counter()
    told: dict[tuple[int, int], float] = {}
    runs = 20_000
    for _ in range(runs):
        shown = explore(6, 3, exploration)
        for at, (place, chance) in enumerate(zip(shown.places, shown.propensities, strict=True)):
            seen[at, place] += 1
            assert told.setdefault((at, place), chance) == chance
    assert 5 not in {place for _, place in seen}
    for key, chance in told.items():
        assert seen[key] / runs == pytest.approx(chance, abs=0.015)
    for at in range(3):
        assert sum(chance for (position, _), chance in told.items() if position == at) == pytest.approx(1)


def test_without_epsilon_the_best_are_shown() -> None:
    found = explore(6, 3, Exploration(0.0, 5, Random(1)))
    assert (list(found.places), found.propensities) == ([0, 1, 2], (1.0, 1.0, 1.0))
    assert list(explore(0, 3, Exploration(0.5, 5, Random(1))).places) == []
    assert len(explore(2, 3, Exploration(0.5, 5, Random(1))).places) == 2


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-1, 9)), min_size=1, max_size=30), st.data())
def test_the_best_of_each_group_is_chosen_and_none_of_a_group_that_is_left_out(
    candidates: list[tuple[int, int]], data: st.DataObject
) -> None:
    groups = np.array([group for group, _ in candidates], dtype=np.uint64)
    without = data.draw(st.lists(st.integers(0, len(candidates) - 1), max_size=2))
    count = data.draw(st.integers(1, 10))
    scored = table(*(score for _, score in candidates))
    chosen = best(scored, count, "positive", OneOfVariants(groups, np.array(without, dtype=np.int32)))
    taken, expected = {candidates[row][0] for row in without}, []
    for row in best(scored, len(candidates), "positive").rows.tolist():
        if candidates[row][0] not in taken:
            taken.add(candidates[row][0])
            expected.append(row)
    assert chosen.rows.tolist() == expected[:count]


def test_an_item_of_many_variants_leaves_no_list_short() -> None:
    """However many of them stand before the others."""
    groups = np.array([0] * 60 + [1, 1, 2, 3], dtype=np.uint64)
    scored = table(*range(200, 136, -1))
    chosen = best(scored, 3, "positive", OneOfVariants(groups, np.zeros(0, dtype=np.int32)))
    assert chosen.rows.tolist() == [0, 60, 62]
    every = best(scored, 9, "positive", OneOfVariants(groups, np.zeros(0, dtype=np.int32)))
    assert every.rows.tolist() == [0, 60, 62, 63]
