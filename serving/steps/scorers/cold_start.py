"""The hybrid list's scores: its two models for a known user, interests and popularity for a new one."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scores import scaled_to_best
from serving.steps.table import INTEREST, Table, numbered
from serving.types import Scores

HYBRID = ("cf", "embeddings")


def hybrid_score(context: Context, table: Table) -> Table:
    """The two models, each over its scale, by the weights of the request; as a share of the best."""
    parts = _hybrid_parts(context, table)
    return table.scored(scaled_to_best(table.total(parts)), parts)


def cold_start_score(context: Context, table: Table) -> Table:
    """Interests and popularity, and the models by the share that few events have: events / cold_below."""
    parts = _hybrid_parts(context, table)
    # A sum in standard deviations; as shares of the best it can be interpolated with the cold scores.
    warm = scaled_to_best(table.total(parts))
    cold = cold_scores(
        best_interest(context, table),
        # Lists take scores above 0: an item without any popularity comes last rather than not at all.
        table.column("popularity") + np.float32(1e-6),
        context.params.ranking.interest_share,
    )
    warm, cold = interpolated(warm, cold, context.history.events, context.params.blend.cold_below)
    return table.scored(cold + warm, {**parts, "warm": warm, "cold": cold})


def best_interest(context: Context, table: Table) -> Scores:
    """How well each candidate fits the interest that it fits best, float32[c]."""
    return table.highest(numbered(INTEREST, place) for place in range(len(context.user.interests)))


def cold_scores(interests: Scores, popularity: Scores, interest_share: float) -> Scores:
    """Score of a user without history: share × interest + (1 - share) × popularity, each scaled to its best.

    Without a fitting interest it is popularity alone.
    """
    if not interests.any():
        return scaled_to_best(popularity)
    share = np.float32(interest_share)
    return share * scaled_to_best(interests) + (1 - share) * scaled_to_best(popularity)


def interpolated(warm: Scores, cold: Scores, events: int, cold_below: int) -> tuple[Scores, Scores]:
    """What the models and the cold start give; the models' share is events / cold_below, 0 while silent.

    >>> warm, cold = np.array([1, 0], dtype=np.float32), np.array([0, 1], dtype=np.float32)
    >>> [part.round(2).tolist() for part in interpolated(warm, cold, events=1, cold_below=4)]
    [[0.25, 0.0], [0.0, 0.75]]
    """
    share = np.float32(min(events / cold_below, 1.0) if warm.any() else 0.0)
    return share * warm, (1 - share) * cold


def _hybrid_parts(context: Context, table: Table) -> dict[str, Scores]:
    return {
        name: table.standardised(name) * np.float32(context.shares[name])
        for name in HYBRID
        if context.shares.get(name)
    }
