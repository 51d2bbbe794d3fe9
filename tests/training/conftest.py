"""One tracking database of MLflow for the tests that can share it; a checkout of the slow plane."""

from typing import Any

import pytest

from database.settings import Settings, get_settings
from tests.checkpoints import Checkpoints
from tests.conftest import SlowPlane
from tests.training.slow import BEFORE_GATE, serving
from training.data.workspace import Workspace, open_workspace
from training.pipeline.steps import run_steps
from training.tracking.tracker import Tracker


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the shared database; each test takes an experiment of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = Tracker(Settings(mlflow_tracking_uri=uri)).client
    for name in ("films", "clicks", "mirror", "old"):
        client.create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri


@pytest.fixture
def checkout(slow_plane: Any) -> Workspace:
    """The slow plane's workspace, where nothing is learned yet."""
    return open_workspace(get_settings())


@pytest.fixture
def one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code stays the same, whatever is committed while tests run."""
    monkeypatch.setattr("training.pipeline.steps.git_commit", lambda: "0" * 40)


@pytest.fixture
def assembled(one_commit: None, checkpoints: Checkpoints, slow_plane: SlowPlane) -> None:
    """The first bundle lies in the checkout, committed to DVC; the gate has not judged it."""
    _assemble(checkpoints, slow_plane)


@pytest.fixture
def deployed(one_commit: None, checkpoints: Checkpoints, slow_plane: SlowPlane) -> str:
    """Id of the first bundle, which serves."""

    def deploy() -> None:
        _assemble(checkpoints, slow_plane)
        run_steps(["gate", "deploy"])

    checkpoints.reach("deployed", slow_plane, deploy)
    found = serving()
    assert found is not None
    return found


def _assemble(checkpoints: Checkpoints, slow_plane: SlowPlane) -> None:
    checkpoints.reach("assembled", slow_plane, lambda: run_steps([*BEFORE_GATE, "commit"]))
