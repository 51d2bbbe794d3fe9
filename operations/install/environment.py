"""The folder of the virtual environment: whether it is the one wanted, and the making of it."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from operations.errors import InstallError
from operations.install.lock import LOCK, supported_versions
from operations.install.machine import GIGABYTE


def say(line: str) -> None:
    """Tell the operator."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def fingerprint(root: Path) -> str:
    """What the right environment is made from, and where: its scripts name the folder."""
    content = b"".join((root / name).read_bytes() for name in (LOCK, "pyproject.toml"))
    return f"{hashlib.sha256(content).hexdigest()} {root}"


def is_done(venv: Path, wanted: str, *, named: bool) -> bool:
    """Whether it has this fingerprint and, where a Python was named, is of the one that runs this."""
    with suppress(OSError):
        whole = (venv / ".installed").read_text() == f"{wanted}\n" and not (venv / ".installing").exists()
        return whole and _runs(venv) and (not named or _is_ours(venv))
    return False


def prepare(venv: Path, *, named: bool) -> None:
    """Make it, or keep the one there is, unless that was cut off, is broken or of another Python."""
    cut_off = (venv / ".installing").exists()
    if cut_off:
        say("An earlier installation was cut off; starting anew.")
    if cut_off or not _runs(venv) or not _is_supported(venv) or (named and not _is_ours(venv)):
        shutil.rmtree(venv, ignore_errors=True)
    if not venv.exists():
        say(f"Making the virtual environment (Python {platform.python_version()}).")
        venv.mkdir()
        (venv / ".installing").touch()
        command = [str(_base_python()), "-m", "venv", str(venv)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = " ".join((done.stdout + done.stderr).split())[-300:]
            raise InstallError(f"'{_base_python()}' could not make a virtual environment: {said}")
    (venv / ".installing").touch()
    (venv / ".installed").unlink(missing_ok=True)


@contextmanager
def only_one(root: Path) -> Iterator[int]:
    """Hold the lock of installations into this checkout; yields its file, which children hold as well.

    A child outlives an installation that was killed, and nobody may install beside it.
    """
    # Opened for writing: NFS gives no exclusive lock otherwise.
    with (root / LOCK).open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InstallError(
                f"Another installation into {root / '.venv'} is under way. Wait for it to end."
            ) from error
        yield lock.fileno()


@contextmanager
def showing_growth(folder: Path, expected: float) -> Iterator[None]:
    """On a terminal, tell every second how much of the disk was filled."""
    if not sys.stdout.isatty() or not expected:
        yield
        return
    ended, before = threading.Event(), shutil.disk_usage(folder).free

    def tell() -> None:
        while not ended.wait(1):
            grown = max(0, before - shutil.disk_usage(folder).free) / GIGABYTE
            sys.stdout.write(f"\r  {grown:.1f} of about {expected} GB ")
            sys.stdout.flush()

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        sys.stdout.write("\r\033[K")


def _runs(venv: Path) -> bool:
    """Whether there is a Python in it, and the Python that it was made of is still there."""
    return os.access(venv / "bin" / "python", os.X_OK)


def _is_supported(venv: Path) -> bool:
    oldest, above = supported_versions((venv.parent / "pyproject.toml").read_text())
    with suppress(OSError):
        found = re.search(r"^version(?:_info)? = (\d+)\.(\d+)", (venv / "pyvenv.cfg").read_text(), re.M)
        return found is not None and oldest <= (int(found[1]), int(found[2])) < above
    return False


def _is_ours(venv: Path) -> bool:
    """Whether it is of the Python that runs this."""
    return (venv / "bin" / "python").resolve() == _base_python()


def _base_python() -> Path:
    """The Python that environments are made of, also where this one belongs to an environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
