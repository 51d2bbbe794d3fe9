"""install.sh and what it calls: which Python it takes, its refusals, and the second call that does nothing.

Python, uv and pip are stand-ins that say what the real ones say: nothing is installed here.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from database.settings import REPOSITORY

LOCK = """# a lock
torch==2.13.0
    # via shortlist (pyproject.toml)
nvidia-cudnn-cu13==9.20.0.48 ; sys_platform == 'linux'
    # via torch
uv==0.13.8
    # via shortlist (pyproject.toml:dev)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone's files, as far as the installer reads them, in a folder with a space in its name."""
    root = tmp_path / "a clone"
    (root / "operations").mkdir(parents=True)
    for name in ("operations/install.sh", "operations/__init__.py", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "operations" / "install", root / "operations" / "install")
    (root / "requirements.txt").write_text(LOCK)
    return root


def install(clone: Path, *path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the installer; only the folders `path` and those of the system's own tools are on the PATH."""
    tools = clone.parent / "tools"
    if not tools.exists():
        tools.mkdir()
        for name in ("bash", "sed", "dirname", "head", "env"):
            (tools / name).symlink_to(str(shutil.which(name)))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "VIRTUAL_ENV")}
    environment |= {"PATH": ":".join(map(str, [*path, tools])), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    command = ["bash", str(clone / "operations" / "install.sh")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def other_python(path: Path, version: str) -> Path:
    """A program that says it is another Python and fails at anything else."""
    return script(path, f'[ "$1" = --version ] && echo "Python {version}" && exit 0\nexit 1')


def this_python(path: Path) -> Path:
    """The Python that runs the tests, by another name."""
    return script(path, f'exec "{sys.executable}" "$@"')


@pytest.fixture
def venv(clone: Path) -> Path:
    """An environment whose uv and pip note what they are told, and do what FAILS doesn't forbid."""
    made = clone / ".venv"
    note = f'echo "$(basename "$0") $*" >> "{clone}/told"\n'
    says = 'echo "error: no $FAILS here"; echo "  cause: none"; exit 1'
    fail = f'case "$*" in *"${{FAILS:-nothing}}"*) {says};; esac\n'
    script(made / "bin" / "python", note + fail)
    script(made / "bin" / "uv", note + fail)
    (made / "pyvenv.cfg").write_text(f"version = {sys.version_info[0]}.{sys.version_info[1]}.1\n")
    (made / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    this_python(clone.parent / "bin" / "python3")
    return made


def told(clone: Path) -> str:
    return (clone / "told").read_text()


@pytest.mark.parametrize("version", ["3.9.2", "3.10.13", "3.15.0"])
def test_another_python_is_refused_in_one_line(clone: Path, version: str) -> None:
    done = install(clone, PYTHON=str(other_python(clone / "python-other", version)))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"needs CPython 3.11 to 3.14, and '{clone}/python-other' is Python {version}" in line
    assert "apt install" in line and "dnf install" in line and "brew install" in line
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("import sys; sys.implementation.name = 'pypy'", "pypy"),
        ("import sysconfig; sysconfig.get_config_vars()['Py_GIL_DISABLED'] = 1", "free-threaded"),
    ],
)
def test_a_python_without_wheels_is_refused_and_passed_over(
    clone: Path, venv: Path, line: str, kind: str
) -> None:
    """Its version alone would do."""
    run = f'[ "$1" = -c ] || exec "{sys.executable}" "$@"\nexec "{sys.executable}" -c "{line}\n$2"'
    other = script(clone.parent / "first" / "python3", run)
    named = install(clone, PYTHON=str(other))
    assert named.returncode == 1
    assert len(named.stderr.splitlines()) == 1
    assert f"is Python {sys.version.split()[0]} ({kind}). Install one" in named.stderr
    assert install(clone, other.parent, clone.parent / "bin").returncode == 0


def test_no_python_at_all_is_said_in_one_line(clone: Path) -> None:
    done = install(clone)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "'python3' is not there" in done.stderr


def test_a_supported_python_behind_others_is_found(clone: Path, venv: Path) -> None:
    """3.15 comes first on the PATH, 3.10 next, then a shim with nothing behind it."""
    first = clone.parent / "first"
    other_python(first / "python3", "3.15.0")
    other_python(first / "python3.13", "3.10.0")
    script(first / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    done = install(clone, first, clone.parent / "bin")
    assert done.returncode == 0, done.stderr


def test_a_finished_installation_is_left_alone(clone: Path, venv: Path) -> None:
    assert install(clone, clone.parent / "bin").returncode == 0
    (clone / "told").unlink()
    done = install(clone, clone.parent / "bin")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (clone / "told").exists()


def test_a_changed_lock_is_installed_over_the_old_one(clone: Path, venv: Path) -> None:
    """As is the environment of an earlier version, whose stamp was another."""
    (venv / ".installed").write_text(f"{'0' * 64} {clone}\n")
    done = install(clone, clone.parent / "bin")
    assert done.returncode == 0, done.stderr
    assert "pip sync" in told(clone)
    assert "Making the virtual environment" not in done.stdout


def test_an_installation_is_a_line_a_phase(clone: Path, venv: Path) -> None:
    done = install(clone, clone.parent / "bin")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(
        "Installing the 2 locked packages with uv, torch's CPU build: about 0.8 GB to fetch"
    )
    assert second.startswith("Installed in ")
    assert (venv / "locked.txt").read_text() == "torch==2.13.0+cpu\nuv==0.13.8\n"
    assert (venv / ".installed").exists() and not (venv / ".installing").exists()


def test_without_a_cpu_build_the_size_of_cudas_is_said(clone: Path, venv: Path) -> None:
    done = install(clone, clone.parent / "bin", FAILS="--dry-run")
    assert done.returncode == 0, done.stderr
    assert "torch with its CUDA libraries" in done.stdout
    assert "nvidia-cudnn-cu13==9.20.0.48 ; sys_platform == 'linux'\n" in (venv / "locked.txt").read_text()


def test_where_uv_cannot_be_had_pip_installs(clone: Path, venv: Path) -> None:
    done = install(clone, clone.parent / "bin", FAILS="uv==0.13.8")
    assert done.returncode == 0, done.stderr
    assert "packages with pip" in done.stdout
    assert "uv pip" not in told(clone)
    assert f"-r {venv}/locked.txt" in told(clone)


def test_what_could_not_be_installed_is_said_and_not_taken_for_done(clone: Path, venv: Path) -> None:
    done = install(clone, clone.parent / "bin", FAILS="sync")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "uv could not install the packages: no sync here cause: none" in line
    assert str(venv / "install.log") in line
    assert not (venv / ".installed").exists()
    assert (venv / ".installing").exists()


def test_what_can_not_be_imported_is_not_taken_for_installed(clone: Path, venv: Path) -> None:
    done = install(clone, clone.parent / "bin", FAILS="importlib")
    assert done.returncode == 1
    assert "can't be imported" in done.stderr
    assert not (venv / ".installed").exists()


def test_two_at_once_are_one(clone: Path, venv: Path) -> None:
    held = f'exec 9<"{clone}/requirements.txt"; flock 9; sleep 60'
    with subprocess.Popen(
        ["bash", "-c", f"{held.replace('sleep', 'echo locked; exec sleep')}"], stdout=-1
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        done = install(clone, clone.parent / "bin")
        other.kill()
    assert done.returncode == 1
    assert "Another installation into" in done.stderr


def test_the_installer_imports_the_standard_library_only() -> None:
    """It runs before anything is installed: -S leaves out all that is."""
    command = [sys.executable, "-S", "-c", "import operations.install.__main__"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("line", "named"),
    [("SHORTLIST_HOME=/data", True), ("  export SHORTLIST_HOME = /data", True), ("SHORTLIST_HOME=", False),
     ("# SHORTLIST_HOME=/data", False)],
)  # fmt: skip
def test_the_data_may_lie_elsewhere_by_a_line_of_the_settings(tmp_path: Path, line: str, named: bool) -> None:
    from operations.install.__main__ import _home_is_named

    assert not _home_is_named(tmp_path)
    (tmp_path / ".env").write_text(f"SHORTLIST_SERVICE_PORT=3000\n{line}\n")
    assert _home_is_named(tmp_path) == named


def test_what_the_disk_refuses_is_said_in_one_line(clone: Path, venv: Path) -> None:
    (venv / "install.log").mkdir()
    done = install(clone, clone.parent / "bin")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("make: The installation could not go on: ") and "install.log" in line
