"""Two daily runs at once: one works, the other waits for it and finds nothing left to do."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from database.connection import connect
from database.deployments import history
from database.settings import REPOSITORY
from training.data.workspace import Workspace, WorkspaceBusyError, locked
from training.models.bundle import verify_bundle

RUN = [sys.executable, "-W", "ignore", "-m", "training.pipeline"]


@pytest.mark.platform
def test_two_runs_at_once_make_one_bundle(slow_plane: Any) -> None:
    # MLflow keeps files below the folder where it is first used: not in the developer's own checkout.
    code = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    runs = [
        subprocess.Popen(
            RUN, cwd=slow_plane.root, env=code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [run.communicate(timeout=400) for run in runs]

    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted(out.startswith("Nothing new") for out, _ in said) == [False, True]
    with connect() as conn:
        (only,) = history(conn, 10)
    assert verify_bundle(Workspace(slow_plane.workspace).bundle).bundle_id == only.bundle_id


def test_models_are_fitted_side_by_side_and_nothing_else_is(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)

    def enter(shared: bool) -> None:
        with locked(workspace, shared=shared, wait=False):
            pass

    with locked(workspace, shared=True):
        enter(shared=True)
        with pytest.raises(WorkspaceBusyError):
            enter(shared=False)
    with locked(workspace), pytest.raises(WorkspaceBusyError):
        enter(shared=True)
