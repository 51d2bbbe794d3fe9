"""The load generator: Locust, in an environment of its own.

It is not in the lock: gevent, which it needs, has no wheel for each machine that Shortlist runs on (none for
Python 3.11 on macOS), and nobody should need a compiler to install Shortlist.
"""

import subprocess
import sys
from pathlib import Path

LOCUST = "locust==2.47.0"
SHOPPERS = Path(__file__).with_name("shoppers.py")
"""What its Python runs."""


def install(folder: Path, *options: str) -> Path:
    """Make an environment with Locust below `folder`; returns its Python.

    It is fetched from PyPI the first time, and kept by uv. Raises RuntimeError, with uv's reason, where it
    can't be.

    Args:
        folder: where it may lie.
        options: uv's, on where packages come from.
    """
    place = folder / "locust"
    python = place / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(place))
    wanted = ("--only-binary", ":all:", *options, LOCUST)
    _run(uv, "pip", "install", "--quiet", "--python", str(python), *wanted)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"Locust, which asks, could not be installed: {done.stderr.strip()}")
