"""The one way in which a list is made: a recipe's steps, in order, over one table of candidates."""

from collections import Counter as Tally
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from serving.lists.recipes import Recipe
from serving.lists.retrieval import NO_MASK, retrieve, timed_step, variants_left_out
from serving.observe.list_metrics import timed
from serving.steps import selection
from serving.steps.context import NOBODY, Context
from serving.steps.table import Table
from serving.types import UNTOLD, Mask, Ranked, Rows

FALLBACK_MODELS = frozenset({"popular", "trending", "new"})
"""Models that say nothing of the user: a user's list of these alone is a fallback."""


@dataclass(frozen=True, eq=False)
class MadeList:
    """A list that is ready to be shown."""

    name: str
    items: list[Ranked]
    rows: Rows
    """int32[len(items)], their catalogue rows."""
    propensities: tuple[float, ...] | None = None
    """How likely each item was to stand at its position; None: all certain."""
    fallback: str | None = None
    """Why these are fallback items rather than what was asked for."""
    shared: bool = False
    """Whether it is the same for every user."""
    found: Mask = field(default_factory=lambda: NO_MASK)
    """bool[n_rows], all that the list could hold, where the recipe takes the `whole`. Not to be changed."""
    part: str = ""
    """Which of an answer's lists of one name it is, where there are several: its category."""

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """Of the items: looked up once for a list that is shown to many."""
        return tuple([each.item.item_id for each in self.items])

    @cached_property
    def models(self) -> Tally[str]:
        """How many items each model put there."""
        return Tally([each.model for each in self.items])


def make_list(recipe: Recipe, context: Context) -> MadeList:
    """Run a recipe. An empty list has nothing to show, not even as a fallback."""
    variants = variants_left_out(recipe, context)
    table, found = retrieve(recipe, context, variants)
    if not recipe.whole:
        with timed_step(recipe.scorer):
            table = recipe.scorer(context, table)
    with timed("best"):
        wanted = context.reordered if recipe.rerankers else context.length
        table = selection.best(table, wanted, recipe.eligible, variants)
    for rerank in recipe.rerankers:
        with timed_step(rerank):
            table = rerank(context, table)
    if not len(table) and recipe.fallback is not None:
        made = make_list(recipe.fallback, context)
        return replace(made, name=recipe.name, fallback=recipe.fallback_reason or made.fallback)
    return _fill(recipe, context, replace(_select(recipe, context, table), found=found))


def _select(recipe: Recipe, context: Context, table: Table) -> MadeList:
    """The items to show, each with its label and reason."""
    propensities = None
    places: Rows | slice = slice(context.n)
    if context.exploration is not None:
        explored = selection.explore(min(len(table), context.length), context.n, context.exploration)
        places, propensities = np.array(explored.places, dtype=np.int32), explored.propensities
    table = table.take(np.arange(len(table))[places])
    with timed("reasons"):
        models = recipe.labels(context, table)
        reasons = recipe.reasons(context, table, models) if context.reasons else [UNTOLD] * len(models)
    items = [
        Ranked(context.row_item(row), score, model, reason)
        for row, score, model, reason in zip(
            table.rows.tolist(), table.score.tolist(), models, reasons, strict=True
        )
    ]
    if context.explain:
        items = [replace(item, columns=_columns(table, place)) for place, item in enumerate(items)]
    fell_back = context.user is not NOBODY and bool(models) and FALLBACK_MODELS.issuperset(models)
    return MadeList(recipe.name, items, table.rows, propensities, "popular" if fell_back else None)


def _fill(recipe: Recipe, context: Context, made: MadeList) -> MadeList:
    rest = context.n - len(made.items)
    if recipe.fill is None or rest <= 0:
        return made
    more = make_list(recipe.fill, replace(context.excluding(made.rows), n=rest))
    return replace(made, items=made.items + more.items, rows=np.concatenate([made.rows, more.rows]))


def _columns(table: Table, place: int) -> dict[str, dict[str, float]]:
    return {
        "sources": {name: float(values[place]) for name, values in table.sources.items()},
        "steps": {name: float(values[place]) for name, values in table.steps.items()},
    }
