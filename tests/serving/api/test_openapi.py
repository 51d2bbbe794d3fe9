"""The OpenAPI document: complete, its examples work, and no request of its kind fails the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from client import RequestRefused, Shortlist
from database.settings import Settings
from serving.api.app import create_app
from serving.plane import LivePlane

OPERATIONS = 63
NOT_TRAINED = "/matrix_factor/similar"
_ERROR = ("application/json", "ErrorAnswer")
_PROBLEM = ("application/problem+json", "Problem")
STOP = "/experiments/{experiment_id}/stop"


@pytest.fixture(scope="module")
def stocked(address: str) -> None:
    """A user, a content item and an article to find."""
    with Shortlist(address, attempts=8) as shortlist:
        shortlist.create_user("user123", interests=["ml"])
        shortlist.create_content("content456", "ML Basics", category="machine-learning")
        shortlist.create_article("New Tech Trend", "Quantum computing is changing encryption.")


@pytest.fixture(scope="module")
def document(address: str, stocked: None) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"{address}/openapi.json").json()
    return answer


@schemathesis.serializer("application/x-ndjson")
def sent_as_lines(ctx: Any, value: Any) -> bytes:
    """Any text: of what is generated as lines hardly any is one."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@asynccontextmanager
async def never_opened() -> AsyncIterator[LivePlane]:
    raise RuntimeError("only the document of this app is read")
    yield


schema = schemathesis.openapi.from_dict(create_app(never_opened, Settings(_env_file=None)).openapi())


@schema.parametrize()
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_request_fails_the_service(case: Any, address: str, stocked: None) -> None:
    response = case.call(base_url=address)
    if case.path == NOT_TRAINED and response.status_code == 503:
        return
    case.validate_response(
        response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
    )


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    listed = operations(document)
    assert len(listed) == OPERATIONS
    for method, path, operation in listed:
        assert operation["summary"], (method, path)
        if "requestBody" in operation:
            media = operation["requestBody"]["content"]["application/json"]
            assert media.get("examples") or _schema_examples(document, media["schema"]), (method, path)


def test_errors_have_one_documented_shape(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                kind, name = _PROBLEM if path.startswith("/v1/") else _ERROR
                assert response["content"][kind]["schema"] == {"$ref": f"#/components/schemas/{name}"}, path
                assert len(response["content"]) == 1, (method, path, status)


def test_examples_of_bodies_work_as_given(address: str, document: dict[str, Any]) -> None:
    with Shortlist(address) as shortlist:
        article = shortlist.create_article("Title", "Content")["id"]
        with suppress(RequestRefused):  # it is there, unless a generated request has deleted it
            shortlist.create_content("content456", "ML Basics", category="machine-learning")
    for method, path, operation in operations(document):
        if "requestBody" not in operation:
            continue
        url = path.replace("{user_id}", "user123").replace("{article_id}", str(article))
        url = url.replace("{experiment_id}", "more-cf").replace("{item_id}", "content456")
        for body in _examples(document, operation["requestBody"]["content"]["application/json"]):
            answer = httpx.request(method, address + url, json=body)
            gone = body == {"article_id": 1} and answer.status_code == 404
            repeated = answer.status_code == 409
            missing = path in (NOT_TRAINED, STOP, "/v1/similar") and answer.status_code == 404
            assert answer.is_success or repeated or missing or gone, (method, path, answer.text)


def test_batches_are_described_as_lines_too_and_their_examples_work(
    address: str, document: dict[str, Any]
) -> None:
    kind, found = "application/x-ndjson", []
    for method, path, operation in operations(document):
        lines = operation.get("requestBody", {}).get("content", {}).get(kind)
        if lines is None:
            continue
        found.append(path)
        for body in _examples(document, lines):
            headers = {"Content-Type": kind, "Accept": kind}
            answer = httpx.request(method, address + path, content=body, headers=headers)
            assert answer.status_code == 200, (path, answer.text)
            if kind in operation["responses"]["200"]["content"]:
                assert answer.headers["content-type"].startswith(kind)
                assert len(answer.text.splitlines()) == len(body.splitlines()) > 1
    assert sorted(found) == ["/v1/events", "/v1/items:batch", "/v1/users:batch"]
    for path in ("/v1/items:batch", "/v1/users:batch"):
        for status in ("200", "207"):
            assert document["paths"][path]["post"]["responses"][status]["content"].keys() == {
                "application/json",
                kind,
            }


def _examples(document: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    if "examples" in media:
        return [example["value"] for example in media["examples"].values()]
    return _schema_examples(document, media["schema"])


def _schema_examples(document: dict[str, Any], schema: dict[str, Any]) -> list[Any]:
    if "examples" in schema:
        return list(schema["examples"])
    name = schema["$ref"].rpartition("/")[2]
    return list(document["components"]["schemas"][name].get("examples", []))
