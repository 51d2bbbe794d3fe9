"""Batches of lines over a connection: read as they come, stored when all have come, or not at all."""

import http.client
import json
import socket

import httpx
import pytest

Workers = tuple[httpx.Client, httpx.Client]


class HalfSent:
    """A request for a batch of lines whose end does not come by itself."""

    def __init__(self, shop: httpx.Client, path: str, headers: str = "") -> None:
        self._socket = socket.create_connection((shop.base_url.host, shop.base_url.port or 80), timeout=60)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{headers}\r\n"
        self._socket.sendall(head.encode())

    def send(self, lines: bytes) -> None:
        self._socket.sendall(b"%x\r\n%b\r\n" % (len(lines), lines))

    def end(self) -> None:
        self._socket.sendall(b"0\r\n\r\n")

    def answer(self) -> tuple[int, bytes]:
        """Status and body."""
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        return answer.status, answer.read()

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("path", ["/v1/items:batch", "/v1/users:batch"])
def test_a_line_too_many_is_refused_while_the_body_is_still_coming(workers: Workers, path: str) -> None:
    one, other = workers
    batch = HalfSent(one, path)
    batch.send(b"".join(b'{"id": "long-%d"}\n' % number for number in range(10_001)))
    status, body = batch.answer()
    assert (status, b"None of them is stored" in body) == (422, True)
    assert other.get(f"{path.removesuffix(':batch')}/long-0").status_code == 404
    batch.close()


@pytest.mark.parametrize("path", ["/v1/items:batch", "/v1/users:batch"])
def test_slow_senders_hold_up_nobody_and_one_that_is_gone_stores_nothing(workers: Workers, path: str) -> None:
    one, other = workers
    slow = [HalfSent(one, path, "Accept: application/x-ndjson\r\n") for _ in range(30)]
    for number, batch in enumerate(slow):
        batch.send(b'{"id": "slow-%d"}\n{broken\n' % number)
    assert one.put("/v1/items/beside", json={"title": "x"}).status_code in (200, 201)
    assert one.put("/v1/users/beside", json={}).status_code in (200, 201)
    for batch in slow[1:]:
        batch.close()
    slow[0].send(b'{"id": "slow-end"}')
    slow[0].end()
    status, body = slow[0].answer()
    results = [json.loads(line) for line in body.splitlines()]
    assert status == 207, body
    assert [(row["id"], row["status"]) for row in results] == [
        ("slow-0", 201),
        (None, 422),
        ("slow-end", 201),
    ]
    things = path.removesuffix(":batch")
    shown = [other.get(f"{things}/slow-{number}").status_code for number in (0, "end", *range(1, 30))]
    assert shown == [200, 200, *[404] * 29]
    slow[0].close()
