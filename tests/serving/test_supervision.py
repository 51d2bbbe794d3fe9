"""Workers that die are started again soon, in containers too."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from database.settings import REPOSITORY
from serving.supervision import new_socket

MADE_BY_BENTOML = """
import json, os
from bentoml import serving
from bentoml._internal.utils.circus import Arbiter as BentoMLs
from bentoml._internal.utils.circus import create_standalone_arbiter
from _bentoml_impl.server.serving import server_on_deployment
from serving.service import Shortlist
serving.running_inside_container = lambda: True
server_on_deployment(Shortlist)  # as BentoML does before it makes its supervisor
watcher = serving.create_watcher(name="service", args=["-c", "pass"], numprocesses=2)
supervisor = create_standalone_arbiter([watcher])
supervisor._exclusive_running_command = "arbiter_stop"
looked = supervisor.manage_watchers()  # circus' own raises ConflictError
encoder = supervisor.watchers[-1]
told = [watcher.env["SHORTLIST_ENCODER_SOCKET"], str(os.getpid())] == encoder.args[-2:]
folders = [watcher.env["SHORTLIST_METRICS_FOLDER"], os.path.dirname(encoder.args[-2])]
there = []
BentoMLs.start = lambda self, cb: there.extend(map(os.path.isdir, folders))  # else until they have ended
supervisor.start()
print(json.dumps([there, list(map(os.path.exists, folders))]))
print(json.dumps([supervisor.check_delay, watcher.respawn, looked, encoder.name, encoder.numprocesses, told]))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = {"SHORTLIST_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path / "bentoml")}
    return os.environ | home | {"BENTOML_DO_NOT_TRACK": "True"}


@pytest.mark.slow
def test_bentoml_makes_a_supervisor_that_looks_often_restarts_in_containers_and_stops_quietly(
    environment: dict[str, str],
) -> None:
    made = subprocess.run(
        [sys.executable, "-c", MADE_BY_BENTOML],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout.splitlines()[-2]) == [[True, True], [False, False]]
    assert json.loads(made.stdout.splitlines()[-1]) == [1.0, True, None, "encoder", 1, True]


@pytest.mark.parametrize("length", [10, 70, 90, 120])
def test_the_encoder_can_answer_whatever_the_temporary_folder_is_called(tmp_path: Path, length: int) -> None:
    temporary = tmp_path / ("t" * length)
    temporary.mkdir()
    address = new_socket(temporary)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
        assert address.parent.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(address.parent)
