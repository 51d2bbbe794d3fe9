"""Processes are known by their marker, ended politely, then surely; everything below them goes with them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import psutil
import pytest

from operations import processes

MARK = "SHORTLIST_TEST_MARK"
SLEEPER = "import time; print(flush=True); time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
)
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={}, start_new_session=True)
print(flush=True)
time.sleep(60)
"""

Start = Callable[[str, str], psutil.Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program with a mark, and wait for its first line."""
    running: list[subprocess.Popen[bytes]] = []

    def act(program: str, mark: str) -> psutil.Process:
        environment = {**os.environ, MARK: mark}
        popen = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE)
        running.append(popen)
        assert popen.stdout is not None
        popen.stdout.readline()
        return psutil.Process(popen.pid)

    yield act
    for popen in running:
        popen.kill()
        popen.communicate()


def marked(mark: str) -> list[psutil.Process]:
    return processes.carriers(lambda environment: environment.get(MARK) == mark)


def test_only_the_marked_are_found(start: Start) -> None:
    ours, theirs = start(SLEEPER, "ours"), start(SLEEPER, "theirs")
    assert [process.pid for process in marked("ours")] == [ours.pid]
    assert theirs.is_running()


def test_a_child_that_dropped_its_environment_is_found_through_its_parent(start: Start) -> None:
    parent = start(PARENT, "family")
    found = {process.pid for process in marked("family")}
    children = {child.pid for child in parent.children()}
    assert found == {parent.pid, *children}
    assert len(children) == 1
    processes.end(marked("family"), patience=5)
    assert not any(psutil.pid_exists(pid) for pid in children)


def test_one_that_does_not_listen_is_killed(start: Start) -> None:
    stubborn = start(STUBBORN, "stubborn")
    processes.end([stubborn], patience=0.2)
    assert not stubborn.is_running() or stubborn.status() == psutil.STATUS_ZOMBIE


def test_this_process_is_never_among_them() -> None:
    assert os.getpid() not in {process.pid for process in processes.carriers(lambda _: True)}
