"""Idempotency-Key on two real workers: an interaction sent again is stored once and answered alike."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

Post = Callable[..., httpx.Response]
SHOP = "/api/v1/interactions/interactions"
CLICK = {"user_id": "ann", "event_type": "product_click", "product_id": "ABCD1234XY"}
LIKE = {"user_id": "bob", "content_id": "tut1", "interaction_type": "like"}


@pytest.fixture
def post(addresses: tuple[str, str]) -> Post:
    """Sends to one worker and then the other, in turn."""
    turn = 0

    def send(path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
        nonlocal turn
        turn += 1
        headers = {} if key is None else {"Idempotency-Key": key}
        return httpx.post(addresses[turn % 2] + path, json=body, headers=headers, timeout=30)

    return send


def stored(address: str, user_id: str) -> int:
    return len(httpx.get(f"{address}{SHOP}/{user_id}").json()["interactions"])


def test_a_click_sent_again_counts_once(post: Post, address: str) -> None:
    answers = [post(SHOP, CLICK, '"one-click"') for _ in range(3)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 3
    assert stored(address, "ann") == 1
    post(SHOP, CLICK, '"another"')
    post(SHOP, CLICK)
    post(SHOP, CLICK)
    assert stored(address, "ann") == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/recommendations/interact", LIKE | {"interaction_type": "view_time", "duration_seconds": 1.1}),
        ("/recommendations/feedback", {"user_id": "bob", "content_id": "tut1", "feedback_type": "neutral"}),
    ],
)
def test_it_is_answered_as_the_first_time(post: Post, address: str, path: str, body: dict[str, Any]) -> None:
    post("/content", {"content_id": "tut1", "title": "Python for beginners"})
    before = stored(address, "bob")
    key = f'"{path}"'
    with ThreadPoolExecutor(6) as senders:
        answers = list(senders.map(lambda _: post(path, body, key), range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert stored(address, "bob") == before + 1


def test_a_key_stands_for_one_interaction(post: Post) -> None:
    assert post(SHOP, CLICK | {"user_id": "eve"}, "plain-key").status_code == 200
    other = post(SHOP, CLICK | {"user_id": "eve", "product_id": "OTHER00001"}, '"plain-key"')
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


def test_a_key_is_a_users_own(post: Post, address: str) -> None:
    for user in ("kim", "lee"):
        assert post(SHOP, CLICK | {"user_id": user}, '"1"').status_code == 200
    assert [stored(address, user) for user in ("kim", "lee")] == [1, 1]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, 'half"quoted'])
def test_what_is_no_key_is_refused(post: Post, key: str) -> None:
    refused = post(SHOP, CLICK, key)
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "Idempotency-Key")
