"""The hybrid list: collaborative filtering and content, interests while there is little of either."""

from collections.abc import Mapping

import numpy as np

from serving.lists import everyone
from serving.lists.candidates import Visitor, chosen, strongest
from serving.lists.explain import Explainer
from serving.lists.view import Mask, Scores, View
from serving.steps import reasons
from serving.steps.coldstart import cold_scores, interest_scores, warmed
from serving.steps.order import best, scaled, without
from serving.types import Kinds, Ranked
from training.models.blend import combine, normalise

Parts = Mapping[str, tuple[float, Scores]]


def hybrid(
    view: View,
    visitor: Visitor,
    n: int,
    kinds: Kinds,
    *,
    use_cf: bool,
    use_embeddings: bool,
    cf_weight: float,
) -> list[Ranked]:
    """cf_weight × NMF + (1 - cf_weight) × nearness to what the user likes; cold users by interests.

    Under `cold_below` events the history's share grows with each of them. With one of the two switched
    off the other has the whole weight; with both off it is the cold list.
    """
    history = visitor.history
    if not view.n_rows:
        return []
    allowed = without(view.index.catalogue.mask(kinds), history.seen)
    parts: dict[str, tuple[float, Scores]] = {}
    if use_cf:
        weight = cf_weight if use_embeddings else 1.0
        parts["cf"] = (weight, view.model_scores("nmf", view.query(history)))
    if use_embeddings:
        weight = 1 - cf_weight if use_cf else 1.0
        near = view.near(view.profile(history), 5 * view.params.ranking.candidates, allowed)
        parts["embeddings"] = (weight, near)
    weighted = [(scores, weight) for weight, scores in parts.values() if weight > 0]
    warm = scaled(combine(weighted)) if weighted else np.zeros(view.n_rows, dtype=np.float32)
    parts = {name: (weight, normalise(scores)) for name, (weight, scores) in parts.items()}
    if history.events >= view.params.blend.cold_below and best(warm, allowed, 1)[0].size:
        method = "hybrid" if len(parts) > 1 else next(iter(parts))
        rows, scores = chosen(view, history, warm, allowed, k=n)
        explainer = Explainer(view, history, rows)
        return [
            Ranked(view.item(row), score, method, explainer.reason(row, strongest(parts, row)))
            for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
        ]
    return _cold(view, visitor, parts, warm=warm, allowed=allowed, n=n)


def _cold(view: View, visitor: Visitor, parts: Parts, *, warm: Scores, allowed: Mask, n: int) -> list[Ranked]:
    """Interests, popularity, and as much of the few events as they are worth."""
    matches = [
        0.5 * view.index.lexical.search(text, view.n_rows).scores
        + 0.5 * view.near(vector, view.params.search.candidates, allowed)
        for text, vector in visitor.interests
    ]
    fitting, which = interest_scores(matches, view.n_rows)
    popularity = (view.boards.popularity + 1e-6).astype(np.float32)
    cold = cold_scores(fitting, popularity, view.params.ranking.interest_share)
    scores = warmed(cold, warm, visitor.history.events, view.params.blend.cold_below)
    rows, found = chosen(view, visitor.history, scores, allowed, k=n)
    explainer = Explainer(view, visitor.history, rows)
    share = min(visitor.history.events / view.params.blend.cold_below, 1.0)
    warmth = scaled(warm)
    result = []
    for row, score in zip(rows.tolist(), found.tolist(), strict=True):
        if share * warmth[row] > (1 - share) * cold[row]:
            model = strongest(parts, row)
            reason = explainer.reason(row, model)
        elif which[row] >= 0:
            model, reason = "interests", reasons.interest(visitor.interests[which[row]][0])
        else:
            model, reason = "popular", everyone.reason(view, row)
        result.append(Ranked(view.item(row), score, model, reason))
    return result
