"""The next item of a cart: by the baskets' rules, by people, by meaning, or popular items."""

from typing import Any

import numpy as np
import pytest

from serving.catalogue.drafts import ItemDraft
from serving.experiments.running import NO_EXPERIMENT
from serving.lists.executor import FALLBACK_MODELS
from serving.plane import LivePlane
from training.models.core.itemsets import LargerRules
from training.models.fpgrowth import FpGrowth

TEA = [f"TEA000000{number}" for number in range(6)]
GARDEN = [f"GAR000000{number}" for number in range(6)]


async def test_what_is_bought_with_the_cart_comes_first(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    made, unknown = await plane.lists.for_cart(TEA[:2], 18, explain=True)
    found = [each.item.item_id for each in made]
    assert not unknown
    assert set(found[:4]) == set(TEA[2:])
    assert len(found) == 16 and not set(found) & set(TEA[:2])
    assert {each.model for each in made[:4]} == {"fpgrowth"}
    assert all(each.reason.startswith("bought together with tea") for each in made[:4])
    assert {each.model for each in made[4:]} <= {"als", "embeddings", "popular", "trending", "new"}


async def test_what_two_items_say_together_names_both(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    bundle = plane._components.arms.policy(NO_EXPERIMENT).bundle
    assert bundle is not None
    tea, cosy, spade = (bundle.bundle.items.index(each) for each in (TEA[0], TEA[1], GARDEN[0]))
    numbers = (np.array([number], dtype=np.float32) for number in (0.1, 0.75, 30.0, 0.0))
    larger = LargerRules(
        np.array([sorted((tea, cosy))], dtype=np.int32), np.array([spade], dtype=np.int32), *numbers
    )
    rules = bundle.models.fpgrowth
    pairs = rules.indptr, rules.indices, rules.data, rules.scalars
    vars(rules).update(vars(FpGrowth(*pairs, support=rules.support, lift=rules.lift, larger=larger)))
    made, _ = await plane.lists.for_cart(TEA[:2], 1, explain=True)
    assert [each.item.item_id for each in made] == [GARDEN[0]]
    told = "bought together with teapot and tea cosy: 75 % of baskets, 30.0 times as often as by chance"
    assert made[0].reason == told
    assert "teapot" not in (await plane.lists.for_cart(TEA[1:2], 1, explain=True))[0][0].reason


async def test_a_cart_of_two_worlds_is_served_from_both(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    made, _ = await plane.lists.for_cart([TEA[0], GARDEN[0]], 8, explain=True)
    found = [each.item.category for each in made]
    assert set(found) == {"tea", "garden"}


async def test_items_that_nobody_has_bought_are_compared_by_meaning(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    await plane.create_item(ItemDraft(kind="product", title="tea samovar", item_id="NEW0000000"))
    made, unknown = await plane.lists.for_cart(["NEW0000000", "NEW0000001", "../x"], 4, explain=True)
    assert unknown == ["NEW0000001", "../x"]
    assert {each.item.category for each in made} == {"tea"}
    assert {(each.model, each.reason) for each in made} == {("embeddings", "because you chose tea samovar")}


@pytest.mark.parametrize("trained", [False, True])
async def test_a_cart_of_unknown_items_gets_popular_ones(
    plane: LivePlane, deploy: Any, trained: bool
) -> None:
    if trained:
        deploy()
        await plane.settle()
    made, unknown = await plane.lists.for_cart(["elsewhere"], 5, explain=True)
    assert unknown == ["elsewhere"]
    assert len(made) == 5 and {each.model for each in made} <= FALLBACK_MODELS


async def test_without_a_bundle_a_cart_is_answered_by_meaning(plane: LivePlane) -> None:
    made, _ = await plane.lists.for_cart(TEA[:1], 5, explain=True)
    assert {each.model for each in made} == {"embeddings"}


async def test_what_is_withdrawn_is_neither_recommended_nor_named(plane: LivePlane, deploy: Any) -> None:
    deploy()
    await plane.settle()
    await plane.delete_item(TEA[2])
    await plane.update_item(TEA[0], {"hidden": True})
    made, unknown = await plane.lists.for_cart([TEA[0], TEA[1], TEA[2]], 16, explain=True)
    assert unknown == [TEA[2]]
    assert not {TEA[0], TEA[1], TEA[2]} & {each.item.item_id for each in made}
    assert not any("teapot" in each.reason for each in made)


async def test_what_is_bought_with_the_cart_as_often_as_by_chance_is_not_in_by_rules(
    plane: LivePlane, deploy: Any
) -> None:
    deploy()
    await plane.settle()
    bundle = plane._components.arms.policy(NO_EXPERIMENT).bundle
    assert bundle is not None
    rules, best = bundle.models.fpgrowth, bundle.bundle.items.index(TEA[5])
    lift = np.where(rules.indices == best, np.float32(1.1), rules.lift)
    pairs = rules.indptr, rules.indices, rules.data, rules.scalars
    vars(rules).update(vars(FpGrowth(*pairs, support=rules.support, lift=lift, larger=LargerRules.none())))
    made, _ = await plane.lists.for_cart(TEA[:1], 17, explain=True)
    by_rules = {each.item.item_id: each.reason for each in made if each.model == "fpgrowth"}
    assert by_rules and TEA[5] not in by_rules
    assert all(reason.startswith("bought together with teapot") for reason in by_rules.values())
