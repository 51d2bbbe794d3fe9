"""Lists of /v1: their one shape, their pages, and what they refuse; on real workers, from an empty shop."""

import json
import re
from base64 import urlsafe_b64encode
from time import time
from typing import Any
from uuid import UUID, uuid4
from zlib import compress

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from client import Shortlist
from database.settings import REPOSITORY, Settings
from serving.api.v1 import pages
from serving.catalogue.catalogue import identity_of
from serving.lists.list_requests import page_key
from serving.types import Item, Ranked, Reason
from tests.serving.api.v1.test_problems import the_problem

LISTS: dict[str, dict[str, Any]] = {
    "recommend": {},
    "similar": {"item_id": "PRODUCT001"},
    "search": {"query": "mug"},
    "trending": {},
}


@pytest.mark.parametrize(("name", "body"), LISTS.items())
async def test_every_list_has_one_shape(http: httpx.AsyncClient, name: str, body: dict[str, Any]) -> None:
    answer = await http.post(f"/v1/{name}", json=body | {"n": 2, "explain": True})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert UUID(made["recommendation_id"]) and made["bundle"] == "bundle-1"
    first = made["items"][0]
    assert first["id"] == "PRODUCT001" and first["price"] == 5 and first["model"] == "popular"
    assert first["reason"] == {"text": "many chose it", "code": "popular", "item": None, "numbers": {}}
    assert first["columns"]["sources"] == {"popularity": 1.0}
    one = (await http.get("/v1/items/PRODUCT001")).json()
    assert {field: first[field] for field in one} == one


@pytest.mark.parametrize(("name", "body"), LISTS.items())
async def test_the_next_page_goes_on_where_the_list_stopped(
    http: httpx.AsyncClient, name: str, body: dict[str, Any]
) -> None:
    seen: list[str] = []
    ids = set()
    asked = body | {"n": 1}
    while True:
        made = (await http.post(f"/v1/{name}", json=asked)).json()
        seen += [each["id"] for each in made["items"]]
        ids.add(made["recommendation_id"])
        if made["next"] is None:
            break
        asked = {"page": made["next"]}
    assert len(seen) == len(set(seen)) == 4
    assert len(ids) == 5  # the last page is empty


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("recommend", {"users": "a"}, "users"),
        ("recommend", {"n": 0}, "n"),
        ("recommend", {"n": 1001}, "n"),
        ("recommend", {"diversity": 1.5}, "diversity"),
        ("recommend", {"user_id": "a\u0000"}, "user_id"),
        ("recommend", {"session": [{"item_id": "a", "kind": "x"}]}, "session.0.kind"),
        ("recommend", {"session": [{"value": 1}]}, "session.0"),
        ("recommend", {"session": [{"item_id": "a", "type": "stare"}]}, "session.0.type"),
        ("rerank", {"item_ids": ["a"], "session": [{"item_id": "a", "type": "stare"}]}, "session.0.type"),
        ("recommend", {"session": [{"item_id": "a", "type": "search"}]}, "session.0.type"),
        ("recommend", {"session": [{"item_id": "a", "type": "search_query"}]}, "session.0.type"),
        ("recommend", {"filter": "x" * 5000}, "filter"),
        ("recommend", {"page": "x"}, "page"),
        ("recommend", {"page": 3}, "page"),
        ("recommend", {"item_ids": ["a"], "user_id": "u"}, None),
        ("similar", {}, "item_id"),
        ("similar", {"item_id": "PRODUCT001", "by": "magic"}, "by"),
        ("search", {"query": "  "}, "query"),
        ("search", {"facets": ["a"] * 11}, "facets"),
        ("trending", {"hours": 0}, "hours"),
        ("rerank", {"item_ids": []}, "item_ids"),
        ("rerank", {"item_ids": ["a"], "n": 3}, "n"),
    ],
)
async def test_what_does_not_fit_is_refused_by_name(
    http: httpx.AsyncClient, name: str, body: dict[str, Any], field: str | None
) -> None:
    answer = await http.post(f"/v1/{name}", json=body)
    problem = the_problem(answer, 422)
    assert problem["errors"][0]["field"] == field


