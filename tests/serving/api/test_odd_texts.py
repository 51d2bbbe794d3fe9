"""Texts that can't be stored or encoded are refused, whatever field they come in; all others are taken."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CLICK: dict[str, Any] = {"user_id": "ann", "content_id": "course1", "interaction_type": "click"}
FEEDBACK: dict[str, Any] = {"user_id": "ann", "content_id": "course1", "feedback_type": "positive"}
CONTENT: dict[str, Any] = {"content_id": "c9", "title": "t"}
ARTICLE: dict[str, Any] = {"title": "t", "content": "c"}
ARM: dict[str, Any] = {"name": "now", "share": 0.5}

FIELDS = [
    ("POST", "/search", {"query": "gift"}, "query"),
    ("POST", "/api/recommend", {"query": "gift"}, "query"),
    ("POST", "/api/v1/interactions/interactions", {"user_id": "a", "event_type": "search_query"}, "query"),
    ("POST", "/api/v1/interactions/interactions", {"event_type": "search_query", "query": "q"}, "user_id"),
    ("POST", "/matrix_factor/similar", {}, "item_id"),
    ("POST", "/matrix_factor/user", {}, "user_id"),
    ("POST", "/recommendations", {}, "user_id"),
    ("POST", "/recommendations/interact", CLICK, "user_id"),
    ("POST", "/recommendations/interact", CLICK, "content_id"),
    ("POST", "/recommendations/interact", CLICK, "interaction_type"),
    ("POST", "/recommendations/feedback", FEEDBACK, "user_id"),
    ("POST", "/recommendations/feedback", FEEDBACK, "content_id"),
    ("POST", "/users", {}, "user_id"),
    ("POST", "/users", {"user_id": "ann"}, "interests.0"),
    ("POST", "/users", {"user_id": "ann"}, "skill_level"),
    ("PUT", "/users/ann", {}, "interests.0"),
    ("PUT", "/users/ann", {}, "skill_level"),
    ("POST", "/content", {"title": "t"}, "content_id"),
    ("POST", "/content", CONTENT, "title"),
    ("POST", "/content", CONTENT, "category"),
    ("POST", "/content", CONTENT, "tags.0"),
    ("POST", "/content", CONTENT, "description"),
    ("POST", "/api/articles", ARTICLE, "title"),
    ("POST", "/api/articles", ARTICLE, "content"),
    ("POST", "/api/articles", ARTICLE, "category"),
    ("PUT", "/api/articles/1", ARTICLE, "title"),
    ("PATCH", "/api/articles/1", {}, "content"),
    ("POST", "/training", {}, "model_type"),
    ("POST", "/training/rollback", {}, "reason"),
    ("POST", "/training/rollback", {"reason": "r"}, "bundle"),
    ("POST", "/experiments", {"kind": "ab", "arms": [ARM, ARM]}, "experiment_id"),
    ("POST", "/experiments/e/stop", {}, "reason"),
]
STRICT = ("/training/rollback", "/experiments")
HALF = "gift \ud83c"


def body_with(body: dict[str, Any], field: str, value: str) -> bytes:
    """The body as JSON, escapes for what is not ASCII, as `json.dumps` and browsers write it."""
    name, _, listed = field.partition(".")
    return json.dumps({**body, name: [value] if listed else value}).encode()


async def send(http: httpx.AsyncClient, method: str, path: str, content: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return await http.request(method, path, content=content, headers=headers)


@pytest.mark.parametrize(("method", "path", "body", "field"), FIELDS)
@pytest.mark.parametrize("bad", [HALF, "\udf81", "a\x00b", "\ud83c\ud83c"])
async def test_half_a_character_and_nul_are_refused_by_name(
    http: httpx.AsyncClient, plane: Any, method: str, path: str, body: dict[str, Any], field: str, bad: str
) -> None:
    before = (len(plane.items), len(plane.users), len(plane.events))
    answer = await send(http, method, path, body_with(body, field, bad))
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["field"] == field
    assert (len(plane.items), len(plane.users), len(plane.events)) == before


@pytest.mark.parametrize("path", ["/search", "/api/recommend"])
async def test_a_query_with_half_an_emoji_is_a_bad_request_and_a_whole_one_is_not(
    http: httpx.AsyncClient, path: str
) -> None:
    refused = await send(http, "POST", path, b'{"query":"gift \\ud83c"}')
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_request")
    assert "surrogate" in refused.json()["detail"]
    assert (await send(http, "POST", path, b'{"query":"gift \\ud83c\\udf81"}')).status_code == 200


async def test_surrogates_written_as_bytes_are_refused_too(http: httpx.AsyncClient) -> None:
    answer = await send(http, "POST", "/search", b'{"query":"gift \xed\xa0\xbc"}')
    assert answer.status_code == 400
    assert (await send(http, "POST", "/search", b'{"query":"gift \xff"}')).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/training/rollback", {"reason": "r", "\ud83c": 1}),
        ("/training/rollback", {"reason": "r", "x" * 50_000: 1}),
        ("/experiments", {"experiment_id": "e", "arms": [{**ARM, "blend": {"\ud83c": {}}}, ARM]}),
        ("/experiments", {"experiment_id": "e", "arms": [{**ARM, "blend": {"\ud83c": {"x": "y"}}}, ARM]}),
    ],
)
async def test_an_error_about_a_field_with_an_odd_name_can_be_written(
    http: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    answer = await send(http, "POST", path, json.dumps(body).encode())
    assert answer.status_code == 422, answer.text
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "path",
    [
        "/recommendations/home?user_id={}",
        "/recommendations/search?query={}",
        "/recommendations/product/{}",
        "/recommendations/home?user_id=a&kind={}",
        "/api/v1/interactions/interactions/{}",
        "/users/{}",
        "/content/{}",
        "/content/category/{}",
        "/api/articles/{}",
        "/experiments/{}",
        "/training/status?run_id={}",
    ],
)
@pytest.mark.parametrize("text", ["%ED%A0%BC", "%00", "a%00b", "%FF", "%E2%80%8F", "%0A", "%F0%9F%8E%81"])
async def test_no_text_in_an_address_is_a_failure(http: httpx.AsyncClient, path: str, text: str) -> None:
    answer = await http.get(path.format(text))
    assert answer.status_code < 500 or answer.json()["error"]["code"] == "airflow_unavailable"
    if "%00" in text:
        assert answer.status_code in (400, 404, 422)


ODD = st.one_of(
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=80),
    st.text(st.sampled_from("\x00\x07\u200f\u202e\u0301\ud83c\udf81\ufeff\U000e0001aא "), min_size=1),
    st.sampled_from(["x" * 100_000, "e" + "\u0301" * 300, "\u202e" * 255]),
)


@given(case=st.sampled_from([case for case in FIELDS if not case[1].startswith(STRICT)]), text=ODD)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_any_text_is_taken_whole_or_refused_by_name(
    http: httpx.AsyncClient, plane: Any, case: tuple[str, str, dict[str, Any], str], text: str
) -> None:
    method, path, body, field = case
    plane.users.clear()
    plane.items.pop("c9", None)
    answer = await send(http, method, path, body_with(body, field, text))
    assert answer.status_code < 500, answer.text
    if answer.status_code in (400, 422):
        assert answer.json()["error"]["field"] == field
    elif answer.is_success:
        read = json.loads(json.dumps(text))  # two halves that belong together are one character of JSON
        read.encode()
        assert "\x00" not in read
