"""A list is made in the order in which its recipe reads."""

import sys
from collections.abc import Awaitable, Callable
from types import CodeType, FrameType
from typing import Any

from serving.catalogue.drafts import InteractionDraft
from serving.lists.recipes import PERSONALIZED
from serving.plane import LivePlane
from serving.steps import selection
from tests.serving.worker import Deployer

OpenPlane = Callable[[], Awaitable[LivePlane]]


def file_of(step: Any) -> str:
    """The file that defines a step."""
    code: CodeType = step.__code__
    return code.co_filename


async def test_a_home_request_goes_through_the_files_of_its_steps_in_order_each_once(
    shop: list[str], deploy: Deployer, open_plane: OpenPlane
) -> None:
    deploy()
    plane = await open_plane()
    for item_id in ("TEA0000001", "TEA0000002", "GAR0000001"):
        await plane.record_interaction(InteractionDraft(user_id="ann", event_type="like", item_id=item_id))
    await plane.record_interaction(
        InteractionDraft(user_id="ann", event_type="search_query", query="paper knife")
    )
    recipe = PERSONALIZED
    chosen = [*recipe.filters, *recipe.sources, recipe.scorer, selection.best, *recipe.rerankers]
    files = list(dict.fromkeys(file_of(step) for step in [*chosen, recipe.labels, recipe.reasons]))
    visited: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name in files and visited[-1:] != [name]:
            visited.append(name)

    sys.setprofile(note)
    try:
        home = await plane.lists.home("ann", 5, lists=["personalized"])
    finally:
        sys.setprofile(None)
    assert home.personalized
    assert visited == files
