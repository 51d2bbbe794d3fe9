"""Memory of workers is looked at while they are asked."""

import subprocess
import sys

import psutil
import pytest

from benchmarks.mixed.memory import WorkerMemory

WORKER = "import time; print(flush=True); held = bytearray(20_000_000); print(flush=True); time.sleep(60)"
SERVER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}, 'bentoml.worker'])"


def test_what_each_worker_holds_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        for _ in range(2):
            server.stdout.readline()
        process = psutil.Process(server.pid)
        with WorkerMemory(process).watched() as memory:
            pass
        for each in (*process.children(recursive=True), process):
            each.kill()
    [(_, [size])] = memory.seen
    assert size > 20_000_000

    memory.tell()

    assert f"{size / 1e6:.0f}" in capsys.readouterr().out
