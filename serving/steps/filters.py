"""What may be in a list: each filter takes rows out of a mask over the catalogue, bool[n_rows].

Filters come before the sources, so that each source brings its best among what may be shown.
"""

from collections.abc import Callable

from serving.steps.context import Context
from serving.steps.scores import Mask

Filter = Callable[[Context, Mask], None]
"""Takes rows out of the mask, in place."""


def allowed_rows(context: Context, filters: tuple[Filter, ...]) -> Mask:
    """Live items of the kinds that are asked for, less what the filters and the context take out.

    Items without a title are in no list, save where nothing has one: a shop that sent interactions alone.
    """
    allowed = context.index.catalogue.mask(context.kinds)
    titled = allowed & context.index.catalogue.column("titled")
    if titled.any():
        allowed = titled
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
