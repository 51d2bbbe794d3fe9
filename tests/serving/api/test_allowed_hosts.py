"""A page of another site can't reach the service by pointing its own name at it (DNS rebinding)."""

from typing import Any

import pytest

from database.settings import Settings
from serving.api.allowed_hosts import allowed_hosts, is_allowed


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:3000", 200),
        ("localhost.", 200),
        ("127.0.0.1:3000", 200),
        ("[::1]:3000", 200),
        ("[::1]", 200),
        ("192.168.1.7:3000", 200),
        ("shop.example", 200),
        ("Shop.Example:443", 200),
        ("api.inner.example", 200),
        ("evil.example", 421),
        ("inner.example.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[evil.example]", 421),
        ("a" * 300 + ".inner.example", 421),
        ("", 421),
    ],
)
async def test_only_known_hosts_are_served(served: Any, host: str, status: int) -> None:
    settings = Settings(_env_file=None, allowed_hosts="shop.example, .inner.example")
    http = await served(settings)
    for method, path in (("GET", "/status"), ("POST", "/training/train"), ("GET", "/nothing")):
        answer = await http.request(method, path, headers={"Host": host})
        assert (answer.status_code == 421) == (status == 421), path
    refused = await http.get("/status", headers={"Host": "evil.example"})
    assert refused.json()["error"]["code"] == "host_not_allowed"
    assert "X-Request-ID" in refused.headers


async def test_a_star_allows_any_host(served: Any) -> None:
    http = await served(Settings(_env_file=None, allowed_hosts="*"))
    assert (await http.get("/status", headers={"Host": "any.example"})).status_code == 200


def test_the_host_that_it_listens_on_is_allowed() -> None:
    assert is_allowed("box:3000", allowed_hosts(Settings(_env_file=None, service_host="Box")))
