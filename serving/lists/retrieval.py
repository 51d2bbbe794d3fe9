"""The first half of every list: which items are its candidates. Only here is the whole catalogue looked at.

The filters make a mask over the catalogue, and the sources may score every row. What leaves is a table of the
candidates, which in a large catalogue are the best of each source: no later step takes time that grows with
the catalogue. Lists that count or sort everything that fits (`Recipe.whole`) do so here, too.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager

import numpy as np

from serving.lists.recipes import Recipe
from serving.observe.list_metrics import timed
from serving.steps import selection
from serving.steps.context import Context
from serving.steps.filters import allowed_rows, not_itself, unseen
from serving.steps.sources import Source
from serving.steps.table import NO_ROWS, Column, Table, gather
from serving.types import Mask, Rows


def retrieve(
    recipe: Recipe, context: Context, variants: selection.OneOfVariants | None
) -> tuple[Table, Rows]:
    """The candidates; and of a list that counts everything that fits, which is then scored already, the
    catalogue rows of all of it (int32[m], in no order)."""
    with timed("filters"):
        allowed = allowed_rows(context, recipe.filters)
        if variants is not None and not recipe.whole:
            variants.take_out(allowed)
    columns = _ask(recipe.sources, context, allowed)
    each = max(5 * context.params.ranking.candidates, context.n)
    with timed("candidates"):
        least = context.length if recipe.eligible == "all" or recipe.scores_everything else 0
        table = gather(
            columns,
            context.live,
            allowed,
            context.identity,
            None if context.small or recipe.whole else each,
            least=least,
            variants=context.variants,
            different=context.length,
            reserve=context.rankings.lowest_identities() if least and not context.small else NO_ROWS,
        )
    if not recipe.whole:
        return table, NO_ROWS
    with timed_step(recipe.scorer):
        table = recipe.scorer(context, table)
    with timed("candidates"):
        return _best_of_everything(context, table, each, variants)


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


def _best_of_everything(
    context: Context, table: Table, count: int, variants: selection.OneOfVariants | None
) -> tuple[Table, Rows]:
    """Of a scored table of the whole catalogue, all that fits is counted, and the best for this page stay."""
    fits = table.allowed & (table.score > 0)
    found = table.rows[fits]
    fits[context.earlier_pages] = False
    if variants is not None:
        variants.take_out(fits)
    scored = Column(table.score)
    best = scored.best(count, fits, table.identity, context.variants, context.length)
    return table.take(best), found
