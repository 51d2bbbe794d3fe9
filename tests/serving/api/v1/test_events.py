"""Events through /v1: in the shop's words, late and early, replaced, undone, once, in batches."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database import events
from database.connection import connect
from database.settings import Settings
from tests.serving.api.v1.checks import refused

Workers = tuple[httpx.Client, httpx.Client]
_read_event_types = events.read_event_types
OLD = "1950-01-01T00:00Z"
EMPTY = {"stored": 0, "refused": 0, "errors": []}


def stored(settings: Settings, **where: str) -> list[dict[str, Any]]:
    """The interactions with these values, oldest first."""
    condition = " and ".join(f"{name} = %s" for name in where)
    with connect(settings) as conn, conn.cursor() as cursor:
        cursor.execute(
            f"select to_jsonb(i) from interactions i where {condition} order by occurred_at",
            list(where.values()),
        )
        return [row[0] for row in cursor.fetchall()]


def test_one_event_is_stored_with_all_that_it_says(shop: httpx.Client, live_settings: Settings) -> None:
    user = str(uuid4())
    event = {
        "type": "purchase",
        "user_id": user,
        "session_id": "s 1",
        "item_id": "1095275",
        "quantity": 2,
        "price": 2.5,
        "time": "2026-11-02T12:00:00+01:00",
        "context": {"page": "/pears", "device": "phone", "locale": "de-DE"},
        "recommendation_id": "r1",
    }
    answer = shop.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()) == (200, EMPTY | {"stored": 1})
    [row] = stored(live_settings, user_id=user)
    expected = {
        "event_type": "purchase",
        "event_name": "purchase",
        "value": 2,
        "quantity": 2,
        "price": 2.5,
        "session_id": "s 1",
        "recommendation_id": "r1",
        "context": event["context"],
    }
    assert {name: row[name] for name in expected} == expected
    assert datetime.fromisoformat(row["occurred_at"]) == datetime(2026, 11, 2, 11, tzinfo=UTC)
    assert shop.get(f"/users/{user}").json()["history"] == ["1095275"]


def test_what_is_wrong_with_one_event_is_a_problem(shop: httpx.Client) -> None:
    refused(shop.post("/v1/events", json={"type": "vew", "item_id": "a"}), "type")
    refused(shop.post("/v1/events", json={"type": "view"}), "item_id")
    refused(shop.post("/v1/events", json={"type": "search", "item_id": "a"}), "query")
    refused(shop.post("/v1/events", json={"type": "rating", "item_id": "a", "value": 6}), "value")
    refused(shop.post("/v1/events", json={"type": "view", "item_id": "a", "usr": "b"}), "usr")
    refused(shop.post("/v1/events", json={"type": "view", "item_id": "a", "time": "2026-11-01"}), "time")
    refused(
        shop.post("/v1/events", json={"type": "view", "item_id": "a", "time": "1950-01-01T00:00Z"}), "time"
    )


def test_a_beacon_of_text_is_read(shop: httpx.Client, live_settings: Settings) -> None:
    content = json.dumps({"type": "view", "anonymous_id": "beacon", "item_id": "b1"}).encode()
    headers = {"Content-Type": "text/plain;charset=UTF-8"}
    assert shop.post("/v1/events", content=content, headers=headers).status_code == 200
    [row] = stored(live_settings, anonymous_id="beacon")
    assert (row["user_id"], row["event_type"], row["event_name"]) == (None, "click", "view")


def test_a_batch_stores_the_good_rows_and_names_the_others(
    shop: httpx.Client, live_settings: Settings
) -> None:
    user = str(uuid4())
    lines = [
        json.dumps({"type": "view", "user_id": user, "item_id": "a", "time": "2024-02-29T00:00:00Z"}),
        "{",
        json.dumps({"type": "nope", "user_id": user, "item_id": "a"}),
        json.dumps({"type": "search", "user_id": user, "query": "pears"}),
    ]
    answer = shop.post("/v1/events", content="\n".join(lines).encode())
    assert answer.status_code == 207
    body = answer.json()
    assert (body["stored"], body["refused"]) == (2, 2)
    assert [(each["index"], each["errors"][0]["field"]) for each in body["errors"]] == [
        (1, None),
        (2, "type"),
    ]
    assert [row["event_name"] for row in stored(live_settings, user_id=user)] == ["view", "search"]


def test_ten_thousand_events_at_once(shop: httpx.Client, live_settings: Settings) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [
        {
            "type": "view",
            "user_id": f"bulk-{number % 700}",
            "item_id": str(number % 50),
            "time": (start + timedelta(hours=number)).isoformat(),
            "key": f"bulk-{number}",
        }
        for number in range(10_000)
    ]
    for _ in range(2):  # the second time each replaces itself
        answer = shop.post("/v1/events", json=rows)
        assert answer.json() == EMPTY | {"stored": 10_000}, answer.text
    with connect(live_settings) as conn, conn.cursor() as cursor:
        cursor.execute("select count(*) from interactions where user_id like 'bulk-%'")
        assert cursor.fetchone() == (10_000,)


def test_an_event_is_replaced_and_undone_by_its_key(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    user, key = str(uuid4()), f"order/{uuid4()}"
    event = {"type": "purchase", "user_id": user, "item_id": "a", "key": key, "quantity": 1}
    one.post("/v1/events", json=event)
    other.post("/v1/events", json=[event | {"quantity": 5}, event | {"quantity": 3}])
    assert [row["value"] for row in stored(live_settings, user_id=user)] == [3]
    path = f"/v1/events/{key.replace('/', '%2F')}"
    assert one.delete(path).status_code == 204
    assert other.delete(path).status_code == 404
    assert stored(live_settings, user_id=user) == []


def test_a_page_replaces_no_event_of_the_shop(keyed: httpx.Client, live_settings: Settings) -> None:
    """Anybody can read the key of a page, and guess the number of an order."""
    user, key = str(uuid4()), str(uuid4())
    event = {"type": "purchase", "user_id": user, "item_id": "a", "key": key, "quantity": 1}
    secret, page = {"X-API-Key": "secret"}, {"X-API-Key": "page"}
    assert keyed.post("/v1/events", json=event, headers=secret).status_code == 200
    for quantity in (8, 9):
        assert keyed.post("/v1/events", json=event | {"quantity": quantity}, headers=page).status_code == 200
    assert sorted(row["value"] for row in stored(live_settings, user_id=user)) == [1, 9]
    assert keyed.delete(f"/v1/events/{key}", headers=page).status_code == 403
    assert keyed.delete(f"/v1/events/{key}", headers=secret).status_code == 204
    assert stored(live_settings, user_id=user) == []


def test_a_request_that_comes_again_counts_once(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    user = str(uuid4())
    headers = {"Idempotency-Key": f'"{uuid4()}"'}
    rows = [{"type": "view", "user_id": user, "item_id": "a"}, {"type": "?", "item_id": "a"}]
    first, again = (worker.post("/v1/events", json=rows, headers=headers) for worker in workers)
    assert (first.status_code, again.status_code) == (207, 207)
    assert first.json() == again.json()
    assert len(stored(live_settings, user_id=user)) == 1
    different = other.post("/v1/events", json=rows[:1], headers=headers)
    assert different.status_code == 422 and different.json()["type"].endswith("idempotency_key_reused")
    assert one.post("/v1/events", json=rows, headers={"Idempotency-Key": '"'}).status_code == 400


def test_a_request_that_comes_again_is_answered_as_it_was_whatever_is_defined_by_then(
    workers: Workers, live_settings: Settings
) -> None:
    """It says of which rows the client has to take care: the second request has stored none of them."""
    one, other = workers
    user = str(uuid4())
    for before, after in (([], ["sniff"]), (["sniff"], [])):
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        rows = [{"type": "view", "user_id": user, "item_id": "a"}, {"type": "sniff", "item_id": "a"}]
        answers = []
        for words in (before, after):
            types = [{"name": word, "counts_as": "like"} for word in words]
            assert one.put("/v1/event-types", json={"event_types": types}).status_code == 200
            answers.append(other.post("/v1/events", json=rows, headers=headers))
        first, again = answers
        assert first.status_code == (200 if before else 207)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
    one.put("/v1/event-types", json={"event_types": []})


def test_an_event_of_the_future_does_not_count_yet(shop: httpx.Client, live_settings: Settings) -> None:
    user = str(uuid4())
    soon = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    assert shop.post(
        "/v1/events", json={"type": "like", "user_id": user, "item_id": "f", "time": soon}
    ).is_success
    assert len(stored(live_settings, user_id=user)) == 1
    assert shop.get(f"/users/{user}").json()["history"] == []
    too_far = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    refused(shop.post("/v1/events", json={"type": "like", "item_id": "f", "time": too_far}), "time")


def test_a_shops_words_hold_on_every_worker(workers: Workers, live_settings: Settings) -> None:
    one, other = workers
    user = str(uuid4())
    types = [
        {"name": "taste", "counts_as": "like", "weight": 2.5},
        {"name": "taste>=8", "counts_as": "purchase"},
        {"name": "glance", "counts_as": "nothing"},
    ]
    answer = one.put("/v1/event-types", json={"event_types": types})
    assert answer.status_code == 200, answer.text
    names = {each["name"] for each in other.get("/v1/event-types").json()["event_types"]}
    assert {"taste", "taste>=8", "glance", "view", "purchase"} <= names
    for word, value in (("taste", 1), ("taste", 8), ("glance", None)):
        event = {"type": word, "user_id": user, "item_id": "w", "value": value}
        assert other.post("/v1/events", json=event).is_success
    found = [(row["event_type"], row["weight"]) for row in stored(live_settings, user_id=user)]
    assert found == [("like", 2.5), ("purchase", None), ("view_time", 0)]
    session = {"session": [{"item_id": "w", "type": "taste", "value": 8}]}
    assert other.post("/v1/recommend", json=session).status_code == 200
    one.put("/v1/event-types", json={"event_types": []})
    refused(other.post("/v1/recommend", json=session), "session.0.type")
    refused(other.post("/v1/events", json={"type": "taste", "item_id": "w"}), "type")
    wrong = {"event_types": [{"name": "a>b", "counts_as": "like"}]}
    refused(one.put("/v1/event-types", json=wrong), "event_types.0.name")
    refused(
        one.put("/v1/event-types", json={"event_types": [{"name": "a", "counts_as": "love"}]}),
        "event_types.0.counts_as",
    )


def test_words_are_read_again_only_when_they_have_changed(
    workers: Workers, live_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And then before the next event is stored or refused, on every worker."""
    one, other = workers
    reads = []

    async def counted(conn: Any) -> Any:
        reads.append(conn)
        return await _read_event_types(conn)

    monkeypatch.setattr(events, "read_event_types", counted)
    user = str(uuid4())
    event = {"type": "savour", "user_id": user, "item_id": "w"}
    refused(other.post("/v1/events", json=event), "type")
    for weight in (1.5, 2.5, 3.5):
        defined = {"event_types": [{"name": "savour", "counts_as": "like", "weight": weight}]}
        one.put("/v1/event-types", json=defined)
        reads.clear()
        for client in (other, one, other, one):
            assert client.post("/v1/events", json=event).status_code == 200
        assert len(reads) == 2
    found = [row["weight"] for row in stored(live_settings, user_id=user)]
    assert sorted(found) == [1.5] * 4 + [2.5] * 4 + [3.5] * 4
    one.put("/v1/event-types", json={"event_types": []})


