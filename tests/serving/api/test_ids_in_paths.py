"""An id that can be made can be asked for, whatever characters it holds."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from client import AsyncShortlist
from serving.types import Item

ODD_IDS = [
    "a/b",
    "/a",
    "a/",
    "a//b/",
    "50%",
    "%2F",
    "a%20b",
    "what?",
    "a#b",
    "a b",
    "ü",
    "茶",
    "a&b=c",
    "a;b",
    "a+b",
]
HISTORY = {"content_id": "course1", "interaction_type": "click"}


@pytest.mark.parametrize("user_id", ODD_IDS)
async def test_a_user_whom_an_interaction_made_is_found_by_path(
    http: httpx.AsyncClient, shortlist: AsyncShortlist, plane: Any, user_id: str
) -> None:
    made = await http.post("/recommendations/interact", json={"user_id": user_id, **HISTORY})
    assert made.status_code == 200
    assert plane.events[0].user_id == user_id
    asked: list[str] = []

    async def get_user(asked_id: str) -> Any:
        asked.append(asked_id)
        return await type(plane).get_user(plane, asked_id)

    plane.get_user = get_user
    for ending in ("", "/"):
        assert (await http.get(f"/users/{quote(user_id, safe='')}{ending}")).status_code == 404
    assert asked == [user_id, user_id]


@pytest.mark.parametrize("item_id", ODD_IDS)
async def test_content_that_was_ingested_is_found_by_path(
    http: httpx.AsyncClient, plane: Any, item_id: str
) -> None:
    plane.items[item_id] = Item(item_id, "content", "Title")
    found = await http.get(f"/content/{quote(item_id, safe='')}")
    assert (found.status_code, found.json()["content_id"]) == (200, item_id)


@pytest.mark.parametrize("new_id", [*ODD_IDS, ".", ".."])
async def test_new_ids_fit_into_a_path_as_they_are(http: httpx.AsyncClient, new_id: str) -> None:
    assert (await http.post("/users", json={"user_id": new_id})).status_code == 422
    assert (await http.post("/content", json={"content_id": new_id, "title": "t"})).status_code == 422


@pytest.mark.parametrize("user_id", [".", ".."])
async def test_what_clients_take_for_a_folder_is_no_id(http: httpx.AsyncClient, user_id: str) -> None:
    made = await http.post("/recommendations/interact", json={"user_id": user_id, **HISTORY})
    assert (made.status_code, made.json()["error"]["field"]) == (422, "user_id")
