"""Lists for users of whom little is known."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from serving.steps.order import scaled

Scores = NDArray[np.float32]


def interest_scores(matches: Sequence[Scores], n_rows: int) -> tuple[Scores, NDArray[np.int32]]:
    """How well each item fits the interest that it fits best.

    Args:
        matches: one float32[n_rows] an interest, 0..1.

    Returns:
        (scores float32[n_rows], which int32[n_rows]): the position of that interest, -1 where none fits.
    """
    scores = np.zeros(n_rows, dtype=np.float32)
    which = np.full(n_rows, -1, dtype=np.int32)
    for place, match in enumerate(matches):
        better = match > scores
        scores[better] = match[better]
        which[better] = place
    return scores, which


def cold_scores(interests: Scores, popularity: Scores, interest_share: float) -> Scores:
    """Score of a user without history: share × interest + (1 - share) × popularity, each scaled to its best.

    Without a fitting interest it is popularity alone.
    """
    if not interests.any():
        return scaled(popularity)
    return np.float32(interest_share) * scaled(interests) + np.float32(1 - interest_share) * scaled(
        popularity
    )


def warmed(cold: Scores, warm: Scores, events: int, cold_below: int) -> Scores:
    """Between cold and warm: the history's share grows with each event, events / cold_below."""
    share = np.float32(min(events / cold_below, 1.0))
    if not warm.any():
        return cold
    return (1 - share) * cold + share * scaled(warm)
