"""Items through /v1: whole, changed, under a condition, in batches; each worker knows at the next request."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import connect

from database.connection import libpq_url
from database.settings import Settings
from tests.serving.api.v1.checks import eventually, refused

Workers = tuple[httpx.Client, httpx.Client]
PEARS = {
    "title": "Pears, 1 kg",
    "description": "Ripe.",
    "price": 2.0,
    "original_price": 4.0,
    "image": "https://shop.example/1.jpg",
    "link": "https://shop.example/1",
    "categories": ["Food > Fruit > Pears", "Offers"],
    "labels": ["organic"],
    "rating": 4.5,
    "rating_count": 12,
    "availability": {"hidden": False, "available": True, "stock": 40},
    "attributes": {"origin": "Spain", "grams": 1000, "ripe": True, "tastes": ["sweet"]},
    "timestamp": "2026-01-02T03:04:05Z",
    "publish_at": "2026-01-03T00:00:00Z",
    "expire_at": "2126-01-03T00:00:00Z",
}


def test_a_whole_item_comes_back_as_it_was_put_on_every_worker(workers: Workers) -> None:
    one, other = workers
    made = one.put("/v1/items/1095275", json=PEARS)
    assert made.status_code == 201, made.text
    shown = other.get("/v1/items/1095275").json()
    assert {name: shown[name] for name in PEARS} == PEARS
    assert (shown["id"], shown["kind"], shown["category"]) == ("1095275", "product", "Food")
    again = other.put("/v1/items/1095275", json=shown)
    assert again.status_code == 200
    assert {**again.json(), "updated_at": 0} == {**shown, "updated_at": 0}
    assert one.put("/v1/items/1095275", json={"title": "Plums"}).json()["price"] is None
    assert other.get("/v1/items/1095275").json()["categories"] == []


def test_an_item_is_in_lists_at_once_and_by_its_meaning(workers: Workers) -> None:
    one, other = workers
    one.put("/v1/items/lamp-1", json={"title": "Glowing desk lamp", "category": "Lamps"})
    found = other.post("/search", json={"query": "glowing lamp", "k": 5}, params={"kind": "all"})
    assert "lamp-1" in json.dumps(found.json())


def test_a_change_leaves_the_rest(workers: Workers) -> None:
    one, other = workers
    one.put("/v1/items/pears", json=PEARS)
    changed = one.patch(
        "/v1/items/pears", json={"availability": {"stock": 0}, "attributes": {"grams": 900, "ripe": None}}
    )
    assert changed.status_code == 200, changed.text
    shown = other.get("/v1/items/pears").json()
    assert shown["attributes"] == {"origin": "Spain", "grams": 900, "tastes": ["sweet"]}
    assert shown["availability"] == {"hidden": False, "available": False, "stock": 0}
    assert (shown["price"], shown["original_price"]) == (2.0, 4.0)
    back = one.patch("/v1/items/pears", json={"availability": {"stock": 3}, "price": 3}).json()
    assert back["availability"]["available"] is True
    assert (back["price"], back["original_price"]) == (3.0, None)
    assert one.patch("/v1/items/pears", json={"category": "Offers"}).json()["categories"] == ["Offers"]
    assert one.patch("/v1/items/none", json={"price": 1}).status_code == 404
    refused(one.patch("/v1/items/pears", json={"prize": 1}), "prize")
    refused(one.patch("/v1/items/pears", json={"availability": {"stock": -1}}), "availability.stock")


def test_a_deleted_item_is_gone_everywhere_and_can_be_made_anew(workers: Workers) -> None:
    one, other = workers
    one.put("/v1/items/gone", json=PEARS)
    assert other.delete("/v1/items/gone").status_code == 204
    assert one.get("/v1/items/gone").status_code == 404
    assert one.delete("/v1/items/gone").status_code == 404
    assert other.put("/v1/items/gone", json={"title": "Back"}).status_code == 201
    assert one.get("/v1/items/gone").json()["attributes"] == {}


def test_writes_under_a_condition(workers: Workers) -> None:
    one, other = workers
    made = one.put("/v1/items/tag", json=PEARS, headers={"If-None-Match": "*"})
    tag = {"If-Match": made.headers["etag"]}
    assert other.get("/v1/items/tag").headers["etag"] == made.headers["etag"]
    assert other.get("/v1/items/tag", headers={"If-None-Match": made.headers["etag"]}).status_code == 304
    assert one.put("/v1/items/tag", json=PEARS, headers={"If-None-Match": "*"}).status_code == 412
    changed = other.patch("/v1/items/tag", json={"price": 9}, headers=tag)
    assert changed.status_code == 200
    assert one.patch("/v1/items/tag", json={"price": 8}, headers=tag).status_code == 412
    assert one.delete("/v1/items/tag", headers=tag).status_code == 412
    assert one.put("/v1/items/tag", json=PEARS, headers=tag).status_code == 412
    assert one.put("/v1/items/new-tag", json=PEARS, headers={"If-Match": "*"}).status_code == 412
    assert one.get("/v1/items/tag").json()["price"] == 9
    assert one.delete("/v1/items/tag", headers={"If-Match": changed.headers["etag"]}).status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"titel": "x"}, "titel"),
        ({"title": "x", "price": -1}, "price"),
        ({"title": "x", "price": "cheap"}, "price"),
        ({"title": "x", "id": "another"}, "id"),
        ({"title": "x", "availability": {"stock": 1.5}}, "availability.stock"),
        ({"title": "x", "publish_at": "tomorrow"}, "publish_at"),
        ({"title": "a\u0000b"}, "title"),
        ({"title": "x", "categories": ["Food > "]}, "categories.0"),
        ({"title": "x", "attributes": {"as_of": 1}}, "attributes"),
    ],
)
def test_what_is_wrong_is_named(shop: httpx.Client, body: Any, field: str) -> None:
    refused(shop.put("/v1/items/wrong", json=body), field)
    assert shop.get("/v1/items/wrong").status_code == 404


def test_an_attribute_keeps_its_type(workers: Workers) -> None:
    one, other = workers
    first = one.put("/v1/items/t1", json={"title": "a", "attributes": {"from": "2026-01-01T02:00:00+02:00"}})
    assert first.json()["attributes"] == {"from": "2026-01-01T00:00:00Z"}
    for value in (5, "soon", True, ["a"]):
        refused(
            other.put("/v1/items/t2", json={"title": "a", "attributes": {"from": value}}), "attributes.from"
        )
    assert one.get("/v1/items/t2").status_code == 404
    batch = [
        {"id": "t3", "title": "a", "attributes": {"fresh": 1}},
        {"id": "t4", "title": "a", "attributes": {"fresh": "yes"}},
    ]
    answer = one.post("/v1/items:batch", json=batch)
    assert answer.status_code == 207
    assert [row["status"] for row in answer.json()["results"]] == [201, 422]
    assert answer.json()["results"][1]["errors"][0]["field"] == "attributes.fresh"


def test_ids_that_are_asked_for_together(shop: httpx.Client) -> None:
    shop.put("/v1/items/together,1", json={"title": "a"})
    shop.put("/v1/items/together-2", json={"title": "b"})
    answer = shop.get("/v1/items", params={"ids": "together-2,none", "id": "together,1"}).json()
    assert [item["id"] for item in answer["items"]] == ["together,1", "together-2"]
    assert answer["missing"] == ["none"]


def test_pages_hold_while_items_come_and_go(shop: httpx.Client) -> None:
    rows = [{"id": f"page-{number:03}", "title": "x", "category": "Paged > Deep"} for number in range(25)]
    assert shop.post("/v1/items:batch", json=rows).status_code == 200
    query: dict[str, Any] = {"limit": 10, "category": "Paged"}
    first = shop.get("/v1/items", params=query).json()
    shop.delete("/v1/items/page-009")
    shop.put("/v1/items/page-0005", json={"title": "late", "category": "Paged"})
    seen = [item["id"] for item in first["items"]]
    while cursor := first["next_cursor"]:
        first = shop.get("/v1/items", params={**query, "cursor": cursor}).json()
        seen += [item["id"] for item in first["items"]]
    assert seen == [row["id"] for row in rows]
    refused(shop.get("/v1/items", params={"cursor": "\u00e4"}), "cursor")


def test_categories_count_what_may_be_in_lists(shop: httpx.Client) -> None:
    shop.put("/v1/items/c1", json={"title": "a", "categories": ["Counted > One", "Counted > Two"]})
    shop.put(
        "/v1/items/c2", json={"title": "b", "category": "Counted > One", "availability": {"hidden": True}}
    )
    counts = {each["path"]: each["items"] for each in shop.get("/v1/categories").json()["categories"]}
    assert [counts[path] for path in ("Counted", "Counted > One", "Counted > Two")] == [1, 1, 1]


def test_a_batch_says_what_became_of_each_row(workers: Workers) -> None:
    one, other = workers
    lines = [b'{"id": "n1", "title": "First"}', b"{broken", b'{"id": "n2", "titel": "x"}', b'{"title": "x"}']
    answer = one.post("/v1/items:batch", content=b"\n".join(lines))
    assert answer.status_code == 207, answer.text
    results = answer.json()["results"]
    assert [row["status"] for row in results] == [201, 422, 422, 422]
    assert [row["errors"] and row["errors"][0]["field"] for row in results] == [None, None, "titel", "id"]
    assert other.get("/v1/items/n1").json()["title"] == "First"
    twice = one.post("/v1/items:batch", json=[{"id": "n1", "title": "a"}, {"id": "n1", "title": "b"}])
    assert [row["status"] for row in twice.json()["results"]] == [200, 200]
    assert other.get("/v1/items/n1").json()["title"] == "b"
    assert one.post("/v1/items:batch", content=b"nonsense").status_code == 400
    assert one.post("/v1/items:batch", json=[]).status_code == 422
    assert one.post("/v1/items:batch", json=[{"id": "a", "title": "b"}] * 10_001).status_code == 422


def test_a_batchs_vectors_follow_by_themselves(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    rows = [{"id": f"v{number}", "title": f"unusual thing {number}"} for number in range(200)]
    assert one.post("/v1/items:batch", json=rows).status_code == 200
    conn = connect(libpq_url(str(live_settings.database_url)))

    def vectors() -> int:
        with conn, conn.cursor() as cursor:
            cursor.execute("select count(*) from embeddings where item_id like 'v%%'")
            row = cursor.fetchone()
            return int(row[0]) if row else 0

    eventually(lambda: vectors() == len(rows))
    conn.close()
    assert other.get("/content/v7", params={"kind": "all"}).json()["embedding_vector"]


def test_an_edit_of_an_original_api_shows_in_the_categories(workers: Workers) -> None:
    one, other = workers
    made = one.put(
        "/v1/items/art", json={"title": "a", "kind": "article", "categories": ["News > Local", "All"]}
    )
    assert made.status_code == 201, made.text
    listed = other.get("/api/articles", params={"page_size": 100}).json()["results"]
    number = next(each["id"] for each in listed if each["title"] == "a")
    other.patch(f"/api/articles/{number}", json={"category": "Sport"})
    assert one.get("/v1/items/art").json()["categories"][1] == "All"
    assert one.get("/v1/items/art").json()["category"] == "Sport"


IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=128).filter(
    lambda text: text == text.strip() and text not in (".", "..")
)


@settings(max_examples=40, deadline=None)
@given(item_id=IDS)
def test_any_printable_id_is_kept_as_it_is(shop: httpx.Client, item_id: str) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}"
    made = shop.put(path, json={"title": "x"})
    assert made.status_code in (200, 201), made.text
    assert shop.get(path).json()["id"] == item_id
    assert shop.get("/v1/items", params={"id": item_id}).json()["items"][0]["id"] == item_id
    assert shop.delete(path).status_code == 204


ROWS: st.SearchStrategy[list[Any]] = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["b1", "b2", "b3", " b4", ""]), "title": st.sampled_from(["x", "", 5])},
        optional={"price": st.sampled_from([1, -1, "a"]), "extra": st.just(1)},
    )
    | st.sampled_from([1, None, "text", []]),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, lines=st.booleans())
def test_a_batch_stores_just_the_rows_that_are_right(
    shop: httpx.Client, rows: list[Any], lines: bool
) -> None:
    if lines:
        rows = [row for row in rows if isinstance(row, dict)] or [{"id": "b1", "title": "x"}]
    content = b"\n".join(map(_bytes, rows)) if lines else _bytes(rows)
    answer = shop.post("/v1/items:batch", content=content)
    assert answer.status_code in (200, 207), answer.text
    body = answer.json()
    right = [
        isinstance(row, dict)
        and row["id"] in ("b1", "b2", "b3")
        and row["title"] == "x"
        and row.get("price", 1) == 1
        and "extra" not in row
        for row in rows
    ]
    assert [row["status"] < 300 for row in body["results"]] == right
    assert (body["stored"], body["refused"]) == (sum(right), len(rows) - sum(right))
    assert answer.status_code == (200 if all(right) else 207)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
