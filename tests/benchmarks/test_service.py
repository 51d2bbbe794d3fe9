"""A benchmark that is killed stops the service that it started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from database.settings import REPOSITORY

pytestmark = pytest.mark.slow

SERVER = """
import sys, http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Answer).serve_forever()
"""
BENCHMARK = f"""
import pathlib, signal, sys, time
from benchmarks.service import served, unwind_on_sigterm
signal.signal(signal.SIGINT, signal.default_int_handler)  # parallel test runs ignore it
unwind_on_sigterm()
with served(("-c", {SERVER!r}), {{}}, pathlib.Path(sys.argv[1])) as (port, process):
    print(process.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_service_ends_with_its_benchmark(number: signal.Signals, tmp_path: Path) -> None:
    benchmark = subprocess.Popen(
        [sys.executable, "-c", BENCHMARK, str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"BENTOML_DO_NOT_TRACK": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert benchmark.stdout is not None
    with benchmark.stdout:
        server = psutil.Process(int(benchmark.stdout.readline()))
    benchmark.send_signal(number)
    assert benchmark.wait(120) != 0
    give_up = time.monotonic() + 10
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
