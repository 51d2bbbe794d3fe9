"""The platform's benchmark leaves nothing behind, and judges what was measured."""

import signal
import sys
from pathlib import Path
from types import FrameType

import pytest

from benchmarks import whole_platform
from benchmarks.whole_platform import dag_row, up_row

WAITING = """import pathlib, signal, sys, time
def stop(*_):
    time.sleep(0.2)
    pathlib.Path("stopped").touch()
    sys.exit()
signal.signal(signal.SIGTERM, stop)
pathlib.Path("started").touch()
time.sleep(60)
"""


def test_what_interrupts_the_benchmark_lets_its_command_end_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `make up` does, which stops the servers that it started."""
    (tmp_path / "Makefile").write_text(f"up:\n\t@exec {sys.executable} wait.py\n")
    (tmp_path / "wait.py").write_text(WAITING)
    monkeypatch.setattr(whole_platform, "REPOSITORY", tmp_path)

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        if (tmp_path / "started").exists():
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            whole_platform._make("up")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert (tmp_path / "stopped").exists()


@pytest.mark.parametrize(("up", "reached"), [(120.0, True), (121.0, False)])
def test_make_up_is_judged_by_all_its_tasks(up: float, reached: bool) -> None:
    row = up_row(up, [{"duration": 20.0}, {"duration": "40.0"}])
    assert row.reached == reached and row.reference == "60.0 s"


@pytest.mark.parametrize(("last", "reached"), [(12.4, True), (13.0, False)])
def test_the_daily_run_is_judged_by_medians(last: float, reached: bool) -> None:
    row = dag_row([99.0, 9.0, last], [10.0, 10.0, 1.0])
    assert row.reached == reached and "worst 99.0" in row.ours
