"""What the client sends again, what it raises, and that both clients have the same methods."""

import inspect
import re
from collections.abc import Callable, Iterator

import httpx
import pytest

import client
from client import (
    AnswerUnreadable,
    AsyncShortlist,
    NotFound,
    RequestRefused,
    ServiceFailed,
    Shortlist,
    TooManyRequests,
)
from client.calls import Call
from serving.api.auth import READS_BY_POST

Answers = Iterator[httpx.Response | Exception]


def refusal(status: int, code: str) -> httpx.Response:
    error = {"code": code, "message": "no", "field": "user_id"}
    return httpx.Response(status, json={"detail": "no", "error": error})


def server(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A transport that gives the answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    queue = iter(answers)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        answer = next(queue)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return httpx.MockTransport(handle), asked


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def blocking(
    *answers: httpx.Response | Exception, attempts: int = 3
) -> tuple[Shortlist, list[httpx.Request]]:
    transport, asked = server(*answers)
    return Shortlist("http://s.test", api_key="key", transport=transport, attempts=attempts), asked


def test_503_and_no_connection_are_sent_again() -> None:
    shortlist, asked = blocking(
        httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(200, json={"database": {}})
    )
    assert shortlist.status() == {"database": {}}
    assert len(asked) == 3


@pytest.mark.parametrize(
    "failures", [[httpx.Response(503)] * 3, [httpx.ConnectError("refused")] * 3, [httpx.Response(500)]]
)
def test_the_last_failure_is_raised(failures: list[httpx.Response | Exception]) -> None:
    shortlist, asked = blocking(*failures)
    with pytest.raises(ServiceFailed):
        shortlist.status()
    assert len(asked) == len(failures)


DROPPED = [httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.RemoteProtocolError("closed")]


@pytest.mark.parametrize("dropped", DROPPED, ids=repr)
def test_a_request_that_may_have_been_done_is_not_sent_again(dropped: Exception) -> None:
    calls: tuple[Callable[[Shortlist], object], ...] = (
        lambda shortlist: shortlist.create_user("ann"),
        lambda shortlist: shortlist.create_article("a", "b"),
        lambda shortlist: shortlist.train(),
    )
    for send in calls:
        shortlist, asked = blocking(dropped)
        with pytest.raises(ServiceFailed):
            send(shortlist)
        assert len(asked) == 1


@pytest.mark.parametrize("dropped", DROPPED, ids=repr)
def test_what_may_be_done_twice_is_sent_again_after_a_dropped_connection(dropped: Exception) -> None:
    calls: tuple[Callable[[Shortlist], object], ...] = (
        lambda shortlist: shortlist.click("a", "ABCD1234XY"),
        lambda shortlist: shortlist.home("a"),
        lambda shortlist: shortlist.items_for_user("a"),
        lambda shortlist: shortlist.delete_article(1),
        lambda shortlist: shortlist.update_user("a", interests=["tea"]),
    )
    for send in calls:
        shortlist, asked = blocking(dropped, httpx.Response(200, json={"recommendations": []}))
        send(shortlist)
        assert len(asked) == 2


def test_the_service_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    busy = [httpx.Response(status, headers={"Retry-After": "2"}) for status in (503, 429)]
    shortlist, asked = blocking(*busy, httpx.Response(200, json={}), attempts=4)
    assert shortlist.status() == {}
    assert waits == [2, 2] and len(asked) == 3


def test_no_wait_is_longer_than_ten_seconds_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    shortlist, asked = blocking(httpx.Response(503, headers={"Retry-After": "3600"}))
    with pytest.raises(ServiceFailed):
        shortlist.status()
    assert (waits, len(asked)) == ([], 1)


def test_too_many_requests_is_an_error_of_its_own() -> None:
    shortlist, asked = blocking(*[refusal(429, "too_many_requests")] * 3)
    with pytest.raises(TooManyRequests):
        shortlist.home("a")
    assert len(asked) == 3


@pytest.mark.parametrize("body", ["<html>a login page</html>", "[1]", '{"other": 1}', "null", "\x00"])
def test_a_success_that_is_no_answer_is_an_error_of_its_own(body: str) -> None:
    shortlist, _ = blocking(httpx.Response(200, text=body))
    with pytest.raises(AnswerUnreadable, match="200"):
        shortlist.similar_products("A")


@pytest.mark.parametrize(("status", "kind"), [(400, RequestRefused), (404, NotFound), (422, RequestRefused)])
def test_refusals_carry_status_code_message_and_field(status: int, kind: type[RequestRefused]) -> None:
    shortlist, asked = blocking(refusal(status, "some_code"))
    with pytest.raises(kind) as caught:
        shortlist.home("a")
    refused = caught.value
    assert (refused.status, refused.code, refused.message, refused.field) == (
        status,
        "some_code",
        "no",
        "user_id",
    )
    assert len(asked) == 1


def test_an_error_that_is_no_json_is_still_an_error() -> None:
    shortlist, _ = blocking(httpx.Response(502, text="<html>"))
    with pytest.raises(ServiceFailed, match="502"):
        shortlist.status()


def test_the_key_travels_and_ids_are_quoted() -> None:
    shortlist, asked = blocking(httpx.Response(200, json={"similar": []}))
    with shortlist:
        shortlist.similar_products("A/B?C", limit=5)
    assert asked[0].headers["x-api-key"] == "key"
    assert asked[0].url.raw_path == b"/recommendations/product/A%2FB%3FC?response_limit=5"


def test_an_interaction_keeps_its_key_when_it_is_sent_again() -> None:
    shortlist, asked = blocking(*[httpx.Response(503), httpx.Response(200)] * 2)
    shortlist.click("a", "ABCD1234XY")
    shortlist.click("a", "ABCD1234XY")
    first, again, second, _ = [request.headers["idempotency-key"] for request in asked]
    assert first == again != second
    assert re.fullmatch(r'"[0-9a-f-]{36}"', first)


async def test_the_asynchronous_client_sends_again_too() -> None:
    transport, asked = server(httpx.Response(503), httpx.Response(200, json={"status": "idle"}))
    async with AsyncShortlist("http://s.test", transport=transport) as shortlist:
        assert (await shortlist.training_status())["status"] == "idle"
    assert len(asked) == 2


def test_both_clients_have_the_same_methods() -> None:
    def methods(of: type) -> dict[str, Callable[..., object]]:
        return {name: value for name, value in vars(of).items() if not name.startswith("_")}

    ours, theirs = methods(Shortlist), methods(AsyncShortlist)
    assert ours.keys() - {"close"} == theirs.keys() - {"aclose"}
    for name in ours.keys() - {"close"}:
        assert inspect.signature(ours[name]) == inspect.signature(theirs[name])


def test_a_method_shows_the_parameters_and_the_result_of_its_endpoint() -> None:
    with Shortlist("http://s.test") as shortlist:
        assert str(inspect.signature(shortlist.articles)) == (
            "(*, page: int | None = None, page_size: int | None = None) -> client.types.ArticlePage"
        )
        assert shortlist.articles.__doc__ == "One page of articles."


def test_exported_names() -> None:
    assert sorted(client.__all__) == [
        "AnswerUnreadable",
        "AsyncShortlist",
        "NotFound",
        "RequestRefused",
        "ServiceFailed",
        "Shortlist",
        "ShortlistError",
        "TooManyRequests",
    ]


@pytest.mark.parametrize(
    "undone",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")],
    ids=repr,
)
def test_what_never_left_is_sent_again_even_where_it_may_be_done_once_only(undone: Exception) -> None:
    shortlist, asked = blocking(undone, httpx.Response(200, json={}))
    shortlist.create_user("ann")
    assert len(asked) == 2


@pytest.mark.parametrize("path", sorted(READS_BY_POST))
def test_whatever_the_service_takes_for_a_read_is_sent_again(path: str) -> None:
    assert Call("POST", path, lambda body: body).repeatable
    assert not Call("POST", f"{path}/other", lambda body: body).repeatable
