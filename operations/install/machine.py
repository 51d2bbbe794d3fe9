"""What must hold before anything is fetched. Each refusal is one line: the cause, and what to do."""

import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from operations.errors import InstallError

GIGABYTE = 1024**3

MEMORY_GIGABYTES = 3.0
"""Available memory under which a first start fails somewhere in training."""

DATA_GIGABYTES = 3.0
"""What the platform writes in its first days: the database, snapshots, bundles, logs."""

GLIBC = (2, 28)
"""The oldest C library that the wheels of the lock are built for."""

MACOS = 14
"""The oldest macOS that the wheels of the lock are built for."""

MACHINES = (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"))
"""What the lock is complete for; operations/install/closed.py checks it."""


MEMINFO = Path("/proc/meminfo")
CONTAINER_MEMORY = Path("/sys/fs/cgroup/memory.max")


def check_machine(system: str, machine: str, libc: str, macos: str) -> None:
    """Refuse a machine that the packages have no wheels for."""
    if (system, machine) not in MACHINES:
        raise InstallError(
            "The packages are built for Linux on x86-64 and arm64 and for macOS on arm64, and this is "
            f"{system} on {machine}. Use one of those."
        )
    if system == "Linux":
        name, _, version = libc.partition(" ")
        if name != "glibc" or numbers(version) < GLIBC:
            raise InstallError(
                f"The packages need glibc 2.28 or newer, and this system has {libc or 'another C library'}. "
                "Use Debian 10, Ubuntu 18.10, Fedora 29 or newer."
            )
    elif numbers(macos) < (MACOS,):
        raise InstallError(f"The packages need macOS {MACOS} or newer, and this is {macos}. Upgrade macOS.")


def numbers(version: str) -> tuple[int, ...]:
    """The numbers in a version, to compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def check_venv(version: str) -> None:
    """Refuse a Python that can't make virtual environments with pip, as Debian's without its venv package."""
    try:
        import ensurepip
        import venv
    except ImportError as error:
        raise InstallError(
            f"'{sys.executable}' can't make virtual environments ({error}). Install what is missing "
            f"(Debian and Ubuntu: apt install python{version}-venv; Fedora: dnf install python3-libs; "
            f"macOS: brew install python@{version}), or name another Python: make up PYTHON=/path/to/python."
        ) from error
    assert ensurepip and venv


def check_disk(folder: Path, packages: float, *, data: float = DATA_GIGABYTES) -> None:
    """Refuse a disk without `packages` and `data` GB free: what is fetched should be of use afterwards."""
    free = shutil.disk_usage(folder).free / GIGABYTE
    if free < packages + data:
        also = f" and the platform's data {data:.1f} GB" if data else ""
        raise InstallError(
            f"Only {free:.1f} GB are free on the disk of {folder}, and the packages need {packages:.1f} GB"
            f"{also}. Free some space (df -h shows where), or clone to another disk."
        )


def check_memory(available: float | None, needed: float = MEMORY_GIGABYTES) -> None:
    """Refuse a machine with less than `needed` GB of memory available, where it tells."""
    if available is not None and available < needed:
        raise InstallError(
            f"Only {available:.1f} GB of memory are available, and Shortlist needs {needed:.0f} GB. "
            "Close other programs (Linux: top, macOS: Activity Monitor), or use a larger machine."
        )


def available_memory() -> float | None:
    """Gigabytes that a new program could have; where the system does not say, all that there are."""
    with suppress(OSError, AttributeError):
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(int(line.split()[1]) * 1024 / GIGABYTE, _container_limit())
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True, timeout=5).stdout
        if (free := free_pages(said)) is not None:
            return free / GIGABYTE
    with suppress(OSError, ValueError):
        every = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIGABYTE
        return min(every, _container_limit())
    return None


def free_pages(said: str) -> int | None:
    """Bytes that are free or could be at once, from what macOS's `vm_stat` says; None if it says otherwise.

    Free, speculative (read ahead, free at once) and inactive pages: psutil counts the same as available.
    """
    size = re.search(r"page size of (\d+) bytes", said)
    pages = dict(re.findall(r"^Pages (free|inactive|speculative):\s+(\d+)\.", said, re.MULTILINE))
    if size is None or not {"free", "inactive"} <= pages.keys():
        return None
    return int(size[1]) * sum(map(int, pages.values()))


def _container_limit() -> float:
    """Gigabytes that the container may have, as control groups (version 2) say; infinite without a limit."""
    with suppress(OSError, ValueError):
        return int(CONTAINER_MEMORY.read_text()) / GIGABYTE
    return float("inf")


def check() -> None:
    """Raise InstallError for the first thing that is missing on this machine; the disk is judged later."""
    libc = " ".join(platform.libc_ver())
    # A 64-bit kernel names itself, not the system that this Python is of.
    machine = platform.machine() if sys.maxsize > 2**32 else f"{platform.machine()} with a 32-bit Python"
    check_machine(platform.system(), machine, libc, platform.mac_ver()[0])
    check_venv(f"{sys.version_info[0]}.{sys.version_info[1]}")
    check_memory(available_memory())
