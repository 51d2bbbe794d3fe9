"""What speaks for an item beside another: title, price, and the people who chose both."""

import numpy as np
import pytest

from serving.steps.sources.similar import near_price, same_people, similar_titles
from serving.steps.table import EMPTY_COLUMN
from tests.worlds.plain_lists import Plain, alike, only, said
from tests.worlds.world import World, world

ALLOWED = np.ones(0, dtype=np.bool_)


def rows(made: World, count: int) -> list[int]:
    found: list[int] = np.flatnonzero(made.index.catalogue.column("alive"))[:: 150 // count].tolist()
    return found


@pytest.mark.parametrize("bundle", [True, False])
def test_titles_people_and_prices_are_those_of_the_plain_lists(bundle: bool) -> None:
    made = world(0 if bundle else 2, bundle=bundle)
    for row in rows(made, 8):
        asked = made.context(item=row)
        plain, item_id = Plain(made, asked), made.item_id(row)
        allowed = plain.allowed(itself=False)
        assert alike(
            only(said(made, similar_titles(asked, ALLOWED)["tfidf"]), allowed), plain.similar_titles()
        )
        assert alike(only(said(made, same_people(asked, ALLOWED)["als"]), allowed), plain.same_people())
        own = plain.items[item_id]
        prices = {
            each: min(other.price, own.price) / max(other.price, own.price)
            for each, other in plain.items.items()
            if other.price and own.price and other.kind == own.kind
        }
        assert alike(said(made, near_price(asked, ALLOWED)["price"]), prices)


def test_an_item_without_a_price_is_near_none() -> None:
    made = world(0)
    free = [row for row in rows(made, 75) if not made.items[made.item_id(row)].price]
    assert free
    assert near_price(made.context(item=free[0]), ALLOWED)["price"] is EMPTY_COLUMN
