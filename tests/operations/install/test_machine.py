"""What is missing is said before anything is fetched: the cause, and what to install."""

import builtins
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from operations.errors import InstallError
from operations.install import machine
from operations.install.closed import PLATFORMS


def test_nothing_is_missing_here() -> None:
    machine.check()


@pytest.mark.parametrize(
    "system, processor, libc, macos, said",
    [
        ("Linux", "armv7l", "glibc 2.36", "", "this is Linux on armv7l"),
        ("Windows", "AMD64", "", "", "this is Windows"),
        ("Linux", "x86_64", "glibc 2.17", "", "glibc 2.28 or newer, and this system has glibc 2.17"),
        ("Linux", "aarch64", "", "", "another C library"),
        ("Darwin", "arm64", "", "13.6.1", "macOS 14 or newer, and this is 13.6.1"),
        ("Darwin", "x86_64", "", "14.0", "this is Darwin on x86_64"),
    ],
)
def test_a_machine_without_wheels_is_refused(
    system: str, processor: str, libc: str, macos: str, said: str
) -> None:
    with pytest.raises(InstallError, match=said.replace(".", r"\.")):
        machine.check_machine(system, processor, libc, macos)


def test_the_machines_that_the_lock_is_judged_for_are_let_in() -> None:
    assert len(machine.MACHINES) == len(PLATFORMS)
    machine.check_machine("Linux", "x86_64", "glibc 2.28", "")
    machine.check_machine("Linux", "aarch64", "glibc 2.39", "")
    machine.check_machine("Darwin", "arm64", "", "14.0")


def test_a_python_without_venv_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "ensurepip":
            raise ModuleNotFoundError("No module named 'ensurepip'")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        InstallError, match=r"ensurepip.*apt install python3\.12-venv.*dnf install.*brew install"
    ):
        machine.check_venv("3.12")


def test_too_little_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"GB are free on the disk of .*Free some space"):
        machine.check_disk(tmp_path, 1e9)


def test_room_for_the_data_is_asked_for_before_anything_is_fetched(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free / machine.GIGABYTE
    machine.check_disk(tmp_path, free - 1, data=0)
    with pytest.raises(InstallError, match=r"packages need .* GB and the platform's data 3\.0 GB"):
        machine.check_disk(tmp_path, free - 1)


def test_too_little_memory_is_refused_where_the_system_tells() -> None:
    with pytest.raises(InstallError, match=r"Only 1\.2 GB of memory .*Close other programs"):
        machine.check_memory(1.2)
    machine.check_memory(None)
    assert (machine.available_memory() or 0) > 0.1


def test_macos_says_how_much_memory_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                9000.
Pages active:                            400000.
Pages inactive:                           55536.
Pages speculative:                         1000.
"""
    program = tmp_path / "vm_stat"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{said}END\n")
    program.chmod(0o755)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.available_memory() == 1.0
    program.write_text("#!/bin/sh\necho something else\n")
    everything = machine.available_memory()
    program.unlink()
    assert machine.available_memory() == everything != 1.0


def test_a_containers_limit_is_all_the_memory_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "CONTAINER_MEMORY", limit)
    limit.write_text(f"{2**26}\n")
    assert machine.available_memory() == 1 / 16
    limit.write_text("max\n")
    assert (machine.available_memory() or 0) > 1 / 16


def test_a_32_bit_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    with pytest.raises(InstallError, match="with a 32-bit Python"):
        machine.check()
