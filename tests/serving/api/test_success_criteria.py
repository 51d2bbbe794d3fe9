"""What the hybrid contract's document promises of its lists, asked over HTTP of two workers."""

from collections.abc import Iterator

import pytest

from client import Shortlist

Workers = tuple[Shortlist, Shortlist]
TOPICS = ("gardening", "sailing", "baking")


@pytest.fixture(scope="module")
def workers(addresses: tuple[str, str]) -> Iterator[Workers]:
    """Eight content items of each topic; what one worker is told, the other is asked."""
    with Shortlist(addresses[0]) as one, Shortlist(addresses[1]) as other:
        for topic in TOPICS:
            for number in range(8):
                title = f"{topic.capitalize()} lesson {number}"
                one.create_content(f"{topic}{number}", title, category=topic, tags=[topic, "lesson"])
        yield one, other


def listed(worker: Shortlist, user_id: str, n: int = 6) -> list[str]:
    return [item["content_id"] for item in worker.recommend_content(user_id, n=n)]


def share(ids: list[str], topic: str) -> float:
    return sum(item_id.startswith(topic) for item_id in ids) / len(ids)


def like(worker: Shortlist, user_id: str, topic: str, *numbers: int) -> None:
    for number in numbers:
        worker.interact(user_id, f"{topic}{number}", "like")


def test_recommendations_change_per_user(workers: Workers) -> None:
    one, other = workers
    like(one, "gardener", "gardening", 0, 1, 2, 3, 4)
    like(one, "sailor", "sailing", 0, 1, 2, 3, 4)
    first, second = listed(other, "gardener", 3), listed(other, "sailor", 3)
    assert share(first, "gardening") == share(second, "sailing") == 1.0
    assert not set(first) & set(second)


def test_similar_users_receive_similar_content(workers: Workers) -> None:
    one, other = workers
    like(one, "baker1", "baking", 0, 1, 2, 3, 4)
    like(other, "baker2", "baking", 0, 1, 2, 3, 5)
    like(one, "stranger1", "sailing", 0, 1, 2, 3, 4)
    mine, like_me, unlike = (set(listed(other, user, 4)) for user in ("baker1", "baker2", "stranger1"))
    assert len(mine & like_me) >= 2
    assert len(mine & like_me) > len(mine & unlike)


def test_positive_feedback_draws_its_like_up(workers: Workers) -> None:
    one, other = workers
    like(one, "fan", "gardening", 0, 1, 2, 3, 4)
    before = share(listed(other, "fan", 4), "sailing")
    for number in range(6):
        one.feedback("fan", f"sailing{number}", "positive")
    assert share(listed(other, "fan", 4), "sailing") > before


def test_negative_feedback_pushes_its_like_down(workers: Workers) -> None:
    one, other = workers
    like(one, "critic", "baking", 0, 1)
    like(one, "critic", "sailing", 0, 1, 2)
    before = listed(other, "critic", 10)
    assert share(before, "baking") > 0
    for number in (2, 3):
        one.feedback("critic", f"baking{number}", "negative")
    after = listed(other, "critic", 10)
    assert not {"baking2", "baking3"} & set(after)
    places = [
        [ids.index(name) if name in ids else len(ids) for name in ("baking4", "baking5", "baking6")]
        for ids in (before, after)
    ]
    assert sum(places[1]) > sum(places[0])


def test_a_new_user_gets_their_interests_and_one_without_any_what_is_popular(workers: Workers) -> None:
    one, other = workers
    one.create_user("newcomer", interests=["sailing"])
    items = other.recommend_content("newcomer", n=5)
    assert {item["method"] for item in items} == {"interests"}
    assert share([item["content_id"] for item in items], "sailing") == 1.0
    assert {item["method"] for item in other.recommend_content("nobody", n=5)} == {"popular"}


def test_new_content_is_recommended_at_once(workers: Workers) -> None:
    one, other = workers
    like(one, "early", "baking", 0, 1, 2, 3, 4)
    one.create_content("fresh1", "Baking lesson of today", category="baking", tags=["baking", "lesson"])
    assert "fresh1" in listed(other, "early", 5)


def test_the_duration_of_a_view_weighs_no_more_than_the_view(workers: Workers) -> None:
    one, other = workers
    for user, seconds in (("quick", 1), ("slow", 80_000)):
        like(one, user, "sailing", 0, 1, 2, 3)
        one.interact(user, "baking0", "click", duration_seconds=seconds)
        one.interact(user, "baking1", "view_time", duration_seconds=seconds)
    assert listed(other, "quick") == listed(other, "slow")
