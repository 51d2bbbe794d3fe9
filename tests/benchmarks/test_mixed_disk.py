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


def test_a_disk_at_rest_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([0.03, 0.0, 0.03])
    monkeypatch.setattr(os, "fsync", lambda file: time.sleep(next(taken, 0.0)))
    monkeypatch.setattr(disk, "EVERY_SECONDS", 0.001)
    monkeypatch.setattr(disk, "CALM_TIMES", 5)
    waits = DiskWaits(tmp_path)
    assert waits.await_calm()
    assert len(waits.seconds) >= 8 and waits.worst_ms >= 30


def test_a_disk_that_does_not_come_to_rest_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: time.sleep(0.03))
    monkeypatch.setattr(disk, "CALM_TIMES", 2)
    monkeypatch.setattr(disk, "MOST_SECONDS", 0.3)
    assert not DiskWaits(tmp_path).await_calm()
