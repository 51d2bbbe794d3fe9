"""How long the disk keeps waiting whoever has something written for good, as each click has."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.mixed.beside import beside

EVERY_SECONDS = 0.1
CALM_MS, CALM_TIMES = 20.0, 200
"""The disk has come to rest once nobody has waited longer in so many waits."""
MOST_SECONDS = 240.0
_PAGE = bytes(8192)
"""What PostgreSQL writes at the least."""


class DiskWaits:
    """Waits for a page to be on disk, beside the load and without the service."""

    def __init__(self, folder: Path) -> None:
        """`folder` is on the disk that is meant."""
        self._folder = folder
        self.seconds: list[float] = []
        """Each wait, in the order of time."""

    @contextmanager
    def watched(self) -> Iterator["DiskWaits"]:
        """Write a page ten times a second for as long as the block runs, in the same place."""
        with beside(self._watch):
            yield self

    @property
    def worst_ms(self) -> float:
        """The longest wait."""
        return 1000 * max(self.seconds)

    def await_calm(self) -> bool:
        """Wait until the disk has come to rest; whether it has, within some minutes.

        For up to a minute after much has been written a disk may keep everybody waiting.
        """
        give_up = time.monotonic() + MOST_SECONDS
        with self.watched():
            while time.monotonic() < give_up:
                last = self.seconds[-CALM_TIMES:]
                if len(last) == CALM_TIMES and 1000 * max(last) <= CALM_MS:
                    return True
                time.sleep(EVERY_SECONDS)
        return False

    def _watch(self, over: threading.Event) -> None:
        file = os.open(self._folder / "synced", os.O_CREAT | os.O_WRONLY)
        try:
            while True:
                begin = time.perf_counter()
                os.pwrite(file, _PAGE, 0)
                os.fsync(file)
                self.seconds.append(time.perf_counter() - begin)
                if over.wait(EVERY_SECONDS):
                    return
        finally:
            os.close(file)
