"""The check of the lock finds a hole, a needless pin, a package without a wheel; on tiny wheels, offline."""

from pathlib import Path

import pytest

from operations.install.closed import Machine, faults, machines
from tests.operations.install.wheels import make_wheel

PYPROJECT = (
    '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11,<3.13"\ndependencies = ["one"]\n'
)
COMPLETE = "one==1.0\ntwo==2.0 ; sys_platform == 'linux'\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that needs one, which needs two on Linux."""
    make_wheel(tmp_path / "wheels", "one", "1.0", ["two ; sys_platform == 'linux'"])
    make_wheel(tmp_path / "wheels", "two", "2.0")
    make_wheel(tmp_path / "wheels", "three", "3.0")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT + "[dependency-groups]\ndev = []\n")
    return tmp_path


def judge(folder: Path, lock: str, platform: str = "Linux on x86-64") -> list[str]:
    (folder / "requirements.txt").write_text(lock)
    return faults(folder, Machine("3.12", platform), ("--no-index", "--find-links", str(folder / "wheels")))


@pytest.mark.parametrize("platform", ["Linux on x86-64", "Linux on arm64", "macOS 14 on arm64"])
def test_a_complete_lock_has_no_fault(folder: Path, platform: str) -> None:
    assert judge(folder, COMPLETE, platform) == []


def test_a_pin_that_is_missing_on_some_machines_is_named_for_these(folder: Path) -> None:
    hole = "Python 3.12, Linux on arm64: one needs two, which requirements.txt does not pin"
    assert judge(folder, "one==1.0\n", "Linux on arm64") == [hole]
    assert judge(folder, "one==1.0\n", "macOS 14 on arm64") == []


def test_a_dependency_that_was_never_locked_is_named(folder: Path) -> None:
    (found,) = judge(folder, "two==2.0 ; sys_platform == 'linux'\n")
    assert "needs one, which requirements.txt does not pin" in found


def test_a_needless_pin_is_named(folder: Path) -> None:
    (found,) = judge(folder, COMPLETE + "three==3.0\n")
    assert found.endswith("nothing needs three, which requirements.txt pins")


def test_a_package_without_a_wheel_for_the_machine_is_a_fault(folder: Path) -> None:
    wheel = folder / "wheels" / "two-2.0-py3-none-any.whl"
    wheel.rename(folder / "wheels" / "two-2.0-cp312-cp312-manylinux_2_28_x86_64.whl")
    assert judge(folder, COMPLETE) == []
    (found,) = judge(folder, COMPLETE, "Linux on arm64")
    assert "two" in found


def test_every_supported_python_is_judged_on_every_platform() -> None:
    judged = machines(PYPROJECT)
    assert len(judged) == 2 * 3
    assert str(judged[0]) == "Python 3.11, Linux on x86-64"
