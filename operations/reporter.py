"""Progress output: one line per event and, on a terminal, a status line."""

import shutil
import sys
import threading
import time
from typing import TextIO

import click


class Reporter:
    """Prints lines with the seconds since the start; thread-safe.

    Args:
        stream: where to write; the status line is shown only on a terminal.
    """

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._began = time.monotonic()
        self._lock = threading.RLock()
        self._status = ""

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def line(self, text: str) -> None:
        """Report an event."""
        with self._lock:
            self._clear()
            click.echo(f"{self.seconds:6.1f} s  {text}", file=self._stream)
            self._draw()

    def plain(self, text: str = "") -> None:
        """Print a line without the time."""
        with self._lock:
            self._clear()
            click.echo(text, file=self._stream)
            self._draw()

    def status(self, text: str) -> None:
        """Replace the status line of a terminal; elsewhere do nothing. Empty text removes it."""
        with self._lock:
            self._clear()
            self._status = text
            self._draw()

    def _clear(self) -> None:
        if self._live and self._status:
            click.echo("\r\033[2K", nl=False, file=self._stream)

    def _draw(self) -> None:
        if self._live and self._status:
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"{self.seconds:6.1f} s  … {self._status}"[:width], nl=False, file=self._stream)
