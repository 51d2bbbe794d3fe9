"""Items of any kind are taken out of lists, put back and deleted over HTTP."""

from typing import Any

import httpx
import pytest

PRODUCT = "/items/PRODUCT001"


async def test_an_item_is_withdrawn_and_put_back(http: httpx.AsyncClient) -> None:
    sold_out = await http.patch(PRODUCT, json={"available": False, "expire_at": "2026-12-24T18:00:00+01:00"})
    assert sold_out.status_code == 200
    shape = (await http.get(PRODUCT)).json()
    assert shape == sold_out.json()
    assert (shape["available"], shape["hidden"], shape["kind"]) == (False, False, "product")
    assert shape["expire_at"].startswith("2026-12-24T") and shape["publish_at"] is None
    back = await http.patch(PRODUCT, json={"available": True, "expire_at": None})
    assert (back.json()["available"], back.json()["expire_at"]) == (True, None)


@pytest.mark.parametrize(
    "body",
    [{"hidden": None}, {"available": "maybe"}, {"publish_at": "2026-12-24T18:00:00"}, {"expire_at": "x"}],
)
async def test_what_says_nothing_clear_is_refused(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await http.patch(PRODUCT, json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == next(iter(body))


@pytest.mark.parametrize(
    "address", ["/items/PRODUCT001", "/content/course1", "/content/PRODUCT001?kind=product"]
)
async def test_any_item_can_be_deleted(http: httpx.AsyncClient, address: str) -> None:
    assert (await http.delete(address)).status_code == 204
    assert (await http.delete(address)).status_code == 404
    assert (await http.get(address)).status_code == 404


async def test_a_product_is_no_content(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/content/PRODUCT001")).status_code == 404
    assert (await http.get(PRODUCT)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_item_that_is_not_there(http: httpx.AsyncClient, method: str) -> None:
    body = {"hidden": True} if method == "PATCH" else None
    answer = await http.request(method, "/items/nothing", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "item_not_found")
