"""Words and their meaning: this search, the user's past ones, and the interests that they named."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scorers.search import fuse
from serving.steps.similarity import cosines_to, direction, nearest
from serving.steps.table import INTEREST, NO_ROWS, NO_SCORES, SEARCH, Column, numbered
from serving.text.matches import WordMatches
from serving.types import Mask, Rows, Scores, Vector

FRONT = 4000
"""Rows with most of a query's words that are looked at first: as a rule those that are shown are of them."""


def words(context: Context, allowed: Mask) -> dict[str, Column]:
    """How much of the query each item's text has, 0..1."""
    found = word_matches(context, context.query)
    if context.small:
        return {"words": Column(found.scores)}
    front = found.front(context.identity, FRONT)
    if not len(front):
        return {"words": Column(found.scores)}

    def whole() -> Scores:
        return found.scores

    return {
        "words": Column(NO_SCORES, NO_ROWS, exact=found.of, front=front, whole=whole, scored=found.matched)
    }


def meaning(context: Context, allowed: Mask) -> dict[str, Column]:
    """Cosines of the items nearest to the query, of those that count as a match."""
    count = max(context.n, context.params.search.candidates)
    return {"meaning": _matches(context, context.vector, count, allowed)}


def past_searches(context: Context, allowed: Mask) -> dict[str, Column]:
    """What each of the latest searches says of each item, older ones counting less."""
    decay = context.params.ranking.query_decay
    return {
        numbered(SEARCH, age): Column(
            np.float32(decay**age) * _search_scores(context, query, vector, allowed)
        )
        for age, (query, vector) in enumerate(context.user.searches)
    }


def interests(context: Context, allowed: Mask) -> dict[str, Column]:
    """How well each item fits each interest, 0..1: half by words, half by meaning."""
    return {
        numbered(INTEREST, place): _interest(context, text, vector, allowed)
        for place, (text, vector) in enumerate(context.user.interests)
    }


def word_matches(context: Context, text: str) -> WordMatches:
    """Items of the kinds that are asked for, and in lists, by the words of a text.

    What the user has seen is left in: a word does not become unknown, and guessed, by being bought.
    """
    asked = text, context.kinds
    if asked not in context.matched:
        of_kinds = context.index.catalogue.listed(context.kinds)
        context.matched[asked] = context.index.lexical.search(text, context.n_rows, of_kinds)
    return context.matched[asked]


def _interest(context: Context, text: str, vector: Vector | None, allowed: Mask) -> Column:
    hits, meant = word_matches(context, text).scores, cosines_to(context, direction(vector), allowed)

    def exact(rows: Rows) -> Scores:
        # Half each: there are no data to learn from which of the two fits an interest better.
        found: Scores = 0.5 * hits[rows] + 0.5 * meant.at(rows, context.n_rows)
        return found

    return Column(0.5 * hits + 0.5 * meant.dense(context.n_rows), exact=exact)


def _search_scores(context: Context, query: str, vector: Vector | None, allowed: Mask) -> Scores:
    hits = word_matches(context, query)
    found = _matches(context, vector, context.params.search.candidates, allowed)
    return fuse(hits.scores, found.dense(context.n_rows), context.params.search)


def _matches(context: Context, vector: Vector | None, count: int, allowed: Mask) -> Column:
    found = nearest(context, direction(vector), count, allowed)
    # Sentence vectors of unrelated texts have cosines above 0 as well.
    match = found.values >= context.params.search.min_similarity
    return Column(found.values[match], None if found.rows is None else found.rows[match])
