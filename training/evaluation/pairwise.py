"""Every two models against each other: paired bootstrap over the same users, as a table for people."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from training.evaluation.intervals import Difference, difference_of, estimate_means
from training.markdown import table
from training.models.core.types import DoubleArray


def compare_all(
    values: Mapping[str, DoubleArray], samples: int, seed: int
) -> dict[tuple[str, str], Difference]:
    """What `intervals.compare` says of every two models, the users drawn once for all of them.

    Args:
        values: model → float64[u], a metric of each user; the same users in the same order.
        samples: resamples of the users.
        seed: of the resampling.

    Returns:
        (model, other) → the model less the other, in the order of `values`.
    """
    pairs = list(combinations(values, 2))
    if not pairs:
        return {}
    differences = np.column_stack([values[model] - values[other] for model, other in pairs])
    users = (~np.isnan(differences)).sum(axis=0)
    found = estimate_means(differences, samples, seed)
    return {
        pair: difference_of(estimate, int(count))
        for pair, estimate, count in zip(pairs, found, users, strict=True)
    }


def as_table(values: Mapping[str, DoubleArray], metric: str, samples: int, seed: int) -> str:
    """`compare_all` as Markdown, the best models first, so that most differences are above zero."""
    best_first = sorted(values, key=lambda name: float(np.nanmean(values[name])), reverse=True)
    found = compare_all({name: values[name] for name in best_first}, samples, seed)
    rows = [
        [
            model,
            other,
            f"{each.difference:+.4f}",
            f"[{each.low:+.4f}, {each.high:+.4f}]",
            each.users,
            each.verdict,
        ]
        for (model, other), each in found.items()
    ]
    intro = f"Model minus other in {metric}, paired by test user; 95 % intervals.\n\n"
    return intro + table(["model", "other", "difference", "interval", "users", "verdict"], rows)
