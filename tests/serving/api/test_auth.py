"""Who may ask: keys, and the refusal to listen beyond this machine without any."""

from typing import Any

import pytest

from database.settings import Settings
from serving.api.auth import ExposureRefusedError, bind_host, refuse_exposure

KEYED = {"api_keys": "first-key, second-key"}
CLICK = {"user_id": "user123", "event_type": "product_click", "product_id": "ABCD1234XY"}
EVENTS = "/api/v1/interactions/interactions"


def settings_of(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "first-key"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", EVENTS),
        ("POST", EVENTS + "/"),
        ("POST", "/users"),
        ("PUT", "/users/a"),
        ("POST", "/content/"),
        ("POST", "/training"),
        ("POST", "/training/train"),
        ("POST", "/recommendations/interact"),
        ("POST", "/recommendations/feedback"),
        ("DELETE", "/api/articles/1"),
        ("PATCH", "/api/articles/1/"),
        ("GET", "/api/v1/metrics"),
        ("POST", "/nowhere"),
    ],
)
async def test_with_keys_set_writes_training_and_administration_need_one(
    served: Any, method: str, path: str, headers: dict[str, str]
) -> None:
    http = await served(settings_of(**KEYED))
    answer = await http.request(method, path, json=CLICK if method != "GET" else None, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (401, "unauthorized")


@pytest.mark.parametrize("headers", [{"X-API-Key": "first-key"}, {"Authorization": "Bearer second-key"}])
async def test_any_of_the_keys_opens(served: Any, headers: dict[str, str]) -> None:
    http = await served(settings_of(**KEYED))
    assert (await http.post(EVENTS, json=CLICK, headers=headers)).status_code == 200


async def test_reads_are_open_unless_the_setting_says_otherwise(served: Any) -> None:
    reads = [
        ("GET", "/status", None),
        ("POST", "/search/", {"query": "mug"}),
        ("POST", "/recommendations", {"user_id": "a"}),
        ("POST", "/recommendations/cart", {"items": ["PRODUCT001"]}),
        ("POST", "/matrix_factor/user", {"user_id": "a"}),
        ("POST", "/api/recommend/", {"query": "mug"}),
    ]
    for reads_need_key, status in ((False, 200), (True, 401)):
        http = await served(settings_of(**KEYED, reads_need_key=reads_need_key))
        for method, path, body in reads:
            assert (await http.request(method, path, json=body)).status_code == status


@pytest.mark.parametrize(
    ("host", "values", "refused"),
    [
        ("127.0.0.1", {}, False),
        ("::1", {}, False),
        ("localhost", {}, False),
        ("0.0.0.0", {}, True),
        ("10.0.0.5", {"api_keys": " , "}, True),
        ("shop.example", {}, True),
        ("0.0.0.0", KEYED, False),
        ("0.0.0.0", {"allow_public_without_keys": True}, False),
    ],
)
def test_listening_beyond_loopback_needs_keys_or_force(host: str, values: Any, refused: bool) -> None:
    settings = settings_of(service_host=host, **values)
    if refused:
        with pytest.raises(ExposureRefusedError, match="SHORTLIST_API_KEYS"):
            refuse_exposure(settings)
    else:
        refuse_exposure(settings)


@pytest.mark.parametrize(
    ("arguments", "environment", "host"),
    [
        (["serve", "serving.service:Shortlist", "--host", "0.0.0.0", "--port", "1"], {}, "0.0.0.0"),
        (["serve", "--host=10.0.0.5"], {"BENTOML_HOST": "::"}, "10.0.0.5"),
        (["serve"], {"BENTOML_HOST": "0.0.0.0"}, "0.0.0.0"),
        (["serve", "--port", "1"], {}, None),
    ],
)
def test_the_address_of_the_command_line_counts_too(
    arguments: list[str], environment: dict[str, str], host: str | None
) -> None:
    assert bind_host(arguments, environment) == host
    if host is not None:
        with pytest.raises(ExposureRefusedError, match=host):
            refuse_exposure(settings_of(), host)
        refuse_exposure(settings_of(**KEYED), host)


@pytest.mark.parametrize("reads_need_key", [True, False])
async def test_a_public_key_reads_and_logs_events_only(served: Any, reads_need_key: bool) -> None:
    http = await served(settings_of(**KEYED, public_keys="in-the-page", reads_need_key=reads_need_key))
    page = {"X-API-Key": "in-the-page"}
    assert (await http.get("/v1/items/PRODUCT001", headers=page)).status_code == 200
    assert (await http.post("/search", json={"query": "mug"}, headers=page)).status_code == 200
    assert (await http.post("/v1/events", content=b"nonsense", headers=page)).status_code == 400
    assert (await http.post("/v1/events", content=b"nonsense")).status_code == 401
    for method, path in (
        ("PUT", "/v1/items/a"),
        ("DELETE", "/v1/events/a"),
        ("PUT", "/v1/event-types"),
        ("POST", "/v1/items:batch"),
        ("POST", "/v1/users:batch"),
        ("POST", "/users"),
        ("POST", EVENTS),
        ("GET", "/api/v1/metrics"),
    ):
        assert (await http.request(method, path, headers=page, json={})).status_code == 403, path
