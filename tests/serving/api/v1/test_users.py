"""Users through /v1: put, changed, deleted with all that is known of them, and merged at login."""

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
from hypothesis import example, given, settings

from database.settings import Settings
from tests.serving.api.v1.checks import refused
from tests.serving.api.v1.test_events import IDS, stored

Workers = tuple[httpx.Client, httpx.Client]
WHOLE = {
    "interests": ["tea"],
    "labels": ["regular"],
    "attributes": {"country": "DE", "orders": 3, "vip": True, "since": "2026-01-02T00:00:00Z"},
}


def view(shop: httpx.Client, item: str, **who: str) -> None:
    assert shop.post("/v1/events", json={"type": "view", "item_id": item, **who}).status_code == 200


def history(shop: httpx.Client, user: str) -> list[str]:
    return list(reversed(shop.get(f"/users/{user}").json()["history"]))


def test_a_user_is_put_changed_and_read_on_every_worker(workers: Workers) -> None:
    one, other = workers
    path = f"/v1/users/{uuid4()}"
    assert one.get(path).status_code == 404
    made = one.put(path, json=WHOLE)
    assert made.status_code == 201, made.text
    read = other.get(path)
    assert read.json() == made.json() and read.headers["ETag"] == made.headers["ETag"]
    assert {name: read.json()[name] for name in WHOLE} == WHOLE
    changed = other.patch(path, json={"labels": None, "attributes": {"orders": 4, "vip": None}})
    assert changed.status_code == 200, changed.text
    now = one.get(path).json()
    assert (now["labels"], now["interests"]) == ([], ["tea"])
    assert now["attributes"] == {"country": "DE", "orders": 4, "since": "2026-01-02T00:00:00Z"}
    sent_back = one.put(path, json=now)
    assert sent_back.status_code == 200
    assert one.get(path, headers={"If-None-Match": sent_back.headers["ETag"]}).status_code == 304


def test_a_batch_of_users_says_what_became_of_each_row(workers: Workers) -> None:
    one, other = workers
    known, new, mentioned, twice = (str(uuid4()) for _ in range(4))
    before = one.put(f"/v1/users/{known}", json=WHOLE).json()
    view(one, "PRODUCT001", user_id=mentioned)
    rows = [
        {"id": known, "labels": ["once"]},
        {"id": new, **WHOLE},
        {"id": "b1", "labels": 5},
        {"labels": ["nobody"]},
        {"id": mentioned, "attributes": {"seen": True}},
        {"id": twice, "interests": ["tea"]},
        {"id": twice, "interests": ["garden"]},
    ]
    answer = one.post("/v1/users:batch", content=b"\n".join(json.dumps(row).encode() for row in rows))
    assert answer.status_code == 207, answer.text
    results = answer.json()["results"]
    assert [row["status"] for row in results] == [200, 201, 422, 422, 200, 201, 201]
    assert [row["id"] for row in results] == [known, new, None, None, mentioned, twice, twice]
    assert [row["errors"][0]["field"] for row in results[2:4]] == ["labels", "id"]
    read = {user: other.get(f"/v1/users/{user}").json() for user in (known, new, mentioned, twice)}
    assert (read[known]["labels"], read[known]["interests"]) == (["once"], []), "it is the whole user"
    assert read[known]["created_at"] == before["created_at"]
    assert {name: read[new][name] for name in WHOLE} == WHOLE
    assert read[mentioned]["attributes"] == {"seen": True} and history(other, mentioned) == ["PRODUCT001"]
    assert read[twice]["interests"] == ["garden"]
    refused(one.post(f"/v1/users/{new}:merge", json={"anonymous_id": mentioned}), "anonymous_id", 409)


def test_ten_thousand_users_at_once_and_no_more(shop: httpx.Client) -> None:
    rows = [{"id": f"many-{number}", "attributes": {"number": number}} for number in range(10_000)]
    answer = shop.post("/v1/users:batch", json=rows)
    assert answer.status_code == 200 and answer.json()["stored"] == 10_000
    assert shop.get("/v1/users/many-9999").json()["attributes"] == {"number": 9999}
    assert shop.post("/v1/users:batch", json=[*rows, {"id": "one-more"}]).status_code == 422
    assert shop.get("/v1/users/one-more").status_code == 404