async def test_an_item_that_is_not_there_has_no_likes(http: httpx.AsyncClient) -> None:
    the_problem(await http.post("/v1/similar", json={"item_id": "none"}), 404)


def ranked(item_id: str) -> Ranked:
    return Ranked(Item(item_id, "product", "title"), 1.0, "popular", Reason("popular", "popular"))


ids = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=128)


@settings(max_examples=25, deadline=None)
@given(ids, st.lists(ids, max_size=30, unique=True))
def test_a_token_holds_the_request_and_what_was_shown(user_id: str, shown: list[str]) -> None:
    request = {"user_id": user_id, "n": len(shown)}
    token = pages.next_page("recommend", request, [], [ranked(each) for each in shown])
    assert token is not None
    found, keys = pages.read_page("recommend", {"page": token, "n": 7})
    assert found == {"user_id": user_id, "n": 7}
    assert keys == {page_key(identity_of(each)) for each in shown}


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.booleans())
def test_no_token_breaks_the_service(data: bytes, valid: bool) -> None:
    token = urlsafe_b64encode(compress(data) if valid else data).decode()
    with pytest.raises(PydanticCustomError):
        pages.read_page("recommend", {"page": token})


def test_a_page_is_of_one_list_and_of_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    token = pages.next_page("recommend", {}, [], [])
    with pytest.raises(PydanticCustomError, match="a page of /v1/recommend"):
        pages.read_page("search", {"page": token})
    with pytest.raises(PydanticCustomError, match="'filter' can't come with it"):
        pages.read_page("recommend", {"page": token, "filter": "price < 3"})
    now = time()
    monkeypatch.setattr(pages, "time", lambda: now + pages.VALID_SECONDS - 60)
    pages.read_page("recommend", {"page": token})
    monkeypatch.setattr(pages, "time", lambda: now + pages.VALID_SECONDS + 60)
    with pytest.raises(PydanticCustomError, match="expired"):
        pages.read_page("recommend", {"page": token})


async def test_lists_are_reads(served: Any) -> None:
    from pydantic import SecretStr

    http = await served(Settings(_env_file=None, api_keys=SecretStr("one")))
    for name, body in LISTS.items():
        assert (await http.post(f"/v1/{name}", json=body)).status_code == 200
    assert (await http.post("/v1/rerank", json={"item_ids": ["PRODUCT001"]})).status_code == 200


def test_a_new_shop_has_lists_at_once(addresses: tuple[str, str]) -> None:
    """Numeric item ids and UUID users, from an empty database, on two workers."""
    with httpx.Client(base_url=addresses[0]) as one, httpx.Client(base_url=addresses[1]) as other:
        _open_a_shop(one, other)
        _try_the_page(one)
    with Shortlist(addresses[1]) as shortlist:
        _ask_by_the_client(shortlist)


def _try_the_page(http: httpx.Client) -> None:
    """Every example of docs/api.md on a list has items."""
    page = (REPOSITORY / "docs" / "api.md").read_text()
    examples = re.findall(
        r"```http\nPOST (/v1/(?:recommend|similar|search|trending|rerank))\n(.*?)```", page, re.S
    )
    assert len(examples) == 7
    for path, body in examples:
        answer = http.post(path, json=json.loads(body))
        assert answer.status_code == 200, (path, body, answer.text)
        assert answer.json()["items"] or "hours" in body, (path, body)


