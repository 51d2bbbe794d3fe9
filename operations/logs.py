"""What the logs of processes and commands say about a failure."""

import re
from pathlib import Path

TAIL_BYTES = 100_000
SHOWN_CHARACTERS = 300

ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception)(?::.*)?$", re.MULTILINE)
"""The line of a traceback that names what was raised."""


def size(log: Path) -> int:
    """Bytes written so far; 0 before the first."""
    return log.stat().st_size if log.exists() else 0


def written_since(log: Path, start: int) -> str:
    """What was written after byte `start`, at most its last 100 KB; a log rotated since is read whole."""
    end = size(log)
    if end == 0:
        return ""
    with log.open("rb") as file:
        file.seek(max(start if start <= end else 0, end - TAIL_BYTES))
        return file.read().decode(errors="replace")


def cause(log: Path, start: int = 0) -> str:
    """The last error that the log names after byte `start`, or else its last line that says something."""
    text = written_since(log, start)
    errors = ERROR.findall(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = errors[-1] if errors else lines[-1] if lines else "it wrote nothing"
    return said[:SHOWN_CHARACTERS].rstrip(".")
