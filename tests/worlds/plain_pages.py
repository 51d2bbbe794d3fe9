"""Search in pages and listings as docs/ranking.md tells them: one order of all that fits, cut into pages."""

from collections.abc import Sequence

from serving.catalogue.catalogue import identity_of
from serving.steps.context import Sort
from tests.worlds.plain_lists import NEAR, Plain, Scores, best, only
from tests.worlds.shop import Vector


def listing(plain: Plain) -> Scores:
    """Everything that may be shown, by popularity."""
    return only(plain.popular, plain.allowed())


def matches(plain: Plain, query: str, vector: Vector | None) -> Scores:
    """What a query finds, with the scores of a search: of as many nearest as a page or a search needs."""
    allowed = plain.allowed()
    near = only(plain.near(vector), allowed)
    count = max(plain.ask.n, plain.ask.params.search.candidates)
    while plain.ask.one_of_variants and count < len(near):
        if len({variants_of(plain, each) for each in best(near, count)}) >= plain.ask.n:
            break
        count *= 4
    found = only(plain.search(query, vector, allowed, count), allowed)
    return {each: score for each, score in found.items() if score > 0}


def in_order(plain: Plain, found: Scores, sort: Sort | None) -> list[str]:
    """All of it in order: by score, or by a field's numbers, those without one last; equals by their hash."""

    def place(item_id: str) -> tuple[float, int]:
        if sort is None:
            return -found[item_id], identity_of(item_id)
        value = getattr(plain.items[item_id], sort.field)
        own = float("inf") if value is None else -value if sort.descending else value
        return own, identity_of(item_id)

    return sorted(found, key=place)


def variants_of(plain: Plain, item_id: str) -> object:
    """What an item has in common with its variants alone: title, whatever the case, and kind."""
    item = plain.items[item_id]
    return (item.kind, item.title.lower()) if item.title else item_id


def one_of_each(plain: Plain, order: Sequence[str]) -> list[str]:
    """The first of each item's variants."""
    kept: dict[object, str] = {}
    for each in order:
        kept.setdefault(variants_of(plain, each), each)
    return list(kept.values())


def same_order(shown: Sequence[str], wanted: Sequence[str], found: Scores) -> bool:
    """Whether both are the same, but for items whose scores float32 can't tell apart."""
    near = NEAR * max(found.values(), default=0.0)
    return len(shown) == len(wanted) and all(
        one == other or abs(found[one] - found[other]) <= near
        for one, other in zip(shown, wanted, strict=True)
    )