def test_a_session_has_a_list_while_the_words_cannot_be_read(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = workers
    session = {"session": [{"item_id": "w", "type": "savour"}], "n": 3}
    one.put("/v1/event-types", json={"event_types": [{"name": "savour", "counts_as": "like"}]})
    assert one.post("/v1/recommend", json=session).status_code == 200

    async def away(conn: Any) -> Any:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(events, "read_event_types", away)
        assert one.post("/v1/recommend", json=session).status_code == 200
        assert one.get("/v1/event-types").status_code == 503, "who asks for the words is not told old ones"
    until = time.monotonic() + 30  # until it has asked the database
    while one.put("/v1/event-types", json={"event_types": []}).status_code == 503:
        assert time.monotonic() < until
        time.sleep(0.01)


IDS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=128).filter(
    lambda text: text == text.strip() and text not in (".", "..")
)


@settings(max_examples=25, deadline=None)
@given(user=IDS, item=IDS, key=IDS)
def test_any_printable_ids_are_kept_as_they_are(
    shop: httpx.Client, live_settings: Settings, user: str, item: str, key: str
) -> None:
    event = {"type": "view", "user_id": user, "item_id": item, "session_id": user, "key": f"k{key}"[:128]}
    for _ in range(2):
        assert shop.post("/v1/events", json=event | {"key": event["key"].rstrip()}).json()["stored"] == 1
    rows = stored(live_settings, user_id=user, item_id=item)
    assert rows and rows[-1]["session_id"] == user


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b"nonsense", b'{"type": "view"} x', b"\xff"])
def test_a_body_of_no_events_is_refused(shop: httpx.Client, body: bytes) -> None:
    answer = shop.post("/v1/events", content=body)
    assert answer.status_code in (207, 400, 422)
    assert answer.status_code != 207 or answer.json()["stored"] == 0
