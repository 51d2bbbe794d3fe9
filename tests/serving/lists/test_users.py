"""What a user does changes their next answer, on every worker; like users are alike, others are not."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from serving.catalogue.drafts import InteractionDraft, UserDraft
from serving.errors import UserExistsError, UserNotFoundError
from serving.lists.list_requests import UserListRequest
from serving.plane import LivePlane
from serving.types import Ranked

OpenPlane = Callable[[], Awaitable[LivePlane]]
Workers = tuple[LivePlane, LivePlane]


def ids(ranked: list[Ranked]) -> list[str]:
    return [each.item.item_id for each in ranked]


def shares(ranked: list[Ranked], prefix: str) -> float:
    """Share of a list's items whose id begins so."""
    return sum(item_id.startswith(prefix) for item_id in ids(ranked)) / max(len(ranked), 1)


async def does(
    plane: LivePlane, user_id: str, event_type: str, *item_ids: str, value: float | None = None
) -> None:
    for item_id in item_ids:
        await plane.record_interaction(
            InteractionDraft(user_id=user_id, event_type=event_type, item_id=item_id, value=value)
        )


@pytest.fixture
async def workers(shop: list[str], open_plane: OpenPlane, deploy: Any) -> Workers:
    deploy()
    return await open_plane(), await open_plane()


async def test_a_click_changes_the_next_answer_of_the_other_worker(workers: Workers) -> None:
    one, two = workers
    await does(one, "ann", "product_click", "TEA0000000")
    before = await two.lists.home("ann", 6)
    assert before.personalized[0].item.category == "tea"
    await does(one, "ann", "product_click", "GAR0000000", "GAR0000001", "GAR0000002")
    after = await two.lists.home("ann", 6)
    assert after.personalized[0].item.category == "garden"
    assert ids(before.personalized) != ids(after.personalized)


async def test_als_folds_a_new_user_in(workers: Workers) -> None:
    one, two = workers
    cold = await two.lists.for_user_als("ann", 5)
    assert {each.model for each in cold} <= {"popular", "trending", "new"}
    await does(one, "ann", "purchase", "OFF0000000", "OFF0000001")
    warm = await two.lists.for_user_als("ann", 4)
    assert {each.model for each in warm} == {"als"}
    assert shares(warm, "OFF") == 1.0


async def test_seen_items_are_left_out_unless_asked_for(workers: Workers) -> None:
    one, two = workers
    await does(one, "ann", "purchase", "TEA0000000", "TEA0000001")
    assert not {"TEA0000000", "TEA0000001"} & set(ids(await two.lists.for_user_als("ann", 18)))
    assert "TEA0000000" in ids(await two.lists.for_user_als("ann", 18, filter_already_liked=False))
    assert not {"TEA0000000", "TEA0000001"} & set(ids((await two.lists.home("ann", 18)).personalized))


async def test_like_users_get_like_lists_and_others_different_ones(workers: Workers) -> None:
    one, _ = workers
    tea = ("TEA0000000", "TEA0000001", "TEA0000002")
    for user in ("ann", "bea"):
        await does(one, user, "like", *tea, "OFF0000000", "OFF0000001")
    await does(one, "cid", "like", "GAR0000000", "GAR0000001", "GAR0000002", "GAR0000003", "OFF0000005")
    lists = {user: set(ids(await one.lists.hybrid(user, 4))) for user in ("ann", "bea", "cid")}
    assert lists["ann"] == lists["bea"]
    assert len(lists["ann"] & lists["cid"]) <= 1


async def test_negative_feedback_pushes_down_what_is_alike(workers: Workers) -> None:
    one, two = workers
    await does(one, "ann", "like", "TEA0000000", "TEA0000001", "TEA0000002", "GAR0000000", "GAR0000001")
    before = ids(await two.lists.hybrid("ann", 10))
    await does(one, "ann", "feedback", "TEA0000003", value=-1)
    await does(one, "ann", "skip", "TEA0000004")
    after = ids(await two.lists.hybrid("ann", 10))
    assert "TEA0000005" in before
    assert "TEA0000003" not in after and "TEA0000004" not in after
    lower = after.index("TEA0000005") if "TEA0000005" in after else len(after)
    assert lower > before.index("TEA0000005")


async def test_positive_feedback_draws_likes_up(workers: Workers) -> None:
    one, two = workers
    await does(one, "ann", "like", "TEA0000000", "TEA0000001", "TEA0000002", "TEA0000003", "GAR0000000")
    before = await two.lists.hybrid("ann", 8)
    await does(one, "ann", "feedback", "GAR0000001", "GAR0000002", "GAR0000003", value=1)
    after = await two.lists.hybrid("ann", 8)
    assert shares(after[:2], "GAR") > shares(before[:2], "GAR")


async def test_a_cold_user_gets_what_they_said_they_care_for(workers: Workers) -> None:
    one, two = workers
    await one.create_user(UserDraft(user_id="ann", interests=("garden", "paper")))
    first = await two.lists.hybrid("ann", 6, explain=True)
    assert {each.model for each in first} == {"interests"}
    assert shares(first, "GAR") + shares(first, "OFF") == 1.0
    assert "interest" in first[0].reason
    await one.update_user("ann", {"interests": ("tea",)})
    assert shares(await two.lists.hybrid("ann", 5), "TEA") == 1.0


