"""A closed-loop load: so many connections, each asking again once it is answered; HTTP/1.1 over asyncio."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter

DROPPED = 599
"""The status of a request whose connection was closed before an answer."""


@dataclass(frozen=True)
class LoadResult:
    """Requests under a load: how many, how fast."""

    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p95_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def get(path: str) -> bytes:
    """A GET request as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """A POST request of JSON as it goes over the wire."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def drive(
    port: int, requests: Sequence[bytes], seconds: float, connections: int, rate: float | None = None
) -> LoadResult:
    """Ask a server on loopback for some seconds.

    Args:
        requests: asked in turn.
        connections: how many ask at a time.
        rate: requests a second in all, evenly spread; a late answer delays only its own connection. None: as
            fast as they are answered.
    """
    times: list[float] = []
    failures: list[int] = []
    started = perf_counter()
    until = started + seconds
    asked = [
        cycle([*requests[start:], *requests[:start]]) for start in range(min(connections, len(requests)))
    ]

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        own, count = asked[number % len(asked)], 0
        while (now := perf_counter()) < until:
            if rate is not None:
                due = started + (number + count * connections) / rate
                if due > now:
                    await asyncio.sleep(due - now)
            began = perf_counter()
            writer.write(next(own))
            try:
                status, _, closes = await _read(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                # Idle for longer than the server waits, as on a busy machine: counted, and asked anew.
                status, closes = DROPPED, True
            if closes:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            times.append(perf_counter() - began)
            count += 1
            if status >= 400:
                failures.append(status)
        writer.close()

    await asyncio.gather(*(ask(number) for number in range(connections)))
    times.sort()
    return LoadResult(
        len(times),
        len(failures),
        perf_counter() - started,
        1000 * times[len(times) // 2],
        1000 * times[int(0.95 * (len(times) - 1))],
    )


async def size_of(port: int, request: bytes) -> int:
    """How many bytes the body of the answer has. Raises RuntimeError for an answer that is an error."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    status, length, _ = await _read(reader)
    writer.close()
    if status >= 400:
        raise RuntimeError(f"the answer's status is {status}")
    return length


async def _read(reader: asyncio.StreamReader) -> tuple[int, int, bool]:
    """Read one answer with a length; gives its status, its length, and whether the server closes after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    await reader.readexactly(length)
    return int(head[9:12]), length, b"connection: close" in lines
