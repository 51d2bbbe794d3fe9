"""Metrics of several workers: any of them answers for all."""

import os
import subprocess
import sys
from pathlib import Path

from database.settings import REPOSITORY

WORKER = """
from serving.observe.http_metrics import Metrics

metrics = Metrics()
for status in (200, 200, 500):
    metrics.observe({"method": "GET"}, status, 0.01)
print(metrics.render().body.decode())
"""


def test_workers_that_share_a_directory_are_counted_together(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", WORKER],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    requests = 'shortlist_http_requests_total{method="GET",route="unmatched",status="200"}'
    assert f"{requests} 2.0" in printed[0]
    assert f"{requests} 4.0" in printed[1]
    assert 'shortlist_http_errors_total{method="GET",route="unmatched"} 2.0' in printed[1]
    assert 'shortlist_http_request_seconds_count{method="GET",route="unmatched"} 6.0' in printed[1]


GAUGE = """
import os, signal, sys
from prometheus_client import Gauge
from serving.observe.http_metrics import Metrics

Gauge("applied", "Last change applied.", multiprocess_mode="livemin").set(int(sys.argv[1]))
print(Metrics().render().body.decode(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_worker_had_followed_is_forgotten(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    printed = [
        subprocess.run(
            [sys.executable, "-c", GAUGE, number],
            env=environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for number in ("5", "6")
    ]
    assert "\napplied 5.0" in printed[0]
    assert "\napplied 6.0" in printed[1]


FOLLOWER = """
import sys
from serving.observe.http_metrics import Metrics
from serving.observe.list_metrics import list_metrics

list_metrics().set_state(
    applied=int(sys.argv[1]), lag=0, encoder_waiting=1, bundle_seconds=None, trending_seconds=None
)
print(Metrics().render().body.decode(), flush=True)
sys.stdin.read()
"""


def test_workers_that_have_not_come_as_far_show(tmp_path: Path) -> None:
    """The alert WorkersDisagree goes by these two."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def start(number: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", FOLLOWER, number],
            env=environment,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start("7") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with start("9") as second:
            printed, _ = second.communicate(timeout=60)
        first.communicate(timeout=60)
    assert "\nshortlist_applied_catalogue_seq 7.0" in printed
    assert "\nshortlist_newest_catalogue_seq 9.0" in printed
    assert "\nshortlist_encoder_waiting 2.0" in printed
