"""Who asks, and how the candidates of a blend become a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from serving.lists.view import Mask, Rows, Scores, Vector, View
from serving.steps.diversity import mmr
from serving.steps.feedback import push_down
from serving.steps.history import History
from serving.steps.order import best

Texts = Sequence[tuple[str, Vector | None]]
"""Texts with their vectors (None where one could not be encoded), the most important first."""


@dataclass(frozen=True)
class Visitor:
    """Who asks, and what is known of them."""

    user_id: str
    history: History
    searches: Texts = ()
    interests: Texts = ()
    day: date = date.min
    trained: int = -1
    """Index among the bundle's users, used when the history is out of reach."""


def chosen(
    view: View, history: History, scores: Scores, allowed: Mask, *, k: int, relevance: float | None = None
) -> tuple[Rows, Scores]:
    """The best candidates, pushed down by dislikes and spread out by MMR: k rows and their scores."""
    ranking = view.params.ranking
    rows, found = best(scores, allowed, max(ranking.candidates, 2 * k))
    vectors = view.index.vectors.gather(rows)
    disliked = view.index.vectors.gather(history.disliked)
    found = push_down(found, vectors, disliked, ranking.dislike_penalty)
    order = np.argsort(-found, kind="stable")
    rows, found, vectors = rows[order], found[order], vectors[order]
    taken = mmr(found, vectors, k, ranking.relevance if relevance is None else relevance)
    return rows[taken], found[taken]


def strongest(parts: Mapping[str, tuple[float, Scores]], row: int, otherwise: str = "hybrid") -> str:
    """The part that gives a row most of its score; `otherwise` when none gives any."""
    name, given = otherwise, 0.0
    for part, (weight, scores) in parts.items():
        value = weight * float(scores[row])
        if value > given:
            name, given = part, value
    return name
