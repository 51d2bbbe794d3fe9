"""`make locked`: is the lock complete for each Python and machine? Only metadata of packages is read.

What pyproject.toml needs is resolved once more for each, with the lock as constraint. A package found that
the lock doesn't pin is a hole; a pin that isn't found is needless; one without a wheel for the machine fails.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from operations.install.environment import say
from operations.install.lock import LOCK, supported_versions
from operations.install.tools import reason

PLATFORMS = {
    "Linux on x86-64": "x86_64-manylinux_2_28",
    "Linux on arm64": "aarch64-manylinux_2_28",
    "macOS 14 on arm64": "aarch64-apple-darwin",
}
"""Where Shortlist runs, in words and in uv's; machine.py refuses the rest."""

MACOS_TARGET = "14.0"


@dataclass(frozen=True)
class Machine:
    """A Python on a platform."""

    python: str
    platform: str

    def __str__(self) -> str:
        return f"Python {self.python}, {self.platform}"


def machines(pyproject: str) -> list[Machine]:
    """Every supported one."""
    (_, oldest), (_, above) = supported_versions(pyproject)
    return [Machine(f"3.{minor}", platform) for minor in range(oldest, above) for platform in PLATFORMS]


def faults(folder: Path, machine: Machine, index: Sequence[str] = ()) -> list[str]:
    """What is wrong with the lock in the folder for this machine; empty when it is complete.

    Args:
        folder: where pyproject.toml and the lock lie.
        machine: to judge for.
        index: uv's options that say where packages come from, in place of PyPI.
    """
    try:
        needed = _compile(folder, machine, "pyproject.toml", "--group", "dev", "-c", LOCK, *index)
        pinned = _compile(folder, machine, LOCK, "--no-deps", *index)
    except ValueError as error:
        return [f"{machine}: {error}"]
    holes = [
        f"{machine}: {by or 'pyproject.toml'} needs {name}, which {LOCK} does not pin"
        for name, by in needed.items()
        if name not in pinned
    ]
    return holes + [
        f"{machine}: nothing needs {name}, which {LOCK} pins" for name in pinned if name not in needed
    ]


def _compile(folder: Path, machine: Machine, source: str, *options: str) -> dict[str, str]:
    """The packages that uv resolves for the machine, each with what needs it; ValueError with uv's reason."""
    command = [
        *("uv", "pip", "compile", source, "--quiet", "--no-header", "--annotation-style", "line"),
        *("--only-binary", ":all:", "--python-version", machine.python),
        # Nothing is built, so this Python will do: looking for one of the machine's version takes seconds.
        *("--python", sys.executable),
        *("--python-platform", PLATFORMS[machine.platform], *options),
    ]
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    environment = os.environ | {"PATH": path, "MACOSX_DEPLOYMENT_TARGET": MACOS_TARGET}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ValueError(reason(done.stderr))
    return dict(re.findall(r"^([\w.-]+)==\S+(?:\s+# via (.+))?$", done.stdout, re.M))


def main() -> int:
    """Judge the lock of this checkout; returns the exit code."""
    folder = Path(__file__).resolve().parents[2]
    judged = machines((folder / "pyproject.toml").read_text())
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda machine: faults(folder, machine), judged))
    for line in (line for lines in found for line in lines):
        say(line)
    if any(found):
        say(f"{LOCK} is not complete. Run `make lock`.")
        return 1
    say(f"{LOCK} is complete: " + "; ".join(map(str, judged)) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main())
