"""A list is made in the order in which its recipe reads."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from database.settings import REPOSITORY
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


async def opened(deploy: Deployer, open_plane: OpenPlane) -> LivePlane:
    """A plane that has learned models, and a user "ann" with a history and a search."""
    deploy()
    plane = await open_plane()
    for item_id in ("TEA0000001", "TEA0000002", "GAR0000001"):
        await plane.record_interaction(InteractionDraft(user_id="ann", event_type="like", item_id=item_id))
    await plane.record_interaction(
        InteractionDraft(user_id="ann", event_type="search_query", query="paper knife")
    )
    return plane


async def test_a_home_request_goes_through_the_files_of_its_steps_in_order_each_once(
    shop: list[str], deploy: Deployer, open_plane: OpenPlane
) -> None:
    plane = await opened(deploy, open_plane)
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


async def test_a_users_id_enters_few_files(shop: list[str], deploy: Deployer, open_plane: OpenPlane) -> None:
    """Most of a home request is about events, vectors and rows: who asks is known where it has to be."""
    plane = await opened(deploy, open_plane)
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals.get(name) for name in arguments] if event == "call" else []
        if "ann" in [each if isinstance(each, str) else getattr(each, "user_id", None) for each in given]:
            entered.add(code.co_filename)

    sys.setprofile(note)
    try:
        await plane.lists.home("ann", 5)
    finally:
        sys.setprofile(None)
    own = {Path(name).relative_to(REPOSITORY).as_posix() for name in entered if _is_ours(name)}
    assert "serving/lists/recommender.py" in own and len(own) <= 10, own


def _is_ours(name: str) -> bool:
    return any(name.startswith(f"{REPOSITORY / folder}/") for folder in ("serving", "database", "training"))