async def test_an_unknown_user_is_a_cold_start_and_no_error(workers: Workers) -> None:
    one, _ = workers
    assert {each.model for each in await one.lists.hybrid("nobody", 5)} == {"popular"}
    home = await one.lists.home("nobody", 5)
    assert home.personalized == []
    assert len(home.trending) == len(home.best_value) == len(home.diverse_picks) == 5
    assert set(home.top_categories) == {"tea", "garden", "office"}


async def test_few_events_count_a_little_and_more_of_them_more(workers: Workers) -> None:
    one, two = workers
    await one.create_user(UserDraft(user_id="ann", interests=("garden",)))
    await does(one, "ann", "click", "TEA0000000")
    assert shares(await two.lists.hybrid("ann", 5), "GAR") > 0.5
    await does(one, "ann", "click", "TEA0000001", "TEA0000002", "TEA0000003", "TEA0000000")
    assert shares(await two.lists.hybrid("ann", 2), "TEA") == 1.0


async def test_after_thirty_days_home_is_not_personal_any_more(workers: Workers, clock: Any) -> None:
    one, _ = workers
    await does(one, "ann", "product_click", "TEA0000000")
    assert (await one.lists.home("ann", 5)).personalized
    clock.advance(days=31)
    home = await one.lists.home("ann", 5)
    assert home.personalized == [] and len(home.trending) == 5


async def test_a_list_for_whoever_was_long_away_comes_from_what_is_known_of_them(
    workers: Workers, clock: Any
) -> None:
    one, _ = workers
    await does(one, "ann", "purchase", *(f"OFF000000{number}" for number in (0, 1, 2, 3, 0)))
    clock.advance(days=400)
    assert shares(await one.lists.for_user_als("ann", 2), "OFF") == 1.0
    asked = await one.lists.answer(UserListRequest(n=2, user_id="ann"))
    assert {each.item.category for each in asked.items} == {"office"}


async def test_searches_count_in_the_blend(workers: Workers) -> None:
    one, two = workers
    await two.record_interaction(
        InteractionDraft(user_id="ann", event_type="search_query", query="garden hose")
    )
    found = (await one.lists.home("ann", 3, explain=True)).personalized
    assert found[0].item.item_id == "GAR0000001"
    assert found[0].model == "search" and "garden hose" in found[0].reason


async def test_diverse_picks_are_the_same_all_day_on_every_worker_and_new_tomorrow(
    workers: Workers, clock: Any
) -> None:
    one, two = workers
    first = ids((await one.lists.home("ann", 4)).diverse_picks)
    assert first == ids((await two.lists.home("ann", 4)).diverse_picks)
    assert first != ids((await two.lists.home("bea", 4)).diverse_picks)
    clock.advance(days=1)
    assert first != ids((await two.lists.home("ann", 4)).diverse_picks)


async def test_diverse_picks_favour_categories_the_user_has_not_seen(workers: Workers) -> None:
    one, _ = workers
    await does(one, "ann", "product_click", *(f"TEA000000{number}" for number in range(5)))
    picks = (await one.lists.home("ann", 2)).diverse_picks
    assert {each.item.category for each in picks} <= {"garden", "office"}


async def test_every_item_says_why(workers: Workers) -> None:
    one, _ = workers
    await does(one, "ann", "purchase", "TEA0000000", "TEA0000001")
    home = await one.lists.home("ann", 4, explain=True)
    everything = [*home.personalized, *home.trending, *home.best_value, *home.diverse_picks]
    everything += [each for ranked in home.top_categories.values() for each in ranked]
    assert all(each.reason and each.model for each in everything)
    assert any(
        "% of baskets" in each.reason and "times as often as by chance" in each.reason
        for each in home.personalized
    )


async def test_one_source_can_have_the_whole_weight(workers: Workers) -> None:
    one, _ = workers
    await does(one, "ann", "like", *(f"TEA000000{number}" for number in range(3)), "GAR0000000", "OFF0000000")
    assert {each.model for each in await one.lists.hybrid("ann", 5)} == {"hybrid"}
    assert {each.model for each in await one.lists.hybrid("ann", 5, use_cf=False)} == {"embeddings"}
    assert {each.model for each in await one.lists.hybrid("ann", 5, use_embeddings=False)} == {"cf"}


async def test_users_are_registered_once(workers: Workers) -> None:
    one, two = workers
    user = await one.create_user(UserDraft(user_id="ann", interests=("tea",), skill_level="beginner"))
    assert await two.get_user("ann") == user
    with pytest.raises(UserExistsError):
        await two.create_user(UserDraft(user_id="ann"))
    with pytest.raises(UserNotFoundError):
        await two.get_user("nobody")
    with pytest.raises(UserNotFoundError):
        await two.update_user("nobody", {"interests": ()})


async def test_interactions_are_read_back_newest_first(workers: Workers) -> None:
    one, two = workers
    await does(one, "ann", "rating", "TEA0000000", value=5)
    await does(one, "ann", "product_click", "TEA0000001")
    stored = await two.user_interactions("ann", days=30)
    assert [each.event_type for each in stored] == ["product_click", "rating"]
    assert stored[1].value == 5 and stored[1].item_id == "TEA0000000"
