"""Lists for one user: the home page and the ALS list."""

from collections.abc import Sequence

import numpy as np

from serving.live import everyone
from serving.live.candidates import Texts, Visitor, chosen, strongest
from serving.live.explain import Explainer
from serving.live.search import search_scores
from serving.live.view import Mask, Scores, View
from serving.ranking import reasons
from serving.ranking.diversity import day_seed, sample_diverse
from serving.ranking.history import History
from serving.ranking.order import best, contrast, merged, scaled, spread, without
from serving.ranking.types import HomeLists, Kinds, Ranked
from training.models.base import Query
from training.models.blend import Weight, combine, normalise, weights_by_model

_DOCUMENTED = dict.fromkeys(("als", "tfidf", "fpgrowth", "embeddings"), 1.0)
"""The documents name what speaks for a clicked item, and no weights among it."""


def home(view: View, visitor: Visitor, limit: int, kinds: Kinds) -> HomeLists:
    """The five lists of the home page. Without an event in the window `personalized` is empty."""
    allowed = view.index.catalogue.mask(kinds)
    personalized = (
        _personalized(view, visitor, limit, allowed) if visitor.history.events and view.n_rows else []
    )
    made, key = view.boards.remembered, (limit, kinds)
    return HomeLists(
        personalized=personalized,
        trending=made("trending", *key, lambda: everyone.trending(view, *key)),
        best_value=made("best_value", *key, lambda: everyone.best_value(view, *key)),
        top_categories=made("top_categories", *key, lambda: everyone.top_categories(view, *key)),
        diverse_picks=_diverse_picks(view, visitor, personalized, limit, kinds),
    )


def by_als(view: View, visitor: Visitor, n: int, kinds: Kinds, *, filter_seen: bool) -> list[Ranked]:
    """ALS with the user's history folded in; popular items for a user that ALS can say nothing of."""
    allowed = view.index.catalogue.mask(kinds)
    if filter_seen:
        allowed = without(allowed, visitor.history.seen)
    scores = _als_scores(view, visitor)
    rows, found = chosen(view, visitor.history, scores, allowed, k=n, relevance=1.0)
    if not len(rows):
        popular = [row for row in view.boards.order(kinds)[: n + len(visitor.history.seen)] if allowed[row]]
        return everyone.of_rows(view, np.array(popular[:n], dtype=np.int32))
    explainer = Explainer(view, visitor.history, rows)
    return view.ranked(rows.tolist(), found, "als", lambda row, _: explainer.reason(row, "als"))


def _als_scores(view: View, visitor: Visitor) -> Scores:
    query = view.query(visitor.history)
    if len(query.items) or view.generation is None or visitor.trained < 0:
        return view.model_scores("als", query)
    scores = view.generation.models.als.scores(Query(user=visitor.trained))
    return spread(scores, view.generation.rows, view.n_rows)


def _personalized(view: View, visitor: Visitor, limit: int, allowed: Mask) -> list[Ranked]:
    """The documents' blend: clicked × .5 + search × .4 + diverse × .1, seen items left out."""
    history, weights = visitor.history, view.params.blend
    allowed = without(allowed, history.seen)
    parts = _clicked_parts(view, history, allowed)
    clicked = np.zeros(view.n_rows, dtype=np.float32)
    if parts:
        clicked = contrast(combine((scores, weight) for weight, scores in parts.values()), allowed)
    searched = _searched(view, visitor.searches, allowed)
    blend = merged([(weights.clicked, clicked), (weights.search, searched)], view.n_rows)
    if not best(blend, allowed, 1)[0].size:
        return []
    blend += np.float32(weights.diverse) * _variety(view, visitor, allowed)
    rows, scores = chosen(view, history, blend, allowed, k=limit)
    explainer = Explainer(view, history, rows, visitor.searches)
    best_clicked = max(float(clicked.max(initial=0.0)), 1e-12)
    shares = {
        name: (weights.clicked / best_clicked, normalise(scores) * weight)
        for name, (weight, scores) in parts.items()
    }
    shares["search"] = (weights.search, scaled(searched))
    found = []
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        model = strongest(shares, row, otherwise="diverse")
        reason = everyone.reason(view, row) if model == "popularity" else explainer.reason(row, model)
        found.append(Ranked(view.item(row), score, model, reason))
    return found


def _clicked_parts(view: View, history: History, allowed: Mask) -> dict[str, tuple[Weight, Scores]]:
    """What each model makes of the items a user clicked, bought or liked: its weight, and float32[n_rows].

    Popularity speaks only beside others: by itself it is no reason to call a list personal.
    """
    blend = view.params.blend
    named = view.learned_weights() if blend.weights == "tuned" else _DOCUMENTED
    weights = weights_by_model(named, view.new_items())
    query = view.query(history)
    parts = {
        name: (weight, view.model_scores(name, query))
        for name, weight in weights.items()
        if name not in {"embeddings", "popularity"}
    }
    if "embeddings" in weights:
        near = view.near(view.profile(history), 5 * view.params.ranking.candidates, allowed)
        parts["embeddings"] = (weights["embeddings"], near)
    if "popularity" in weights and any(scores.any() for _, scores in parts.values()):
        parts["popularity"] = (weights["popularity"], view.learned_popularity())
    return parts


def _searched(view: View, searches: Texts, allowed: Mask) -> Scores:
    """What the latest searches say of every item: the best over them, older ones counting less."""
    total = np.zeros(view.n_rows, dtype=np.float32)
    for age, (query, vector) in enumerate(searches):
        weight = np.float32(view.params.ranking.query_decay**age)
        np.maximum(total, weight * search_scores(view, query, vector, allowed), out=total)
    return total


def _variety(view: View, visitor: Visitor, allowed: Mask) -> Scores:
    """Scores 0..1 of some items from groups that the user has seen little of, float32[n_rows]."""
    scores = np.zeros(view.n_rows, dtype=np.float32)
    pool = np.flatnonzero(allowed).astype(np.int32)
    groups = view.boards.groups
    rows, keys = sample_diverse(
        pool,
        groups[pool],
        view.boards.popularity[pool].astype(np.float32),
        groups[visitor.history.seen],
        k=view.params.ranking.candidates,
        seed=day_seed(visitor.user_id, visitor.day),
    )
    scores[rows] = keys
    return scores


def _diverse_picks(
    view: View, visitor: Visitor, shown: Sequence[Ranked], limit: int, kinds: Kinds
) -> list[Ranked]:
    """Popular items of groups that neither the history nor the personalized list shows, by the day's draw."""
    catalogue, groups = view.index.catalogue, view.boards.groups
    listed = np.array([catalogue.row(each.item.item_id) for each in shown], dtype=np.int32)
    known = np.concatenate([visitor.history.seen, listed]).astype(np.int32)
    order = view.boards.order(kinds)[: 5 * view.params.ranking.candidates]
    pool = order[~np.isin(order, known)]
    rows, keys = sample_diverse(
        pool,
        groups[pool],
        view.boards.popularity[pool].astype(np.float32),
        groups[known],
        k=limit,
        seed=day_seed(visitor.user_id, visitor.day),
    )
    return view.ranked(rows.tolist(), keys, "diverse", lambda _, item: reasons.different(item.category))