def _ask_by_the_client(shortlist: Shortlist) -> None:
    made = shortlist.recommend("u-1", n=4, filter="price < 12", exclude=["1095270"], explain=True)
    following = shortlist.next_page("recommend", made["next"] or "")
    ids = [each["id"] for each in (*made["items"], *following["items"])]
    assert len(ids) == len(set(ids)) and "1095270" not in ids and made["items"][0]["columns"]
    assert shortlist.recommend(session=[{"item_id": "1095270"}], n=1)["items"][0]["reason"]["code"]
    assert shortlist.similar_to("1095270", by="title", n=2)["items"]
    assert shortlist.search_items("tea cup", facets=["price"], n=1)["total"] == 11
    assert shortlist.trending(category="Kitchen", n=2)["items"]
    assert len(shortlist.rerank(["1095270", "1095271"], "u-1")["items"]) == 2


def _open_a_shop(one: httpx.Client, other: httpx.Client) -> None:

    def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
        answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    empty = post(one, "/v1/recommend", user_id=str(uuid4()))
    assert (empty["items"], empty["next"], empty["bundle"]) == ([], None, "none")
    for number in range(12):
        colour = "red" if number % 2 else "blue"
        body = {
            "title": f"{colour} tea cup {number}",
            "price": 5.0 + number,
            "categories": ["Kitchen > Cups"],
            "labels": ["new"] if number > 8 else [],
            "attributes": {"colour": colour, "volume": number / 10, "sold_out": number == 3},
        }
        assert one.put(f"/v1/items/{1095270 + number}", json=body).status_code in (200, 201)

    user = str(uuid4())
    cheap = 'price < 12 and attributes.colour = "red" and not sold_out'
    made = post(other, "/v1/recommend", user_id=user, filter=cheap)
    assert {each["id"] for each in made["items"]} == {"1095271", "1095275"}
    wrong = other.post("/v1/recommend", json={"filter": 'price < 3 and color = "red"'})
    problem = the_problem(wrong, 422)
    assert problem["field"] == "filter" and "'color'" in problem["detail"]
    assert "at character 15" in problem["detail"]

    facets = ["attributes.colour", "price"]
    found = post(other, "/v1/search", query="tea cup", n=5, sort="-price", facets=facets)
    assert [each["price"] for each in found["items"]] == [16, 15, 14, 13, 12] and found["total"] == 12
    assert found["facets"]["attributes.colour"]["values"] == [
        {"value": "blue", "count": 6},
        {"value": "red", "count": 6},
    ]
    assert (found["facets"]["price"]["min"], found["facets"]["price"]["max"]) == (5, 16)
    assert the_problem(one.post("/v1/search", json={"sort": "category"}), 422)["field"] == "sort"
    assert the_problem(one.post("/v1/search", json={"facets": ["colr"]}), 422)["field"] == "facets"
    rest = post(one, "/v1/search", page=found["next"], n=100)
    assert [each["price"] for each in rest["items"]] == [11, 10, 9, 8, 7, 6, 5] and rest["total"] == 12

    for by in ("people", "meaning", "title"):
        like = post(one, "/v1/similar", item_id="1095272", by=by, n=3)
        assert len(like["items"]) == 3 and "1095272" not in {each["id"] for each in like["items"]}, by
    post(one, "/v1/similar", item_id=1095272, by="bought_together")
    assert len(post(one, "/v1/recommend", item_ids=["1095272"], n=4)["items"]) == 4
    session = [{"item_id": "1095271"}, {"item_id": "1095273"}]
    mine = post(one, "/v1/recommend", session=session, n=3)
    assert not {"1095271", "1095273"} & {each["id"] for each in mine["items"]}
    assert len(post(one, "/v1/trending", category="Kitchen", n=3)["items"]) == 3
    order = post(one, "/v1/rerank", user_id=user, item_ids=["1095272", "1095280", "0"])
    assert {each["id"] for each in order["items"]} == {"1095272", "1095280"}
    assert (order["unknown_items"], order["withdrawn_items"]) == (["0"], [])

    assert one.patch("/v1/items/1095275", json={"availability": {"hidden": True}}).status_code == 200
    made = post(other, "/v1/recommend", user_id=user, filter=cheap)
    assert [each["id"] for each in made["items"]] == ["1095271"]
