"""What the steps of a list read of the moment in which it is made."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from serving.steps import context as contexts
from serving.steps.context import Exploration, Recent
from tests.worlds.world import make_world, user, world


def test_items_that_hold_no_row_do_not_make_a_catalogue_large(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = world(0).context()
    live = int(asked.live.sum())
    assert asked.n_rows > live
    for limit, small in ((live, True), (live - 1, False)):
        monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", limit)
        assert asked.small is small


def test_models_are_asked_with_what_the_bundle_knows_of_a_history() -> None:
    made = world(0)
    asked = made.context(user=user(made, 4, events=40))
    assert made.placed is not None
    query = asked.model_query()
    known = [row for row in asked.history.liked.tolist() if made.placed.index(row) >= 0]
    assert made.placed.rows[query.items].tolist() == known and 0 < len(known) < len(asked.history.liked)
    assert len(query.weights) == len(known)
    assert not len(world(2, bundle=False).context(user=asked.user).model_query().items)


def test_changed_is_what_was_created_or_edited_since_the_bundle() -> None:
    made = world(0)
    changed = made.context().changed_rows()
    assert made.placed is not None
    for row in np.flatnonzero(made.index.catalogue.column("alive")).tolist():
        since = made.index.catalogue.changed_at(made.item_id(row)) > made.placed.watermark
        assert changed[row] == (since or made.placed.index(row) < 0)
    assert world(2, bundle=False).context().changed_rows().all()


def test_what_was_changed_is_known_anew_after_an_edit() -> None:
    made = make_world(0)
    assert made.placed is not None
    asked = made.context()
    before = asked.changed_rows()
    settled = next(each for each in made.shop.snapshot if not before[made.row(each.item_id)])
    made.index.apply([replace(settled, change_seq=10**6, title="Another title")])
    after = asked.changed_rows()
    assert np.flatnonzero(before != after).tolist() == [made.row(settled.item_id)]
    assert asked.changed_rows() is after, "kept until something changes"


def test_an_explored_list_needs_the_candidates_of_its_pool() -> None:
    made = world(0)
    assert made.context(5).length == 5
    for pool, length in ((3, 5), (20, 20)):
        assert made.context(5, exploration=Exploration(0.1, pool, Random(0))).length == length


def test_what_is_left_out_is_left_out_of_variants_too() -> None:
    first = world(0).context(exclude=np.array([3], dtype=np.int32))
    then = first.excluding(np.array([7, 8], dtype=np.int32))
    assert then.exclude.tolist() == [3, 7, 8] and then.no_variants_of.tolist() == [7, 8]
    assert first.exclude.tolist() == [3]


def test_variants_count_only_where_one_of_them_is_enough() -> None:
    made = world(0)
    assert made.context().variants is None
    variants = made.context(one_of_variants=True).variants
    assert variants is not None and len(variants) == made.index.catalogue.n_rows


def test_each_row_has_its_own_events_and_none_where_none_are_known() -> None:
    recent = Recent(3, events={0: 7, 4: 2})
    assert recent.events_of(np.array([4, 1, 0], dtype=np.int32)) == [2, 0, 7]
