"""What a registered version carries with it."""

import errno
import re
from functools import partial

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from database.settings import REPOSITORY, Settings
from training.tracking import registry
from training.tracking.lineage import Lineage
from training.tracking.tracker import Tracker

_IMPORT = re.compile(r"^\s*(?:from|import) training\.(\w+)", re.MULTILINE)


def test_the_code_that_a_version_carries_imports_nothing_beside_it() -> None:
    """Where there is no checkout, a module that is missing keeps every version from being loaded."""
    carried = registry._CODE
    package = REPOSITORY / "training"
    files = [file for name in carried for file in [package / name, *(package / name).glob("**/*.py")]]
    imported = {name for file in files if file.is_file() for name in _IMPORT.findall(file.read_text())}
    assert imported <= {name.removesuffix(".py") for name in carried}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
def test_a_disk_that_is_full_leaves_no_version_without_files_and_a_retry_makes_it(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="mirror"))
    run = tracker.bundle_run(Lineage("full", "params", "commit"))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    register = partial(tracker.registry.register_bundle, run, "late", REPOSITORY / "params.yaml", "an item")
    with monkeypatch.context() as patch:
        for name in ("log_artifact", "log_artifacts"):
            patch.setattr(LocalArtifactRepository, name, full)
        with pytest.raises(OSError, match="No space left"):
            register()
    assert tracker.registry.find_bundle("late") is None
    assert not tracker.client.search_model_versions(f"run_id = '{run.id}'")
    made = register()
    assert tracker.registry.find_bundle("late") == made == register()
