"""The bundle's models, asked with the user's history as it is now."""

from collections.abc import Iterator

import numpy as np

from serving.bundle.loading import PlacedBundle
from serving.steps.context import Context
from serving.steps.history import History
from serving.steps.scales import scale_of_column
from serving.steps.table import EMPTY_COLUMN, Column, are_different
from serving.types import Mask, Rows, Scores, Vector
from training.models.blend import CONTENT_MODEL, NEW_ITEMS
from training.models.core.base import Query
from training.models.tfidf import TfidfConfig

COMPARED = 20
"""Items of a history whose titles are compared with those that the bundle does not know."""

OTHER_SOURCES = frozenset({"embeddings", "popularity"})
"""Models that have a source of their own: they know items that the bundle does not."""


def learned_models(context: Context, allowed: Mask) -> dict[str, Column]:
    """Every model that has a weight in home's blend and is asked with a history."""
    query = context.model_query()
    asked = {name for name, weight in context.weights.items() if weight} - OTHER_SOURCES - {NEW_ITEMS}
    if context.weights.get(NEW_ITEMS):
        asked.add(CONTENT_MODEL)
    columns = {name: _column(context, name, query) for name in sorted(asked - {CONTENT_MODEL})}
    if CONTENT_MODEL in asked:
        columns[CONTENT_MODEL] = _titles(context, query)
    return columns


def nmf(context: Context, allowed: Mask) -> dict[str, Column]:
    """Non-negative matrix factorisation with the history folded in."""
    return {"cf": _column(context, "nmf", context.model_query())} if context.shares.get("cf") else {}


def als(context: Context, allowed: Mask) -> dict[str, Column]:
    """ALS with the history folded in; the trained factors of a user whose history is out of reach.

    For lists that it makes alone: of a large catalogue it brings as many as such a list can hold.
    """
    bundle, vector = context.bundle, _als_vector(context)
    if bundle is None or vector is None:
        return {"als": EMPTY_COLUMN}
    best = None if context.small else _best_by_als(context, bundle, vector, allowed)
    return {"als": best or Column(bundle.models.als.scores_of(vector), *bundle.places(context.n_rows))}


def _als_vector(context: Context) -> Vector | None:
    """The user's factors, float32[d]; None where nothing is known of the user."""
    query, bundle = context.model_query(), context.bundle
    if bundle is None:
        return None
    model = bundle.models.als
    if len(query.items):
        return model.user_vector(query)
    trained = context.user.trained
    return None if trained < 0 else model.user_factors[model.user_rows[trained]]


def _best_by_als(context: Context, bundle: PlacedBundle, vector: Vector, allowed: Mask) -> Column | None:
    """The best allowed items alone; None where these are not found without a score of every item."""
    # Without a dislike the order stays, and what is behind the list's end is in none.
    wanted = count = context.reordered if len(context.history.disliked) else context.length
    most = context.brought
    while count <= most:
        found = bundle.models.als.best_of(vector, count, lambda items: allowed[bundle.rows[items]])
        if found is None:
            return None
        rows = bundle.rows[found[0]]
        if are_different(rows, context.variants, wanted):
            return Column(found[1], rows)
        count *= 4
    return None


def _column(context: Context, name: str, query: Query) -> Column:
    model = None if context.bundle is None else context.bundle.bundle.models.get(name)
    if context.bundle is None or model is None or not len(query.items):
        return EMPTY_COLUMN
    scores, deviation = model.scores_and_deviation(query)
    scale = scale_of_column(context, scores, context.bundle.rows, deviation)
    return Column(scores, *context.bundle.places(context.n_rows), scale)


def _titles(context: Context, query: Query) -> Column:
    """TF-IDF as if the bundle had seen what is new: items created or edited since, on either side.

    Their titles are compared live with those of the items that weigh most in the history.
    """
    if context.bundle is None and not context.small:
        return _live_titles(context)
    history, changed = context.history, context.changed_rows()
    live = changed & context.index.catalogue.column("alive")
    if not live.any():
        return _column(context, CONTENT_MODEL, query)
    settled = query
    if context.bundle is not None:
        # The bundle has the neighbours of an edited item's old title.
        same = ~changed[context.bundle.rows[query.items]]
        settled = Query(items=query.items[same], weights=query.weights[same])
    scores = _column(context, CONTENT_MODEL, settled).dense(context.n_rows).copy()
    # The bundle's scores of what has changed rest on texts of then.
    scores[changed] = 0
    everything = np.ones(context.n_rows, dtype=np.bool_)
    for row, weight in _strongest(history):
        rows, near = _near_titles(context, row, weight, everything if changed[row] else live)
        scores[rows] += near
    return Column(scores, scale=scale_of_column(context, scores, None))


def _live_titles(context: Context) -> Column:
    """The same of a large catalogue without a bundle: all is compared live, and few rows have a score."""
    live = context.live
    found = [_near_titles(context, row, weight, live) for row, weight in _strongest(context.history)]
    if not found:
        return EMPTY_COLUMN
    rows, places = np.unique(np.concatenate([rows for rows, _ in found]), return_inverse=True)
    scores = np.zeros(len(rows), dtype=np.float32)
    np.add.at(scores, places, np.concatenate([near for _, near in found]))
    return Column(scores, rows, scale=scale_of_column(context, scores, rows))


def _strongest(history: History) -> Iterator[tuple[int, np.float32]]:
    """Rows of the items of a history whose titles are compared, and their weights."""
    strongest = np.argsort(-history.weights, kind="stable")[:COMPARED]
    return zip(history.liked[strongest].tolist(), history.weights[strongest], strict=True)


def _near_titles(context: Context, row: int, weight: np.float32, among: Mask) -> tuple[Rows, Scores]:
    """Rows of `among` whose title is near a row's, and what that says of them."""
    rows, cosines = context.index.titles.similar(row, among, context.identity)
    near = cosines >= context.params.section(TfidfConfig).min_similarity
    # log1p, as in the model whose column this completes.
    return rows[near], cosines[near] * np.log1p(weight)
