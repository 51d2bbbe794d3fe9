"""A database that can hang: a proxy on a Unix socket that stops forwarding, as a stopped server does."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """Between a pool and the server; connections are taken, and nothing is answered, while it hangs."""

    def __init__(self, dsn: str) -> None:
        self._components = urlsplit(dsn)
        self._server = Path(parse_qs(self._components.query)["host"][0]) / _SOCKET
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._folder = tempfile.TemporaryDirectory(prefix="proxy-")
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dsn(self) -> str:
        """Where the proxy listens."""
        return urlunsplit(self._components._replace(query=f"host={self._folder.name}"))

    def hang(self) -> None:
        """Forward nothing from now on."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Forward what has waited, and everything again."""
        self._flowing.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listen for the block."""
        listening = await asyncio.start_unix_server(self._accept, Path(self._folder.name) / _SOCKET)
        try:
            yield self
        finally:
            self.go_on()
            listening.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._folder.cleanup()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._server)
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while part := await source.read(65_536):
                await self._flowing.wait()
                target.write(part)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()
            with suppress(ConnectionError):
                await target.wait_closed()
