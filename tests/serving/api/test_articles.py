"""The semantic articles contract."""

from typing import Any

import httpx
import pytest

from client import AsyncShortlist, NotFound
from serving.errors import EditConflictError
from tests.serving.api.fake_plane import FakePlane


async def test_an_article_lives_and_dies(http: httpx.AsyncClient, shortlist: AsyncShortlist) -> None:
    answer = await http.post("/api/articles/", json={"title": "New Tech Trend", "content": "Quantum."})
    assert answer.status_code == 201
    assert answer.json() == {
        "id": 1,
        "title": "New Tech Trend",
        "content": "Quantum.",
        "category": None,
        "created_at": "2026-11-20T12:00:00Z",
        "updated_at": "2026-11-20T12:00:00Z",
    }
    changed = await shortlist.change_article(1, title="Newer", category="Tech")
    assert (changed["title"], changed["content"], changed["category"]) == ("Newer", "Quantum.", "Tech")
    replaced = await shortlist.replace_article(1, "Newest", "Bits.")
    assert (replaced["title"], replaced["content"], replaced["category"]) == ("Newest", "Bits.", None)
    assert await shortlist.article(1) == replaced
    answer = await http.delete("/api/articles/1/")
    assert (answer.status_code, answer.content) == (204, b"")
    for call in (
        shortlist.article(1),
        shortlist.delete_article(1),
        shortlist.change_article(1, title="x"),
        shortlist.replace_article(1, "x", "y"),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_patch_of_nothing_changes_nothing(shortlist: AsyncShortlist) -> None:
    made = await shortlist.create_article("Title", "Content")
    assert await shortlist.change_article(made["id"]) == made


async def test_an_article_that_others_edit_too_is_a_conflict(
    http: httpx.AsyncClient, shortlist: AsyncShortlist, plane: FakePlane
) -> None:
    made = await shortlist.create_article("Title", "Content")
    plane.failure = EditConflictError("article-1")
    for method in ("PUT", "PATCH"):
        answer = await http.request(
            method, f"/api/articles/{made['id']}/", json={"title": "New", "content": "Text"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "edit_conflict")
        assert answer.json()["detail"] == "item 'article-1' is being edited by someone else; try again"


@pytest.mark.parametrize("article_id", ["abc", "0", "-1", "1.5", "9" * 19, "9" * 5000])
async def test_what_is_no_number_is_no_article(http: httpx.AsyncClient, article_id: str) -> None:
    assert (await http.get(f"/api/articles/{article_id}/")).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"title": "t"}, {"title": "", "content": "c"}, {"title": 5, "content": "c"}]
)
async def test_bad_articles_are_400(http: httpx.AsyncClient, body: Any) -> None:
    answer = await http.post("/api/articles/", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] in ("title", "content")


async def test_the_list_comes_in_pages(http: httpx.AsyncClient, shortlist: AsyncShortlist) -> None:
    for number in range(5):
        await shortlist.create_article(f"Title {number}", "Content")
    first = await shortlist.articles(page_size=2)
    assert (first["count"], first["previous"], len(first["results"])) == (5, None, 2)
    assert first["next"] == "http://localhost/api/articles?page_size=2&page=2"
    last = (await http.get("/api/articles/?page=3&page_size=2")).json()
    assert (last["next"], [article["id"] for article in last["results"]]) == (None, [5])
    assert last["previous"] == "http://localhost/api/articles?page_size=2&page=2"
    for page in ("4", "0", "-1"):
        assert (await http.get(f"/api/articles/?page_size=2&page={page}")).status_code == 404


async def test_recommendations_by_text_and_by_article(shortlist: AsyncShortlist) -> None:
    for title in ("Neural networks", "Deep learning"):
        await shortlist.create_article(title, "Content")
    by_text = await shortlist.recommend_articles(query="How to build neural networks")
    assert [(article["id"], article["distance"]) for article in by_text] == [(1, 0.0), (2, 0.5)]
    assert by_text[0].keys() == {
        "id",
        "title",
        "content",
        "category",
        "created_at",
        "updated_at",
        "distance",
    }
    by_article = await shortlist.recommend_articles(article_id=1, limit=5, explain=True)
    assert [(article["id"], article["model"]) for article in by_article] == [(2, "popular")]


@pytest.mark.parametrize("body", [{}, {"query": "a", "article_id": 1}, {"query": " "}, {"article_id": "x"}])
async def test_a_recommendation_needs_exactly_one_of_both(http: httpx.AsyncClient, body: Any) -> None:
    assert (await http.post("/api/recommend/", json=body)).status_code == 400


async def test_recommending_by_an_unknown_article_is_404(http: httpx.AsyncClient) -> None:
    assert (await http.post("/api/recommend/", json={"article_id": 99})).status_code == 404
