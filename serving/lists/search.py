"""Search: words and meaning fused, trending items when nothing matches."""

import numpy as np

from serving.lists import everyone
from serving.lists.view import Mask, Scores, Vector, View
from serving.steps import reasons
from serving.steps.order import best, scaled, spread
from serving.types import Kinds, Ranked, SearchResult

NO_MATCHES = "no_search_matches"


def semantic(view: View, query: str, vector: Vector, k: int, kinds: Kinds) -> list[Ranked]:
    """The k items nearest in meaning to a query; the score is the cosine."""
    rows, cosines = view.index.vectors.search(vector, k, view.index.catalogue.mask(kinds))
    return view.ranked(rows.tolist(), cosines, "embeddings", lambda *_: reasons.near_meaning(query))


def fused(view: View, query: str, vector: Vector | None, limit: int, kinds: Kinds) -> SearchResult:
    """Items that match by words or by meaning; without any, trending items and the reason.

    `vector` is the query's, None when it could not be encoded: then words alone decide.
    """
    allowed = view.index.catalogue.mask(kinds)
    hits = view.index.lexical.search(query, view.n_rows)
    meaning = _meaning(view, vector, max(limit, view.params.search.candidates), allowed)
    scores = _fuse(view, hits.scores, meaning)
    rows, found = best(scores, allowed, limit)
    if not len(rows):
        return SearchResult(everyone.trending(view, limit, kinds), NO_MATCHES)
    worded = reasons.matches(query, hits.corrected)
    meant = reasons.near_meaning(query)
    results = [
        Ranked(
            view.item(row),
            score,
            "search" if hits.scores[row] > 0 else "embeddings",
            worded if hits.scores[row] > 0 else meant,
        )
        for row, score in zip(rows.tolist(), found.tolist(), strict=True)
    ]
    return SearchResult(results)


def search_scores(view: View, query: str, vector: Vector | None, allowed: Mask) -> Scores:
    """What a past search says of every item, float32[n_rows], 0..1."""
    hits = view.index.lexical.search(query, view.n_rows)
    return _fuse(view, hits.scores, _meaning(view, vector, view.params.search.candidates, allowed))


def _fuse(view: View, words: Scores, meaning: Scores) -> Scores:
    """lexical × words ^ focus + semantic × meaning, with the weights of params.yaml.

    `words` (0..1) says how much of the query an item has: whoever has all of it was meant by the words, and
    of those that have a part the meaning decides. Cosines of short texts say something only against one
    another, hence they count as shares of the best.
    """
    weights = view.params.search
    worded = np.float32(weights.lexical) * words ** np.float32(weights.focus)
    total: Scores = worded + np.float32(weights.semantic) * scaled(meaning)
    return total


def _meaning(view: View, vector: Vector | None, k: int, allowed: Mask) -> Scores:
    """Cosines of the nearest items, 0 below the least similarity that counts as a match."""
    if vector is None:
        return np.zeros(view.n_rows, dtype=np.float32)
    rows, cosines = view.index.vectors.search(vector, k, allowed)
    near = cosines >= view.params.search.min_similarity
    return spread(cosines[near], rows[near], view.n_rows)
