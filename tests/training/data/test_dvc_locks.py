"""What a killed DVC left locked stops nothing; a DVC that works is named."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from training.data.dvc_locks import clear_stale_locks
from training.data.snapshot import DvcError, run_dvc
from training.data.workspace import Workspace

pytestmark = pytest.mark.slow

Start = Callable[[list[str]], int]
WAIT = [sys.executable, "-c", "import time; time.sleep(120)"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A DVC checkout with one file to track."""
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = True\n")
    (tmp_path / "file").write_text("rows")
    return Workspace(tmp_path)


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Start]:
    """Starts a command in the workspace; gives its process id."""
    processes: list[subprocess.Popen[bytes]] = []

    def run(command: list[str]) -> int:
        processes.append(subprocess.Popen(command, cwd=workspace.root))
        pid = processes[-1].pid
        while not psutil.Process(pid).cmdline():  # it has none for a moment, while it becomes the command
            time.sleep(0.01)
        return pid

    yield run
    for process in processes:
        process.kill()
        process.wait()


def lock_file(workspace: Workspace) -> Path:
    return workspace.root / ".dvc" / "tmp" / "rwlock"


def held_by(workspace: Workspace, pid: int) -> str:
    entry = {"pid": pid, "cmd": "dvc add file"}
    path = str(workspace.root / "file")
    return json.dumps({"write": {path: entry}, "read": {path: [entry]}})


@pytest.mark.parametrize(
    "content", ["", '{"write": {"/a": {"pi', "[]", '{"write": 3}', '{"read": {"/a": [{}]}}']
)
def test_a_lock_file_that_was_cut_off_is_removed(workspace: Workspace, content: str) -> None:
    lock_file(workspace).write_text(content)
    run_dvc(workspace, "add", "file")
    assert (workspace.root / "file.dvc").exists()


def test_a_process_that_took_the_number_of_a_killed_dvc_holds_nothing(
    workspace: Workspace, start: Start
) -> None:
    pid = start(WAIT)
    lock_file(workspace).write_text(held_by(workspace, pid))
    run_dvc(workspace, "add", "file")
    assert (workspace.root / "file.dvc").exists()


def test_a_dvc_that_works_keeps_its_lock_and_is_named(workspace: Workspace, start: Start) -> None:
    (workspace.root / "dvc").write_text("import time; time.sleep(120)")
    pid = start([sys.executable, "dvc", "add", "file"])
    lock_file(workspace).write_text(held_by(workspace, pid))
    assert not clear_stale_locks(workspace.root)
    with pytest.raises(DvcError, match=rf"PID {pid} .*dvc add file"):
        run_dvc(workspace, "add", "file")
    assert not (workspace.root / "file.dvc").exists()
