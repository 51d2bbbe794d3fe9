"""The disk's own waits are measured beside a load."""

import os
import time
from pathlib import Path

import pytest

from benchmarks.mixed import disk
from benchmarks.mixed.disk import DiskWaits


def test_the_longest_wait_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([0.0, 0.05])
    sync = os.fsync

    def slow(file: int) -> None:
        time.sleep(next(taken, 0.0))
        sync(file)

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(disk, "EVERY_SECONDS", 0.001)
    with DiskWaits(tmp_path).watched() as waits:
        while len(waits.seconds) < 3:
            time.sleep(0.001)
    assert waits.worst_ms == 1000 * max(waits.seconds) >= 50
