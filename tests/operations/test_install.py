"""The installer's refusals, and the second call that does nothing. Nothing is installed here."""

import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from database.settings import REPOSITORY


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone's files, as far as the installer reads them."""
    (tmp_path / "operations").mkdir()
    for name in ("operations/install.sh", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def install(clone: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    command = ["bash", str(clone / "operations" / "install.sh")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def fake_python(folder: Path, version: str) -> str:
    """A program that says it is another Python and fails at anything else."""
    program = folder / "python-other"
    program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}" && exit 0\nexit 1\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize("version", ["3.9.2", "3.12.1"])
def test_another_python_is_refused_in_one_line(clone: Path, version: str) -> None:
    done = install(clone, PYTHON=fake_python(clone, version))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"needs Python 3.11, and '{clone}/python-other' is Python {version}" in done.stderr
    assert not (clone / ".venv").exists()


def test_a_finished_installation_is_left_alone(clone: Path) -> None:
    lock = (clone / "requirements.txt").read_bytes() + (clone / "pyproject.toml").read_bytes()
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed").write_text(f"{hashlib.sha256(lock).hexdigest()} {clone}\n")
    done = install(clone, PYTHON="/nowhere/python")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_changed_lock_is_noticed(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed").write_text(f"{'0' * 64} {clone}\n")
    assert install(clone, PYTHON="/nowhere/python").returncode == 1


PIP = """#!/bin/sh
case "$*" in *requirements.txt*) ;; *) exit 0 ;; esac
echo "Collecting one==1.0 (from -r requirements.txt (line 1))"
echo "Processing /wheels/two-2.0-py3-none-any.whl (from -r requirements.txt (line 2))"
[ -z "$PIP_FAILS" ] || { echo "ERROR: No matching distribution found for three==3.0"; exit 1; }
echo "Installing collected packages: one, two"
"""


@pytest.fixture
def venv(clone: Path) -> Path:
    """A virtual environment whose pip says what pip says, and installs nothing."""
    (clone / "requirements.txt").write_text("# a lock\none==1.0\n    # via x\ntwo==2.0\n")
    made = clone / ".venv"
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "python").write_text(PIP)
    (made / "bin" / "python").chmod(0o755)
    return made


def test_an_installation_is_a_line_a_phase(clone: Path, venv: Path) -> None:
    done = install(clone)
    assert done.returncode == 0, done.stderr
    assert [line.split(" (")[0] for line in done.stdout.splitlines()[:2]] == [
        "Installing the 2 locked packages",
        "  2 of 2 fetched; unpacking.",
    ]
    assert "Collecting one==1.0" in (venv / "install.log").read_text()
    assert (venv / ".installed").exists()
    assert not (venv / ".installing").exists()


def test_what_pip_could_not_do_is_said_and_not_taken_for_done(clone: Path, venv: Path) -> None:
    done = install(clone, PIP_FAILS="yes")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == "ERROR: No matching distribution found for three==3.0"
    assert str(venv / "install.log") in done.stderr
    assert not (venv / ".installed").exists()
    assert (venv / ".installing").exists()
