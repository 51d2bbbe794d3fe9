"""One tracking database of MLflow for the tests that can share it: each takes an experiment of its own."""

import pytest

from database.settings import Settings
from training.tracking.tracker import Tracker


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the shared database; MLflow's tables are made once."""
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = Tracker(Settings(mlflow_tracking_uri=uri)).client
    for name in ("films", "clicks", "mirror", "old"):
        client.create_experiment(name, artifact_location=(folder / name).as_uri())
    return uri
