"""What the client sends for items and users of /v1, and where."""

from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import shop
from client.calls import Call

IDS = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@given(IDS)
def test_an_id_is_one_part_of_the_path_whatever_it_holds(some_id: str) -> None:
    for call, before, after in (
        (shop.get_item(some_id), "/v1/items/", ""),
        (shop.delete_item(some_id), "/v1/items/", ""),
        (shop.undo_event(some_id), "/v1/events/", ""),
        (shop.get_user(some_id), "/v1/users/", ""),
        (shop.merge_user(some_id, "visitor"), "/v1/users/", ":merge"),
    ):
        part = call.path.removeprefix(before).removesuffix(after)
        assert call.path == before + part + after
        assert not set(part) & set("/?#") and unquote(part) == some_id


@pytest.mark.parametrize("write", [shop.put_item, shop.patch_item, shop.put_user, shop.patch_user])
def test_what_was_read_is_sent_back_without_its_etag(write: Callable[..., Call[object]]) -> None:
    """The service refuses a field that it does not know; the tag of what was read goes into the header."""
    read = {"title": "teapot", "etag": '"7"'}
    free, bound = write("t1", read), write("t1", read, if_match=read["etag"])
    assert free.body == bound.body == {"title": "teapot"}
    assert (free.headers, bound.headers) == ({}, {"If-Match": '"7"'})
    assert read["etag"] == '"7"', "what the caller holds stays as it is"


def test_an_event_can_be_sent_again_and_each_call_is_another_request() -> None:
    first, second = shop.log_event({"type": "view"}), shop.log_event({"type": "view"})
    assert first.repeatable and second.repeatable
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]
