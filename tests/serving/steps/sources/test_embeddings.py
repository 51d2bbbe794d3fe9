"""Cosines of sentence vectors, of items created since the bundle too."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps import context as contexts
from serving.steps.sources import embeddings
from tests.worlds.plain_lists import Plain, alike, only, said
from tests.worlds.world import texts, user, world


@given(st.integers(0, 40))
@settings(max_examples=25)
def test_items_near_a_history_have_the_cosine_with_its_weighted_mean(seed: int) -> None:
    made = world(0)
    asked = made.context(user=user(made, seed, events=15))
    allowed = made.index.catalogue.listed(None)
    found = embeddings.near_history(asked, allowed)["embeddings"]
    assert alike(said(made, found), Plain(made, asked).to_history())


def test_only_where_it_weighs_something() -> None:
    made = world(0)
    asked, allowed = made.context(user=user(made, 1)), made.index.catalogue.listed(None)
    weighed = replace(asked, weights={"embeddings": 0.5}, shares={"embeddings": 0.5})
    without = replace(asked, weights={"als": 1.0})
    for source in (embeddings.near_history_by_weight, embeddings.near_history_by_share):
        assert source(weighed, allowed).keys() == {"embeddings"} and source(without, allowed) == {}


@pytest.mark.parametrize("limit", [20_000, 10], ids=["exact", "by the index"])
def test_the_nearest_are_the_allowed_ones(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", limit)
    made = world(0)
    allowed = made.index.catalogue.listed(frozenset({"product"}))
    ((_, vector),) = texts(4, 1)
    asked = made.context(9, vector=vector, item=made.row(next(iter(made.vectors))))
    plain = Plain(made, replace(asked, kinds=frozenset({"product"})))
    for source, towards in (
        (embeddings.near_query, vector),
        (embeddings.near_item, made.vectors[made.item_id(asked.item)]),
    ):
        near = only(plain.near(towards, negative=True), plain.listed())
        found = said(made, source(asked, allowed)["embeddings"])
        least = sorted(near.values())[-9]
        assert len(found) >= 9 and found.keys() <= near.keys()
        assert all(near[each] >= least - 1e-5 for each in found)


def test_without_a_vector_nothing_is_near() -> None:
    made = world(0)
    allowed = made.index.catalogue.listed(None)
    bare = [each for each in made.items if each not in made.vectors]
    assert bare
    asked = made.context(item=made.row(bare[0]), vector=None)
    for source in (embeddings.near_item, embeddings.near_query, embeddings.near_history):
        assert not source(asked, allowed)["embeddings"].values.any()
