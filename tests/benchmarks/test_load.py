"""The closed-loop load asks anew where a server closes a connection."""

import asyncio

import pytest

from benchmarks.load import LoadResult, drive, get

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: %s\r\n\r\nok"


@pytest.mark.parametrize(("says_so", "fails"), [(True, False), (False, True)])
def test_a_connection_that_the_server_closes_is_a_failure_only_where_it_says_nothing(
    says_so: bool, fails: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for last in (False, False, True):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER % (b"close" if last and says_so else b"keep-alive"))
            await writer.drain()
        writer.close()

    async def load() -> LoadResult:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await drive(server.sockets[0].getsockname()[1], [get("/")], 0.3, 2)

    result = asyncio.run(load())

    assert result.requests > 6
    assert (result.failed > 0) == fails
