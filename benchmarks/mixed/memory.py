"""What each worker holds in memory of its own while it is asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from benchmarks.mixed.beside import beside
from benchmarks.report import table
from benchmarks.resident import own_bytes

EVERY_SECONDS = 10.0
_ROWS = 12


class WorkerMemory:
    """Bytes of each worker of a server, from time to time."""

    def __init__(self, server: psutil.Process) -> None:
        self._server = server
        self.seen: list[tuple[float, list[int]]] = []
        """Seconds since the first look, and bytes of each worker that no other process shares."""

    @contextmanager
    def watched(self) -> Iterator["WorkerMemory"]:
        """Look at the workers for as long as the block runs."""
        with beside(self._watch):
            yield self

    def tell(self) -> None:
        """Print a dozen of the looks, the first and the last among them."""
        last = len(self.seen) - 1
        chosen = sorted({round(last * number / (_ROWS - 1)) for number in range(_ROWS)}) if self.seen else []
        rows = [
            (f"{moment / 60:.1f}", ", ".join(f"{size / 1e6:.0f}" for size in sizes))
            for moment, sizes in (self.seen[place] for place in chosen)
        ]
        table("Memory of each worker's own", ("minutes", "MB"), rows)

    def _watch(self, over: threading.Event) -> None:
        begin = time.monotonic()
        while True:
            with suppress(psutil.NoSuchProcess):  # a worker that ends is not there at the next look
                self.seen.append((time.monotonic() - begin, own_bytes(self._server)))
            if over.wait(EVERY_SECONDS):
                return