def test_a_write_that_names_an_old_state_is_refused(workers: Workers) -> None:
    one, other = workers
    path = f"/v1/users/{uuid4()}"
    old = one.put(path, json={}, headers={"If-None-Match": "*"}).headers["ETag"]
    assert other.put(path, json=WHOLE, headers={"If-None-Match": "*"}).status_code == 412
    assert other.put(path, json=WHOLE, headers={"If-Match": old}).status_code == 200
    for method, body in (("PUT", {}), ("PATCH", {}), ("DELETE", None)):
        answer = one.request(method, path, json=body, headers={"If-Match": old})
        assert answer.status_code == 412, method
    assert one.get(path).json()["labels"] == ["regular"]


def test_what_is_no_user_is_refused(shop: httpx.Client) -> None:
    path = f"/v1/users/{uuid4()}"
    refused(shop.put(path, json={"interest": ["a"]}), "interest")
    refused(shop.put(path, json={"id": "other"}), "id")
    refused(shop.put(path, json={"attributes": {"a": {"b": 1}}}), "attributes.a.bool")
    refused(shop.put(path, json={"labels": "a"}), "labels")
    assert shop.patch(path, json={}).status_code == 404
    refused(shop.post(f"{path}:merge", json={"anonymous": "a"}), "anonymous_id")
    refused(shop.post("/v1/users/a:merge", json={"anonymous_id": "a"}), "anonymous_id")


def test_a_deleted_user_leaves_nothing_behind(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    user = str(uuid4())
    one.put(f"/v1/users/{user}", json=WHOLE)
    view(one, "a", user_id=user)
    assert other.get(f"/v1/users/{user}").is_success
    assert other.delete(f"/v1/users/{user}").status_code == 204
    assert stored(live_settings, user_id=user) == []
    assert one.get(f"/v1/users/{user}").status_code == 404
    assert one.delete(f"/v1/users/{user}").status_code == 404
    view(one, "b", user_id=user)  # they come back: a new user
    assert history(other, user) == ["b"]


def test_a_visitor_who_signs_in_keeps_their_history(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    user, visitor = str(uuid4()), f"visitor:{uuid4()}"
    view(one, "a", anonymous_id=visitor)
    view(one, "b", user_id=visitor)  # as clients of the original APIs name them
    view(other, "c", user_id=user, anonymous_id=visitor)
    merged: Any = other.post(f"/v1/users/{user}:merge", json={"anonymous_id": visitor})
    assert (merged.status_code, merged.json()) == (200, {"id": user, "moved_events": 2})
    assert history(one, user) == ["a", "b", "c"]
    assert one.get(f"/v1/users/{visitor}").status_code == 404
    again = one.post(f"/v1/users/{user}:merge", json={"anonymous_id": visitor})
    assert again.json() == {"id": user, "moved_events": 0}
    assert [row["item_id"] for row in stored(live_settings, user_id=user)] == ["a", "b", "c"]


def test_a_user_who_was_put_is_no_visitor(shop: httpx.Client) -> None:
    user = str(uuid4())
    shop.put(f"/v1/users/{user}", json={})
    refused(shop.post("/v1/users/x:merge", json={"anonymous_id": user}), "anonymous_id", 409)


def test_users_are_not_read_with_the_key_of_a_page(keyed: httpx.Client) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert keyed.request(method, "/v1/users/u").status_code == 401
        assert keyed.request(method, "/v1/users/u", headers={"X-API-Key": "page"}).status_code == 403
    assert keyed.get("/v1/users/u", headers={"X-API-Key": "secret"}).status_code == 404


@settings(max_examples=25, deadline=None)
@given(user=IDS, visitor=IDS)
@example(user="a:merge", visitor="b/")
@example(user="a/b?c#d", visitor="%2F")
def test_users_may_have_any_printable_ids(shop: httpx.Client, user: str, visitor: str) -> None:
    if user == visitor:
        return
    path = f"/v1/users/{quote(user, safe='')}"
    made = shop.put(path, json={"labels": ["a"]})
    assert made.status_code in (200, 201) and made.json()["id"] == user
    assert shop.get(path).json() == made.json()
    view(shop, "i", anonymous_id=visitor)
    merged = shop.post(f"{path}:merge", json={"anonymous_id": visitor})
    assert merged.json() == {"id": user, "moved_events": 1}
    assert shop.delete(path).status_code == 204
    assert shop.get(path).status_code == 404
