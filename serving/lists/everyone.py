"""Lists that are the same for everybody: trending, best value, top categories, the whole catalogue."""

from functools import partial

from serving.lists.view import Rows, View
from serving.steps import reasons
from serving.types import Item, Kinds, Ranked


def trending(view: View, limit: int, kinds: Kinds) -> list[Ranked]:
    """The most popular items: by trending score, then by the bundle's popularity, then by ratings.

    The model says which of them spoke: "trending", "popular", or "new" for an item nothing is known of.
    """
    return of_rows(view, view.boards.order(kinds)[:limit])


def best_value(view: View, limit: int, kinds: Kinds) -> list[Ranked]:
    """Items with a price, best value first (see docs/ranking.md)."""
    rows = view.boards.value_order(kinds)[:limit]
    return view.ranked(
        rows.tolist(), view.boards.values[rows], "best_value", lambda _, item: reasons.good_value(item)
    )


def top_categories(view: View, limit: int, kinds: Kinds) -> dict[str, list[Ranked]]:
    """The categories of the largest trending weight, each with its most popular items."""
    return {
        name: view.ranked(
            rows[:limit].tolist(),
            view.boards.popularity[rows[:limit]],
            "top_categories",
            partial(_leading, view, name),
        )
        for name, rows in view.boards.categories(kinds)
    }


def listed(
    view: View, kind: str | None, category: str | None, offset: int, limit: int
) -> tuple[list[Item], int]:
    """One page of the items that have a title, in order of item id, and how many there are in all."""
    rows = view.boards.listing(kind, category)
    return [view.item(row) for row in rows[offset : offset + limit].tolist()], len(rows)


def of_rows(view: View, rows: Rows) -> list[Ranked]:
    """Items with their popularity as score and reason, in the order given."""
    popularity, events = view.boards.popularity, view.boards.events
    found = []
    for row in rows.tolist():
        item = view.item(row)
        model = "trending" if events[row] else "popular" if popularity[row] > 0 else "new"
        found.append(Ranked(item, float(popularity[row]), model, reason(view, row)))
    return found


def reason(view: View, row: int) -> str:
    """Why an item is popular, as far as that is known."""
    item = view.item(row)
    fallback = reasons.popular(item) if view.boards.popularity[row] > 0 else reasons.newcomer()
    return _counted(view, row, fallback)


def _leading(view: View, category: str, row: int, item: Item) -> str:
    return _counted(view, row, reasons.top_of(category))


def _counted(view: View, row: int, fallback: str) -> str:
    events = int(view.boards.events[row])
    return reasons.trending(events, view.params.trending.window_days) if events else fallback
