"""How far a run is: a bar on a terminal, a log line every few seconds elsewhere."""

import logging
import sys
import time
from typing import Any, Self

from tqdm import tqdm

logger = logging.getLogger(__name__)

_SECONDS = 5.0
_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]"


class Progress:
    """Progress of one run through its steps; use as a context manager."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: tqdm[Any] | None = None
        self._told = time.monotonic()
        if sys.stderr.isatty():
            self._bar = tqdm[Any](total=1.0, bar_format=_FORMAT, desc=name, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, step: str, done: float, rows: int) -> None:
        """`done` is the part of the step that is finished, 0..1; `rows` how many rows have been read."""
        if self._bar is not None:
            self._bar.set_description(f"{self._name}: {step}", refresh=False)
            self._bar.set_postfix_str(f"{rows:,} rows", refresh=False)
            self._bar.n = done
            self._bar.refresh()
        elif time.monotonic() - self._told >= _SECONDS:
            self._told = time.monotonic()
            logger.info("%s: %s %.0f %%, %s rows", self._name, step, 100 * done, f"{rows:,}")
