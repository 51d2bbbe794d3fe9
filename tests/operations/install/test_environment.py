"""When the environment is kept, and when it is made anew."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from operations.errors import InstallError
from operations.install import environment
from operations.install.environment import fingerprint, is_done, only_one, prepare

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Each command that would make an environment."""
    commands: list[Sequence[str]] = []

    def note(command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", note)
    return commands


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A whole environment of the Python that runs the tests."""
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11,<3.15"\n')
    (tmp_path / "requirements.txt").write_text("one==1.0\n")
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(environment._base_python())
    (folder / "pyvenv.cfg").write_text(f"version = {VERSION}.1\n")
    (folder / ".installed").write_text(f"{fingerprint(tmp_path)}\n")
    return folder


def test_a_whole_one_is_done_until_lock_or_folder_change(venv: Path, tmp_path: Path) -> None:
    assert is_done(venv, fingerprint(tmp_path), named=False)
    assert is_done(venv, fingerprint(tmp_path), named=True)
    (tmp_path / "requirements.txt").write_text("one==2.0\n")
    assert not is_done(venv, fingerprint(tmp_path), named=False)


def test_one_that_lost_its_python_is_not_done_and_made_anew(venv: Path, made: list[Sequence[str]]) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")
    assert not is_done(venv, fingerprint(venv.parent), named=False)
    prepare(venv, named=False)
    assert made == [[str(environment._base_python()), "-m", "venv", str(venv)]]


def test_another_python_is_not_done_only_where_it_was_named(venv: Path, made: list[Sequence[str]]) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/bin/sh")
    assert is_done(venv, fingerprint(venv.parent), named=False)
    assert not is_done(venv, fingerprint(venv.parent), named=True)
    prepare(venv, named=False)
    assert not made
    prepare(venv, named=True)
    assert made


def test_one_that_was_cut_off_is_made_anew(
    venv: Path, made: list[Sequence[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (venv / ".installing").touch()
    assert not is_done(venv, fingerprint(venv.parent), named=False)
    prepare(venv, named=False)
    assert made
    assert "cut off; starting anew" in capsys.readouterr().out
    assert not (venv / "pyvenv.cfg").exists()


def test_one_of_an_unsupported_python_is_made_anew(venv: Path, made: list[Sequence[str]]) -> None:
    (venv / "pyvenv.cfg").write_text("version = 3.10.2\n")
    prepare(venv, named=False)
    assert made


def test_one_of_an_older_lock_is_kept_and_marked_as_unfinished(venv: Path, made: list[Sequence[str]]) -> None:
    prepare(venv, named=False)
    assert not made
    assert (venv / ".installing").exists() and not (venv / ".installed").exists()


def test_only_a_lock_that_somebody_holds_is_another_installation(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without locks is not; and NFS gives one only for a file that is open for writing."""
    with only_one(tmp_path) as lock:
        assert fcntl.fcntl(lock, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
        with pytest.raises(InstallError, match="Another installation"), only_one(tmp_path):
            pass

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available"), only_one(tmp_path):
        pass
