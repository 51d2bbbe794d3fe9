"""Lists about one item: named alike, chosen by the same people, near in meaning."""

import numpy as np

from serving.errors import ItemNotFound, ModelNotReady
from serving.lists.view import Scores, View
from serving.steps import reasons
from serving.steps.order import best, spread, without
from serving.types import Kinds, Ranked


def alike(view: View, item_id: str, limit: int, kinds: Kinds) -> list[Ranked]:
    """Items with a similar name and sub-category, by TF-IDF cosine; filled up by nearness in meaning.

    The bundle's neighbour lists answer for what they know; what was created or edited since is
    compared live, both as the item asked for and as a neighbour.
    """
    row = _row(view, item_id)
    name = view.item(row).name
    allowed = without(view.index.catalogue.mask(kinds), np.array([row]))
    rows, scores = best(_name_scores(view, row), allowed, limit)
    found = view.ranked(rows.tolist(), scores, "tfidf", lambda *_: reasons.alike(name))
    vector = view.index.vectors.get(row)
    if len(found) < limit and vector is not None:
        rest = limit - len(found)
        rows, scores = view.index.vectors.search(vector, rest, without(allowed, rows))
        found += view.ranked(rows.tolist(), scores, "embeddings", lambda *_: reasons.near_meaning(name))
    return found


def same_people(view: View, item_id: str, limit: int, kinds: Kinds) -> list[Ranked]:
    """Items that the same people chose, by the cosine of their ALS factors; basket rules give the reason.

    Raises ItemNotFound; ModelNotReady before the first bundle, and for an item that no one had chosen
    when it was trained.
    """
    row = _row(view, item_id)
    generation = view.generation
    if generation is None:
        raise ModelNotReady("als", "no bundle is deployed yet")
    dense = generation.index(row)
    if dense < 0 or not generation.models.als.item_factors[dense].any():
        raise ModelNotReady(
            "als", f"{item_id} had no interactions when bundle {generation.bundle_id} was trained"
        )
    indexes, cosines = generation.models.als.similar(dense, generation.models.als.n_items)
    rows = generation.rows[indexes]
    kept = without(view.index.catalogue.mask(kinds), np.array([row]))[rows]
    rows, cosines, indexes = rows[kept][:limit], cosines[kept][:limit], indexes[kept][:limit]
    name, history = view.item(row).name, np.array([dense], dtype=np.int32)
    found = []
    for place, other, cosine in zip(rows.tolist(), indexes.tolist(), cosines.tolist(), strict=True):
        rule = generation.models.fpgrowth.explain(other, history)
        reason = (
            reasons.same_people(name)
            if rule is None
            else reasons.bought_together(name, rule.confidence, rule.lift)
        )
        found.append(Ranked(view.item(place), cosine, "als", reason))
    return found


def near(view: View, item_id: str, k: int, kinds: Kinds) -> list[Ranked]:
    """Items near in meaning, by the cosine of their vectors; [] for an item without a text."""
    row = _row(view, item_id)
    vector = view.index.vectors.get(row)
    if vector is None:
        return []
    allowed = without(view.index.catalogue.mask(kinds), np.array([row]))
    rows, cosines = view.index.vectors.search(vector, k, allowed)
    name = view.item(row).name
    return view.ranked(rows.tolist(), cosines, "embeddings", lambda *_: reasons.near_meaning(name))


def _name_scores(view: View, row: int) -> Scores:
    """TF-IDF cosines with one item, float32[n_rows]."""
    changed = view.changed()
    generation = view.generation
    if generation is None or changed[row]:
        among = np.ones(view.n_rows, dtype=np.bool_)
        rows, cosines = view.index.names.similar(row, among)
        return spread(cosines, rows, view.n_rows)
    dense = generation.index(row)
    indexes, cosines = generation.models.tfidf.row(dense)
    rows = generation.rows[indexes]
    scores = spread(np.asarray(cosines), rows, view.n_rows)
    scores[changed] = 0
    live_rows, live_cosines = view.index.names.similar(row, changed)
    scores[live_rows] = live_cosines
    return scores


def _row(view: View, item_id: str) -> int:
    row = view.index.catalogue.row(item_id)
    if row < 0:
        raise ItemNotFound(item_id)
    return row
