"""Home's blend: which models speak for what a user clicked, and how loud."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from serving.catalogue.drafts import InteractionDraft
from serving.plane import LivePlane
from serving.types import Ranked

MODELS = {"als", "tfidf", "fpgrowth", "embeddings"}


def like(user_id: str, items: Sequence[str]) -> list[InteractionDraft]:
    return [InteractionDraft(user_id=user_id, event_type="like", item_id=item_id) for item_id in items]


@pytest.fixture
def small_params(small_params: Any, request: pytest.FixtureRequest) -> Any:
    blend = small_params.blend.model_copy(update=request.param)
    return small_params.model_copy(update={"blend": blend})


async def liked_tea(plane: LivePlane, deploy: Any) -> list[Ranked]:
    deploy()
    await plane.settle()
    for draft in like("ann", ["TEA0000000", "TEA0000001"]):
        await plane.record_interaction(draft)
    return (await plane.lists.home("ann", 4)).personalized


@pytest.mark.parametrize("small_params", [{"weights": "original", "diverse": 0.0}], indirect=True)
async def test_by_the_documents_all_four_models_speak(plane: LivePlane, deploy: Any) -> None:
    found = await liked_tea(plane, deploy)
    assert {each.item.category for each in found} == {"tea"}
    assert {each.model for each in found} <= MODELS


@pytest.mark.parametrize(
    "small_params", [{"weights": "tuned", "tuned": {"tfidf": 1.0}, "diverse": 0.0}], indirect=True
)
async def test_tuned_weights_decide_who_speaks(plane: LivePlane, deploy: Any) -> None:
    found = await liked_tea(plane, deploy)
    assert found and {each.model for each in found} == {"tfidf"}


@pytest.mark.parametrize(
    "small_params", [{"weights": "tuned", "tuned": {"ease": 1.0, "popularity": 1.0}}], indirect=True
)
async def test_popularity_alone_makes_no_list_personal(plane: LivePlane, deploy: Any) -> None:
    """The test's bundles hold no EASE: nobody else has an opinion, and popularity is not asked."""
    assert await liked_tea(plane, deploy) == []


@pytest.mark.parametrize("small_params", [{"weights": "tuned", "diverse": 0.0}], indirect=True)
async def test_weights_come_with_the_bundle_that_was_judged_by_them(
    plane: LivePlane, deploy: Any, small_params: Any
) -> None:
    """What params.yaml says by now is for the next bundle."""
    blend = small_params.blend.model_copy(update={"tuned": {"tfidf": 1.0}})
    deploy = replace(deploy, params=small_params.model_copy(update={"blend": blend}))
    found = await liked_tea(plane, deploy)
    assert found and {each.model for each in found} == {"tfidf"}


@pytest.mark.parametrize(
    "small_params", [{"weights": "tuned", "tuned": {"new_items": 1.0}, "diverse": 0.0}], indirect=True
)
async def test_new_items_speak_by_their_words(plane: LivePlane, deploy: Any) -> None:
    """Tea that many bought is not new, and has no weight here."""
    found = await liked_tea(plane, deploy)
    assert {each.model for each in found} <= {"tfidf"}
    assert len(found) < 4
