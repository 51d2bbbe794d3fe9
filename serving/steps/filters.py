"""What may be in a list: each filter takes rows out of a mask over the catalogue, bool[n_rows].

Filters come before the sources, so that each source brings its best among what may be shown.
"""

from collections.abc import Callable

from serving.steps.context import Context
from serving.types import Mask

Filter = Callable[[Context, Mask], None]
"""Takes rows out of the mask, in place."""


def allowed_rows(context: Context, filters: tuple[Filter, ...]) -> Mask:
    """Items of the kinds that are asked for that may be in lists, less what the filters take out, the
    request's own among them, and the context. What is hidden, deleted, out of stock, not published yet or
    expired is in no list."""
    listed = context.index.catalogue.listed(context.kinds)
    allowed = listed.copy() if context.permitted is None else listed & context.permitted
    for take_out in filters:
        take_out(context, allowed)
    allowed[context.exclude] = False
    return allowed


def unseen(context: Context, allowed: Mask) -> None:
    """No item that the user has an event with."""
    if context.hide_seen:
        allowed[context.history.seen] = False


def not_itself(context: Context, allowed: Mask) -> None:
    """Not the item that is asked about."""
    allowed[context.item] = False


def in_category(context: Context, allowed: Mask) -> None:
    """Only items of the category that is asked for."""
    if context.category is not None:
        allowed &= context.index.catalogue.column("category") == context.category
