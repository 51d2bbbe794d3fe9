"""Replicas that share a store keep their metrics apart; the workers of one server keep them together."""

import os
import subprocess
import sys
from pathlib import Path

from database.settings import REPOSITORY
from serving.observe.metrics_folder import with_room

WORKER = """
import os
from serving.observe.metrics_folder import use_own_folder
use_own_folder()
print(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
"""
SERVER = """
import subprocess, sys
from pathlib import Path
from serving.observe.metrics_folder import make_own_folder
make_own_folder(Path(sys.argv[2]))
for _ in range(2):
    subprocess.run([sys.executable, "-c", sys.argv[1]], check=True)
"""


def folders(tmp_path: Path, **variables: str) -> list[str]:
    """Where two workers of one new server keep their metrics."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), **variables}
    done = subprocess.run(
        [sys.executable, "-c", SERVER, WORKER, str(tmp_path)],
        cwd=REPOSITORY,
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_each_server_has_a_folder_that_its_workers_share(tmp_path: Path) -> None:
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "store" / "prometheus_multiproc_dir")}
    one, other = folders(tmp_path, **shared), folders(tmp_path, **shared)
    assert one[0] == one[1] != other[0] == other[1]
    for name in (one[0], other[0]):
        assert Path(name).parent == tmp_path and Path(name).stat().st_mode & 0o777 == 0o700


def test_the_folder_lies_where_there_is_room() -> None:
    usual, memory, home = Path("/tmp"), Path("/dev/shm"), Path("/home")
    free = {usual: 2**30, memory: 2**34, home: 2**40}
    assert with_room(list(free), free.__getitem__) == usual
    assert with_room(list(free), (free | {usual: 4096}).__getitem__) == memory
    assert with_room(list(free), (free | {usual: 0, memory: 0}).__getitem__) == home
    assert with_room(list(free), {usual: 10, memory: 30, home: 20}.__getitem__) == memory


def test_a_single_process_needs_none(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["None"] and list(tmp_path.iterdir()) == []
