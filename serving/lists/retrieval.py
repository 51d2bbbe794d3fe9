"""The first half of every list: which items are its candidates. Only here is the whole catalogue looked at.

The filters make a mask over the catalogue, and the sources may score every row. What leaves is a table of the
candidates, which in a large catalogue are the best of each source: no later step takes time that grows with
the catalogue. Lists that count or sort everything that fits (`Recipe.whole`) do so here, too.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial

import numpy as np

from serving.lists.recipes import Recipe
from serving.observe.list_metrics import timed
from serving.steps import selection
from serving.steps.context import Context
from serving.steps.filters import allowed_rows, not_itself, unseen
from serving.steps.scores import distinct
from serving.steps.sources import Source
from serving.steps.table import NO_ROWS, NO_SCORES, Column, Table, best_rows, gather
from serving.types import Mask

NO_MASK: Mask = np.zeros(0, dtype=np.bool_)
_LEAST_WEIGHT, _HIGHEST_FOCUS = 1e-3, 4.0
"""Weights of a search's words and meaning, and the power of the words, with which each row that has a word
has a score: else it may be too small for a float."""


def retrieve(
    recipe: Recipe, context: Context, variants: selection.OneOfVariants | None
) -> tuple[Table, Mask]:
    """The candidates; and of a list that counts everything that fits, which is then scored already, which
    catalogue rows that is, bool[n_rows]."""
    with timed("filters"):
        allowed = allowed_rows(context, recipe.filters)
        if variants is not None and not recipe.whole:
            variants.take_out(allowed)
    columns = _ask(recipe.sources, context, allowed)
    if recipe.whole:
        return _everything(recipe, context, columns, allowed, variants)
    least = context.length if recipe.eligible == "all" or recipe.scores_everything else 0
    with timed("candidates"):
        table = gather(
            columns,
            context.live,
            allowed,
            context.identity,
            None if context.small else context.brought,
            least=least,
            variants=context.variants,
            different=context.length,
            reserve=context.rankings.lowest_identities() if least and not context.small else NO_ROWS,
        )
    return table, NO_MASK


def variants_left_out(recipe: Recipe, context: Context) -> selection.OneOfVariants | None:
    """Whose variants are left out: where an item may not be in the list, its variants may not either."""
    if context.variants is None:
        return None
    without = [context.no_variants_of]
    if unseen in recipe.filters and context.hide_seen:
        without.append(context.history.seen)
    if not_itself in recipe.filters:
        without.append(np.array([context.item], dtype=np.int32))
    rows_of = context.index.catalogue.variants_of
    return selection.OneOfVariants(context.variants, np.concatenate(without), rows_of)


def timed_step(step: object) -> AbstractContextManager[None]:
    """Time a step under its own name; one that is an object, under its class's."""
    return timed(getattr(step, "__name__", None) or type(step).__name__.lower())


def _ask(sources: Iterable[Source], context: Context, allowed: Mask) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for source in sources:
        with timed_step(source):
            columns.update(source(context, allowed))
    return columns


def _everything(
    recipe: Recipe,
    context: Context,
    columns: Mapping[str, Column],
    allowed: Mask,
    variants: selection.OneOfVariants | None,
) -> tuple[Table, Mask]:
    """The scored candidates of a page of a list that counts everything that fits, and which rows do."""
    each = context.brought
    fits = None if context.small else _fitting(recipe, context, columns, allowed)
    if fits is not None:
        with timed("candidates"):
            table = _of_page(recipe, context, columns, _shown(context, fits, variants), each)
        with timed_step(recipe.scorer):
            return recipe.scorer(context, table), fits
    with timed("candidates"):
        table = gather(columns, context.live, allowed, context.identity, None)
    with timed_step(recipe.scorer):
        table = recipe.scorer(context, table)
    with timed("candidates"):
        fits = table.allowed & (table.score > 0)
        shown = _shown(context, fits, variants)
        best = Column(table.score).best(each, shown, table.identity, context.variants, context.length)
        return table.take(best), fits


def _fitting(recipe: Recipe, context: Context, columns: Mapping[str, Column], allowed: Mask) -> Mask | None:
    """All that fits, bool[n_rows]; None where that is not known without a score of every row."""
    if recipe.scores_everything:
        return allowed
    params = context.params.search
    if min(params.lexical, params.semantic) < _LEAST_WEIGHT or params.focus > _HIGHEST_FOCUS:
        return None
    found = None
    for column in columns.values():
        if column.scored is not None or column.rows is None:
            own = allowed & (column.values > 0 if column.scored is None else column.scored)
            found = own if found is None else found | own
    found = np.zeros(context.n_rows, dtype=np.bool_) if found is None else found
    for column in columns.values():
        if column.scored is None and column.rows is not None:
            rows = column.rows[column.values > 0]
            found[rows] = allowed[rows]
    return found


def _of_page(
    recipe: Recipe, context: Context, columns: Mapping[str, Column], shown: Mask, each: int
) -> Table:
    """The candidates of one page, of the rows that may be on it (bool[n_rows]): the first of the field that
    it is sorted by, or else the best of each source."""
    orders, catalogue, sort = columns, context.index.catalogue, context.sort
    if sort is not None:
        numbers = catalogue.fields.numbers(sort.field, sort.kind)
        order = partial(numbers.falling_of, n_rows=context.n_rows, descending=sort.descending)
        whole = partial(numbers.falling, context.n_rows, descending=sort.descending)
        edition = catalogue.reserved + catalogue.given_back  # rows that are given back have no identity
        first = numbers.first(context.identity, edition, descending=sort.descending)
        orders = {"order": Column(NO_SCORES, NO_ROWS, exact=order, front=first, whole=whole)}
    least = each if recipe.scores_everything and sort is None else 0
    rows = best_rows(
        orders.values(),
        shown,
        context.identity,
        each,
        least=least,
        variants=context.variants,
        different=context.length,
        reserve=context.rankings.lowest_identities() if least else NO_ROWS,
    )
    # What is on an earlier page may be the best of a source, which others are a share of.
    others = [column.rows for column in columns.values() if column.rows is not None]
    rows = distinct(np.concatenate([rows, *others]).astype(np.int32))
    found = {name: column.at(rows, context.n_rows) for name, column in columns.items()}
    scales = {name: column.scale for name, column in columns.items()}
    return Table(rows, context.identity[rows], shown[rows], found, scales)


def _shown(context: Context, fits: Mask, variants: selection.OneOfVariants | None) -> Mask:
    """What of all that fits may be on this page, bool[n_rows]."""
    shown = fits.copy()
    shown[context.earlier_pages] = False
    if variants is not None:
        variants.take_out(shown)
    return shown
