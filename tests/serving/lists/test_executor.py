"""A list is made in the order in which its recipe reads."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from database.settings import REPOSITORY
from serving.catalogue.drafts import InteractionDraft
from serving.experiments.running import NO_EXPERIMENT
from serving.lists import executor, recipes, retrieval
from serving.lists.recipes import PERSONALIZED, Recipe
from serving.plane import LivePlane
from serving.steps import filters, selection
from tests.serving.worker import Deployer

OpenPlane = Callable[[], Awaitable[LivePlane]]


RECIPES = {name: each for name, each in vars(recipes).items() if isinstance(each, Recipe)}
CALLERS = {retrieval.__file__, executor.__file__, filters.__file__}


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
        home = await plane.lists.home("ann", 5, lists=["personalized"], explain=True)
    finally:
        sys.setprofile(None)
    assert home.personalized
    assert visited == files


def code_of(step: Any) -> CodeType:
    """The code of a step: of a function, or of what calling an object runs."""
    code: CodeType = getattr(step, "__code__", None) or type(step).__call__.__code__
    return code


def entered(codes: Sequence[CodeType], make: Callable[[], object]) -> list[CodeType]:
    """Which of these the executor calls while a list is made, in order."""
    found: list[CodeType] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        caller = frame.f_back
        if event == "call" and frame.f_code in codes and caller and caller.f_code.co_filename in CALLERS:
            found.append(frame.f_code)

    sys.setprofile(note)
    try:
        make()
    finally:
        sys.setprofile(None)
    return found


async def test_every_list_takes_the_steps_of_its_recipe_in_order_each_once(
    shop: list[str], deploy: Deployer, open_plane: OpenPlane
) -> None:
    plane = await opened(deploy, open_plane)
    lists, components = plane.lists, plane._components
    vector = await components.encoder.encode("tea")
    user = await lists._users.user(await lists._users.events("ann"), "ann", searches=True)
    context = lists.context(
        components.arms.policy(NO_EXPERIMENT),
        5,
        user=user,
        item=components.index.catalogue.row("TEA0000001"),
        query="tea",
        vector=vector,
        shares={"cf": 0.5, "embeddings": 0.5},
    )
    for name, recipe in RECIPES.items():
        # What stands in for a list or fills it up is a recipe of its own, and looked at as such.
        alone = replace(recipe, fallback=None, fill=None)
        steps = [*alone.filters, *alone.sources, alone.scorer, selection.best, *alone.rerankers]
        codes = [code_of(step) for step in [*steps, alone.labels, alone.reasons]]
        assert entered(codes, partial(executor.make_list, alone, context)) == codes, name


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
