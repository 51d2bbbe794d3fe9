"""Coordinate ascent over the weights of a sum: one weight at a time, each over the same grid."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

ROUNDS = 5
"""Passes over the weights; an ascent ends earlier when a pass changes nothing."""

_LEAST_GAIN = 1e-6

Weights = dict[str, float]

Found = TypeVar("Found")
"""What is measured of a set of weights."""


def ascend(
    start: Mapping[str, float],
    reached: Found,
    order: Sequence[str],
    grid: Sequence[float],
    along: Callable[[Weights, str], Callable[[float], Found]],
    *,
    score: Callable[[Found], float],
) -> tuple[Weights, Found]:
    """Change one weight after the other wherever that raises the score.

    Args:
        start: name → weight to begin with; names that are not in `order` keep theirs.
        reached: what `start` gives.
        order: the names whose weights are tried, a pass over all of them at a time.
        grid: the weights that are tried for each.
        along: given the present weights and a name, the function that measures them with another weight for
            that name; what the other weights add up to it can compute once.
        score: of what was measured, the number to raise.

    Returns:
        The best weights, and what was measured of them.
    """
    weights = dict(start)
    for _ in range(ROUNDS):
        before = dict(weights)
        for name in order:
            measure = along(weights, name)
            for weight in grid:
                found = measure(weight)
                if score(found) > score(reached) + _LEAST_GAIN:
                    reached, weights[name] = found, weight
        if weights == before:
            break
    return weights, reached
