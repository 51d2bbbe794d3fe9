"""Which source put each candidate into the list: the column that gave its score most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.steps.context import Context
from serving.steps.scorers.blend import PARTS
from serving.steps.scorers.cold_start import best_interest
from serving.steps.table import Table


@dataclass(frozen=True, slots=True)
class Always:
    """The same name for all."""

    name: str

    def __call__(self, context: Context, table: Table) -> list[str]:
        return [self.name] * len(table)


def of_home(context: Context, table: Table) -> list[str]:
    """The part of the blend that gave most; of what speaks for clicked items, the model that gave most."""
    parts = strongest(table, PARTS)
    models = strongest(table, [name for name in table.steps if name in table.sources and name not in PARTS])
    return [model if part == "clicked" else part for part, model in zip(parts, models, strict=True)]


def of_hybrid(context: Context, table: Table) -> list[str]:
    """Hybrid where both models were asked, else the one."""
    return ["hybrid" if len(context.shares) > 1 else next(iter(context.shares))] * len(table)


def of_cold_start(context: Context, table: Table) -> list[str]:
    """The stronger model where the events speak louder, else a fitting interest, else popularity."""
    models = strongest(table, tuple(context.shares)) if context.shares else ["hybrid"] * len(table)
    warm = table.steps["warm"] > table.steps["cold"]
    fits = best_interest(context, table) > 0
    return [
        model if is_warm else "interests" if fit else "popular"
        for model, is_warm, fit in zip(models, warm.tolist(), fits.tolist(), strict=True)
    ]


def of_newcomer(context: Context, table: Table) -> list[str]:
    """Title or meaning, whichever is nearer; price where the item that is asked about has no text."""
    meaning, titles = table.column("embeddings").tolist(), table.column("tfidf").tolist()
    return [
        "price" if max(meant, titled) <= 0 else "tfidf" if titled >= meant else "embeddings"
        for meant, titled in zip(meaning, titles, strict=True)
    ]


def of_popularity(context: Context, table: Table) -> list[str]:
    """Trending, popular, or new where nothing is known of an item."""
    events = context.rankings.events[table.rows]
    return [
        "trending" if trending else "popular" if score > 0 else "new"
        for trending, score in zip(events.tolist(), table.column("popularity").tolist(), strict=True)
    ]


def of_search(context: Context, table: Table) -> list[str]:
    """By its words where it has any of the query's, else by its meaning."""
    return ["search" if words > 0 else "embeddings" for words in table.column("words").tolist()]


def strongest(table: Table, names: Sequence[str]) -> list[str]:
    """For each candidate the step among `names` that gave it most; ties to the earlier name."""
    if not names:
        return [""] * len(table)
    given = np.stack([table.steps.get(name, table.column("")) for name in names])
    return [names[place] for place in given.argmax(axis=0).tolist()]
