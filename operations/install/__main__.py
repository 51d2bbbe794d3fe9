"""`python -m operations.install`: install.sh calls it with the Python that it found.

Done once for each lock: the next call returns at once, and an installation that was cut off is made anew.
"""

import os
import platform
import re
import shutil
import sys
import time
from pathlib import Path

from operations.errors import OperationsError
from operations.install.environment import fingerprint, is_done, only_one, prepare, say, showing_growth
from operations.install.imports import check_imports, provide_openmp
from operations.install.lock import LOCK, read_lock, wanted_lines
from operations.install.machine import DATA_GIGABYTES, check, check_disk
from operations.install.tools import choose
from operations.install.torch import CPU, choose_build, growth

SUPERVISOR = "circus"
"""Installed last: kantoku, which BentoML needs, has files of the same names, and its arbiter gives up as soon
as one process is gone."""

ROOT = Path(__file__).resolve().parents[2]


def install(root: Path, *, named: bool) -> None:
    """Make the environment of the checkout hold what its lock pins, and nothing else, unless it does.

    Args:
        root: the checkout.
        named: the operator named the Python that runs this, so an environment of another one won't do.

    Raises InstallError, which says why not and what to do.
    """
    venv, wanted, started = root / ".venv", fingerprint(root), time.monotonic()
    if is_done(venv, wanted, named=named):
        return
    check()
    # Where the data lie on another disk, the start looks at that one.
    data = 0.0 if _home_is_named(root) else DATA_GIGABYTES
    with only_one(root) as lock:
        if not venv.exists():
            check_disk(root, CPU.disk, data=data)
        prepare(venv, named=named)
        pins = read_lock((root / LOCK).read_text())
        tool = choose(venv, lock, pins)
        build = choose_build(tool, pins)
        more = growth(venv, build)
        if more > 0:
            check_disk(root, more, data=data)
        lines = wanted_lines(pins, cpu_build=build.marked)
        say(
            f"Installing the {len(lines)} locked packages with {tool.name}, {build.said}: "
            f"about {build.fetched} GB to fetch the first time, {build.disk} GB on disk."
        )
        with showing_growth(root, more):
            tool.synchronise(lines, build.links)
            for line in lines:
                if line.startswith(f"{SUPERVISOR}=="):
                    tool.install_again(line)
            tool.install_checkout(root)
        shutil.rmtree(tool.throwaway_cache, ignore_errors=True)
        provide_openmp(venv, platform.system())
        say(f"Installed in {time.monotonic() - started:.0f} s. Importing each heavy package once.")
        check_imports(tool.python)
        (venv / ".installed").write_text(f"{wanted}\n")
        (venv / ".installing").unlink()


def _home_is_named(root: Path) -> bool:
    """Whether a setting says where the data lie: a variable, or a line of `.env`."""
    lines = root / ".env"
    told = lines.read_text(errors="replace") if lines.is_file() else ""
    named = re.search(r"^\s*(?:export\s+)?SHORTLIST_HOME\s*=\s*\S", told, re.MULTILINE)
    return "SHORTLIST_HOME" in os.environ or named is not None


def main() -> int:
    """Install; returns the exit code."""
    try:
        install(ROOT, named=bool(os.environ.get("PYTHON")))
    except OperationsError as error:
        sys.stderr.write(f"make: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"make: The installation could not go on: {error}. Put that right, and try again.\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
