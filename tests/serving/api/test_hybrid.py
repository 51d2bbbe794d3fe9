"""Users, content, recommendations, interactions and feedback of the hybrid contract."""

from typing import Any

import httpx
import pytest

from client import AsyncShortlist, NotFound, RequestRefused


async def test_a_user_is_created_once_shown_and_changed(shortlist: AsyncShortlist) -> None:
    made = await shortlist.create_user("user123", interests=["ml", "python"], skill_level="intermediate")
    assert made == {
        "user_id": "user123",
        "interests": ["ml", "python"],
        "skill_level": "intermediate",
        "history": [],
        "created_at": "2026-11-20T12:00:00Z",
    }
    with pytest.raises(RequestRefused, match="409"):
        await shortlist.create_user("user123")
    changed = await shortlist.update_user("user123", interests=["cooking"])
    assert (changed["interests"], changed["skill_level"]) == (["cooking"], "intermediate")
    assert await shortlist.user("user123") == changed


async def test_unknown_users_and_content_are_404(shortlist: AsyncShortlist) -> None:
    for call in (
        shortlist.user("nobody"),
        shortlist.update_user("nobody", interests=[]),
        shortlist.content("nothing"),
        shortlist.interact("alice", "nothing", "click"),
        shortlist.feedback("alice", "nothing", "positive"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_content_is_created_once_and_listed_by_category(
    http: httpx.AsyncClient, shortlist: AsyncShortlist
) -> None:
    made = await shortlist.create_content("tut1", "ML for Beginners", category="ml", tags=["tutorial"])
    assert made["tags"] == ["tutorial"]
    with pytest.raises(RequestRefused, match="409"):
        await shortlist.create_content("tut1", "ML again")
    assert await shortlist.content("tut1") == made
    assert made.pop("embedding_vector") == pytest.approx([0.6, 0.8])
    assert await shortlist.content_of("ml") == [made]
    assert (await http.get("/content/category/ml")).headers["x-total-count"] == "1"
    assert await shortlist.content_of("nothing") == []
    await shortlist.create_content("tut2", "Threads", category="home/crafts")
    assert [item["content_id"] for item in await shortlist.content_of("home/crafts")] == ["tut2"]


async def test_content_shows_its_own_kind_unless_widened(http: httpx.AsyncClient) -> None:
    assert (await http.get("/content/PRODUCT001")).status_code == 404
    assert (await http.get("/content/PRODUCT001?kind=all")).json()["content_id"] == "PRODUCT001"
    assert (await http.get("/content/category/Kitchen")).json() == []
    assert len((await http.get("/content/category/Kitchen?kind=product")).json()) == 3


async def test_recommendations_have_exactly_the_documents_fields(http: httpx.AsyncClient) -> None:
    answer = await http.post("/recommendations/", json={"user_id": "stranger", "n_recommendations": 5})
    assert answer.status_code == 200
    assert answer.json().keys() == {"user_id", "recommendations", "timestamp"}
    assert answer.json()["recommendations"] == [
        {
            "content_id": "course1",
            "title": "Python course",
            "category": "programming",
            "score": 1.0,
            "method": "popular",
        }
    ]


async def test_interactions_and_feedback_are_stored_and_become_history(
    shortlist: AsyncShortlist, plane: Any
) -> None:
    await shortlist.create_user("alice")
    seen = await shortlist.interact("alice", "course1", "view_time", duration_seconds=120)
    liked = await shortlist.feedback("alice", "course1", "negative")
    assert (seen["interaction_type"], seen["duration_seconds"]) == ("view_time", 120)
    assert liked["feedback_type"] == "negative"
    assert [(event.event_type, event.value) for event in plane.events] == [
        ("feedback", -1.0),
        ("view_time", 120.0),
    ]
    assert (await shortlist.user("alice"))["history"] == ["course1"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users", {"user_id": "a/b"}),
        ("/content", {"content_id": "x" * 65, "title": "t"}),
        ("/users", {"user_id": "a", "interests": ["x"] * 101}),
        ("/users", {"user_id": "a", "interests": ["x" * 201]}),
        ("/users", {"user_id": "a", "skill_level": "\u0000"}),
        ("/content", {"content_id": "c"}),
        ("/content", {"content_id": "c", "title": " "}),
        ("/content", {"content_id": "c", "title": "x" * 501}),
        ("/content", {"content_id": "c", "title": "t", "description": "x" * 100_001}),
        ("/recommendations", {"user_id": "a", "n_recommendations": 0}),
        ("/recommendations", {"user_id": "a", "cf_weight": 1.5}),
        ("/recommendations/interact", {"user_id": "a", "content_id": "c", "interaction_type": "buy"}),
        ("/recommendations/feedback", {"user_id": "a", "content_id": "c", "feedback_type": "great"}),
    ],
)
async def test_bodies_that_break_the_schema_are_422(http: httpx.AsyncClient, path: str, body: Any) -> None:
    assert (await http.post(path, json=body)).status_code == 422


@pytest.mark.parametrize("text", ['"\\ud800"', "NaN", "Infinity", "1e999"])
async def test_numbers_and_text_that_are_none_are_422(http: httpx.AsyncClient, text: str) -> None:
    body = f'{{"user_id": "a", "cf_weight": {text}}}'
    answer = await http.post("/recommendations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
