"""Deleting what is large of old bundles in MLflow."""

from collections.abc import Collection
from datetime import datetime

from training.tracking.registry import BUNDLE, BUNDLE_ID
from training.tracking.tracker import Tracker

_MANY = 1000
"""Bundles that are looked through at once."""


def delete_old_files(tracker: Tracker, kept: Collection[str], before: datetime) -> int:
    """Delete the copies of old bundles, and their models' arrays and versions.

    Params, metrics, tables, plots and cards stay. A bundle's own version goes last, so that a call that
    breaks off is ended by the next.

    Args:
        tracker: of the installation.
        kept: ids of bundles to leave as they are.
        before: bundles that were registered later are left, too.

    Returns:
        How many parent runs lost their files.
    """
    name, moment = tracker.registry.name_of(BUNDLE), 1000 * before.timestamp()
    versions = tracker.client.search_model_versions(f"name = '{name}'", max_results=_MANY)
    needed = {
        version.run_id
        for version in versions
        if version.creation_timestamp >= moment or version.tags[BUNDLE_ID] in kept
    }
    old = [version for version in versions if version.run_id not in needed]
    for version in old:
        for run in tracker.children(version.run_id).values():
            _delete_models(tracker, run)
        # Where 0.1.0 put them.
        _delete_files(tracker.client.get_run(version.run_id).info.artifact_uri, BUNDLE)
        _delete_models(tracker, version.run_id)
    return len({version.run_id for version in old})


def _delete_models(tracker: Tracker, run_id: str) -> None:
    client = tracker.client
    experiment = client.get_run(run_id).info.experiment_id
    for logged in client.search_logged_models([experiment], filter_string=f"source_run_id = '{run_id}'"):
        _delete_files(logged.artifact_location)
        client.delete_logged_model(logged.model_id)
    for version in client.search_model_versions(f"run_id = '{run_id}'"):
        client.delete_model_version(version.name, version.version)


def _delete_files(address: str, folder: str | None = None) -> None:
    """Delete artefacts, a folder of them or all; what is not there is no error."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    get_artifact_repository(address).delete_artifacts(folder)
