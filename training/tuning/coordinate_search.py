"""Coordinate search: one weight of a sum after the other, each over the same grid."""

from collections.abc import Callable, Mapping, Sequence

ROUNDS = 5
"""Passes over the weights; a search ends earlier when a pass changes nothing."""

_LEAST_GAIN = 1e-6  # below it a gain is rounding, and weights would go round in circles

Weights = dict[str, float]

Along = Callable[[Weights, str], Callable[[float], float]]
"""Given weights and a name, the function that scores them with another weight for that name: what the other
weights add up to can be computed one time for the whole grid."""


def coordinate_search(
    start: Mapping[str, float], order: Sequence[str], grid: Sequence[float], along: Along
) -> Weights:
    """Change one weight after the other wherever that raises the score; returns the best weights.

    At the end each weight that can be 0 at no loss is 0.

    Args:
        start: name → weight to begin with; names that are not in `order` keep theirs.
        order: the names whose weights are tried, a pass over all of them at a time.
        grid: the weights that are tried for each.
        along: scores weights that differ in one name.
    """
    weights = dict(start)
    best: float | None = None
    for _ in range(ROUNDS):
        before = dict(weights)
        for name in order:
            score = along(weights, name)
            best = score(weights[name]) if best is None else best
            for weight in grid:
                found = score(weight)
                if found > best + _LEAST_GAIN:
                    best, weights[name] = found, weight
        if weights == before:
            break
    for name in order:
        # What adds nothing is left out: a model less to compute, and no weight that follows chance.
        if weights[name] and best is not None and (without := along(weights, name)(0.0)) >= best:
            best, weights[name] = without, 0.0
    return weights
