"""Words and meaning fused, and lists in the order of a field."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.context import Context, Sort
from serving.steps.scorers.search import fuse, in_order, listing, search_score, sorted_search
from tests.worlds.tables import floats, table_of
from tests.worlds.world import changed_params, world


@pytest.fixture
def asked() -> Context:
    made = world(0)
    return made.context(params=changed_params(made.params, "search", lexical=0.6, semantic=0.4, focus=2.0))


def test_a_part_of_the_words_counts_little_and_meaning_is_a_share_of_its_best(asked: Context) -> None:
    table = table_of({"words": [1, 0.5, 0], "meaning": [0, 0.2, 0.4]})
    scored = search_score(asked, table)
    assert scored.score == pytest.approx([0.6, 0.6 * 0.25 + 0.2, 0.4])
    assert set(scored.steps) == {"words", "meaning"}
    assert sum(scored.steps.values()) == pytest.approx(scored.score)
    assert fuse(floats(1, 0.5, 0), floats(0, 0.2, 0.4), asked.params.search) == pytest.approx(scored.score)
    assert sorted_search(asked, table).score.tolist() == scored.score.tolist()


@given(st.booleans(), st.lists(st.booleans(), min_size=30, max_size=30))
@settings(max_examples=25)
def test_what_is_found_stands_in_the_order_of_a_field_and_items_without_it_last(
    descending: bool, found: list[bool]
) -> None:
    made = world(0)
    rows = np.flatnonzero(made.index.catalogue.column("alive"))[:30].tolist()
    sort = Sort("price", "number", descending)
    table = table_of({"popularity": [0.0] * 30}, rows=rows)
    score = in_order(made.context(sort=sort), table, np.array(found)).score
    prices = [made.items[made.item_id(row)].price for row in rows]
    assert ((score > 0) == np.array(found)).all() and (score[~np.array(found)] == 0).all()
    for one in range(30):
        for other in range(30):
            mine, theirs = prices[one], prices[other]
            if found[one] and found[other] and mine is not None:
                before = theirs is None or (mine > theirs if descending else mine < theirs)
                assert (score[one] > score[other]) == before


def test_a_listing_holds_what_nobody_knows_too(asked: Context) -> None:
    scored = listing(asked, table_of({"popularity": [0.5, 0]}))
    assert scored.score[0] > scored.score[1] > 0
    assert scored.steps["popularity"].tolist() == scored.score.tolist()


def test_a_list_may_stand_in_the_order_of_times() -> None:
    made = world(0)
    dated = [row for row, item in made.index.catalogue.live() if item.publish_at is not None][:3]
    others = [row for row, item in made.index.catalogue.live() if item.publish_at is None][:3]
    table = table_of({"popularity": [0.0] * len([*others, *dated])}, rows=[*others, *dated])
    asked = made.context(sort=Sort("publish_at", "time", descending=True))
    score = in_order(asked, table, np.ones(len(table), dtype=np.bool_)).score
    assert dated and score[len(others) :].min() > score[: len(others)].max()
