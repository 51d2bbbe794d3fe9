"""The embedded server: initialised once, its data kept, restarted after any death."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from database.connection import embedded_url, libpq_url
from database.data_directory import EmbeddedError, prepare, socket_directory
from database.embedded import EmbeddedServer, accepts_connections
from database.schema import create_database

pytestmark = pytest.mark.database


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        yield Path(folder)


def query(directory: Path, statement: str) -> list[tuple[object, ...]]:
    conn = psycopg2.connect(libpq_url(embedded_url(directory, "shortlist")))
    try:
        with conn, conn.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        conn.close()


def test_committed_rows_survive_a_kill(home: Path) -> None:
    directory = home / "postgres"
    with EmbeddedServer(directory) as server:
        query(directory, "create table kept as select 1 as value")
        os.kill(server.pid, signal.SIGKILL)
    with EmbeddedServer(directory):
        assert query(directory, "select value, current_setting('fsync') from kept") == [(1, "on")]
    assert not accepts_connections(directory)


def test_a_folder_with_a_space_and_a_percent_sign(home: Path) -> None:
    directory = home / "a b%20c" / "postgres"
    directory.parent.mkdir()
    with EmbeddedServer(directory):
        create_database(embedded_url(directory, "mlflow"))
        with psycopg2.connect(libpq_url(embedded_url(directory, "mlflow"))) as conn:
            assert conn.info.dbname == "mlflow"
        conn.close()


def test_foreground_server_replaces_a_leftover(home: Path) -> None:
    directory = home / "postgres"
    command = [sys.executable, "-m", "database.embedded", "--directory", str(directory)]
    first = _started(command, directory)
    second = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        assert first.wait(20) is not None
        _wait_until(lambda: accepts_connections(directory))
        assert query(directory, "select pg_backend_pid() > 0") == [(True,)]
    finally:
        second.send_signal(signal.SIGINT)
        assert second.wait(20) == 0


def test_stale_lock_file_is_removed(home: Path) -> None:
    directory = home / "postgres"
    prepare(directory)
    (directory / "postmaster.pid").write_text(f"{os.getpid()}\n{directory}\n0\n5432\n\n\n\nready\n")
    with EmbeddedServer(directory):
        assert query(directory, "select 1") == [(1,)]


def test_half_finished_initialisation_is_redone(home: Path) -> None:
    (home / "postgres.initialising").mkdir()
    (home / "postgres.initialising" / "PG_VERSION").write_text("18")
    prepare(home / "postgres")
    assert (home / "postgres" / "global").is_dir()


def test_foreign_directory_is_left_alone(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedError, match="not empty"):
        prepare(home / "postgres")


def test_long_path_gets_a_short_socket(home: Path) -> None:
    directory = home / ("long" * 25)
    assert len(str(socket_directory(directory))) < 60
    with EmbeddedServer(directory):
        assert query(directory, "select 1") == [(1,)]
        assert socket_directory(directory).is_dir()
    assert not socket_directory(directory).exists()


def _started(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _wait_until(lambda: accepts_connections(directory))
    return process


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_texts_are_compared_without_a_locale_of_the_system(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS 14 and minimal systems have no C.UTF-8."""
    monkeypatch.setenv("LC_ALL", "xx_NONE.UTF-8")
    directory = home / "postgres"
    with EmbeddedServer(directory):
        found = query(
            directory,
            "select datlocprovider, datcollate, datlocale, lower('ÄÉ'), 'a' < 'B' from pg_database "
            "where datname = current_database()",
        )
        assert found == [("b", "C", "C.UTF-8", "äé", False)]
