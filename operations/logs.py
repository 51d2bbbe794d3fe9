"""Finds the error in the log of a process or command."""

import re
from pathlib import Path

TAIL_BYTES = 100_000
SHOWN_CHARACTERS = 300

ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)(?::.*)?$", re.MULTILINE)
"""The line of a traceback that names the exception."""


def size(log: Path) -> int:
    """Size of the log in bytes; 0 if it does not exist."""
    return log.stat().st_size if log.exists() else 0


def written_since(log: Path, start: int) -> str:
    """Output after byte `start`, at most the last 100 KB; the whole log if it was rotated since."""
    end = size(log)
    if end == 0:
        return ""
    with log.open("rb") as file:
        file.seek(max(start if start <= end else 0, end - TAIL_BYTES))
        return file.read().decode(errors="replace")


def cause(log: Path, start: int = 0) -> str:
    """The last error logged after byte `start`, or else the last non-empty line."""
    text = written_since(log, start)
    errors = ERROR.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = errors[-1] if errors else lines[-1] if lines else "no output"
    return said[:SHOWN_CHARACTERS].rstrip(".")
