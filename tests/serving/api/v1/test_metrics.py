"""What a list brought is counted for it, by the id of its answer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.serving.api.v1.checks import eventually, refused


def outcomes(shop: httpx.Client, **period: Any) -> dict[str, dict[str, Any]]:
    answer = shop.get("/v1/metrics/lists", params=period)
    assert answer.status_code == 200, answer.text
    return {each["name"]: each for each in answer.json()["lists"]}


def test_clicks_and_purchases_of_a_visitor_without_an_id_are_counted(
    workers: tuple[httpx.Client, httpx.Client],
) -> None:
    shop, other = workers
    items = [{"id": str(number), "title": f"Pears {number}", "price": 2.0} for number in range(4)]
    shop.post("/v1/items:batch", json=items)
    made = other.post("/v1/search", json={"query": "pears", "n": 3, "shown": 3}).json()
    shown = [each["id"] for each in made["items"]]
    eventually(lambda: outcomes(shop).get("search.pages"))
    of = {"anonymous_id": "v", "recommendation_id": made["recommendation_id"]}
    events = [
        {"type": "view", "item_id": shown[1], **of},
        {"type": "purchase", "item_id": shown[1], "quantity": 3, "price": 1.5, **of},
    ]
    assert shop.post("/v1/events", json=events).json()["stored"] == 2
    search = outcomes(other)["search.pages"]
    assert search == {
        "name": "search.pages",
        "shown": 1,
        "items": 3,
        "clicks": 1,
        "click_rate": pytest.approx(1 / 3),
        "purchases": 1,
        "conversion": 1,
        "revenue": 4.5,
    }
    earlier = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    assert outcomes(shop, until=earlier) == {}
    assert outcomes(shop, since=earlier)["search.pages"] == search


def test_a_period_that_ends_before_it_begins_is_refused(shop: httpx.Client) -> None:
    now = datetime.now(UTC)
    refused(
        shop.get("/v1/metrics/lists", params={"since": now.isoformat(), "until": now.isoformat()}), "since"
    )
    refused(shop.get("/v1/metrics/lists", params={"hours": 0}), "hours")
    refused(shop.get("/v1/metrics/lists", params={"since": "0525-12-15T11:22:26+17:49"}), "since")


def test_a_period_may_be_as_long_by_its_begin_as_by_its_hours(shop: httpx.Client) -> None:
    now = datetime.now(UTC)
    longest = {"since": (now - timedelta(days=366)).isoformat(), "until": now.isoformat()}
    assert outcomes(shop, **longest) == outcomes(shop, hours=366 * 24, until=now.isoformat())
    refused(shop.get("/v1/metrics/lists", params={"hours": 366 * 24 + 1}), "hours")
    longer = (now - timedelta(days=366, seconds=1)).isoformat()
    refused(shop.get("/v1/metrics/lists", params=longest | {"since": longer}), "since")
    refused(shop.get("/v1/metrics/lists", params={"since": longer}), "since")


def test_revenue_is_not_read_with_the_key_of_a_page(keyed: httpx.Client) -> None:
    assert keyed.get("/v1/metrics/lists").status_code == 401
    assert keyed.get("/v1/metrics/lists", headers={"X-API-Key": "page"}).status_code == 403
    assert keyed.get("/v1/metrics/lists", headers={"X-API-Key": "secret"}).status_code == 200
