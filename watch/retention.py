"""Deletes old bundles, their files in MLflow, snapshots, partitions, reports and logs.

Kept whatever their age: the bundle in service, every bundle that a rollback could restore, those of running
experiments, the newest few, and the snapshots that a kept bundle or a lock file refers to.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.connection import connect, dsn
from database.deployments import find_manifest
from database.events import forget_keys_before
from database.experiments import list_experiments
from database.impressions import delete_shared_before
from database.monitoring import delete_reports_before
from database.partitions import IMPRESSIONS, INTERACTIONS, drop_partitions_before
from database.rollback import LOCK_SECONDS, rollback_target
from database.settings import Settings
from database.user_removal import forget_deleted_users
from training.data.workspace import Workspace, WorkspaceBusyError, locked
from training.params.operating import RetentionParams
from training.release.bundle import StoredBundle, delete_stored, list_stored
from training.tracking.retention import delete_old_files
from training.tracking.tracker import Tracker

logger = logging.getLogger(__name__)

_EXPERIMENTS = 1000
_KEYS_KEPT = timedelta(days=7)
"""How long a request with an Idempotency-Key may come again."""


@dataclass(frozen=True)
class Pruned:
    """What was deleted."""

    bundles: tuple[str, ...]
    cache_files: int
    partitions: tuple[str, ...]
    reports: int
    logs: int
    """Files of Airflow's tasks."""
    runs: int
    """Bundles' runs in MLflow that lost their arrays; their figures stay."""


def prune(
    settings: Settings, workspace: Workspace, rules: RetentionParams, now: datetime, *, report_days: int
) -> Pruned:
    """Delete what is too old; run again, it deletes no more.

    The promotion lock is held while bundles go, and the workspace's while the cache and MLflow's files are
    read and pruned: a run that has the latter is not waited for.
    """
    oldest_report = now - timedelta(days=report_days)
    partitions, reports = _prune_database(settings, rules, now, oldest_report)
    reports += delete_files(settings.home / "monitoring", "drift-*.html", oldest_report)
    oldest_log = now - timedelta(days=rules.logs_days)
    logs = delete_files(settings.home / "logs" / "airflow", "**/*.log", oldest_log)
    bundles, kept, snapshots = _prune_store(settings, rules.bundles)
    oldest, files, runs = now - timedelta(days=rules.snapshots_days), 0, 0
    with connect(settings) as conn:
        forget_deleted_users(conn, oldest, kept)
    try:
        with locked(workspace, wait=False):
            files = prune_cache(workspace, snapshots, oldest)
            runs = delete_old_files(Tracker(settings), kept, oldest)
    except WorkspaceBusyError as reason:
        logger.info("%s DVC's cache and MLflow's files will be pruned next time.", reason)
    return Pruned(bundles, files, partitions, reports, logs, runs)


def _prune_database(
    settings: Settings, rules: RetentionParams, now: datetime, oldest_report: datetime
) -> tuple[tuple[str, ...], int]:
    """Names of the partitions that went, and how many reports did."""
    oldest = (now - timedelta(days=rules.impressions_days)).date()
    partitions = drop_partitions_before(dsn(settings), IMPRESSIONS, oldest)
    if rules.interactions_days is not None:
        oldest = (now - timedelta(days=rules.interactions_days)).date()
        partitions += drop_partitions_before(dsn(settings), INTERACTIONS, oldest)
    first_kept = (now - timedelta(days=rules.impressions_days)).date()
    with connect(settings) as conn:
        reports = delete_reports_before(conn, oldest_report)
        delete_shared_before(conn, first_kept)
        forget_keys_before(conn, now - _KEYS_KEPT)
    return tuple(partitions), reports


def _prune_store(settings: Settings, newest: int) -> tuple[tuple[str, ...], set[str], set[str]]:
    """Ids of the bundles that went, of those that stay, and the snapshots of the latter."""
    with connect(settings) as conn, deployments.promotion_lock(conn, LOCK_SECONDS):
        stored = list_stored(settings)
        protected = protected_bundles(conn)
        kept = kept_bundles(stored, protected, newest)
        manifests = [bundle.manifest for bundle in stored if bundle.bundle_id in kept]
        # of one that served the database knows the manifest, though the store has lost or damaged it
        manifests += [found for name in protected if (found := find_manifest(conn, name)) is not None]
        conn.commit()
        gone = [bundle for bundle in stored if bundle.bundle_id not in kept]
        for bundle in gone:
            delete_stored(settings, bundle)
    snapshots = {manifest["snapshot_hash"] for manifest in manifests}
    return tuple(bundle.bundle_id for bundle in gone), kept, snapshots


def protected_bundles(conn: Connection) -> set[str]:
    """Ids of bundles that serve, did before, would after a rollback, or stand in a running experiment."""
    serving = deployments.current(conn)
    target = rollback_target(conn, serving)
    wanted = (serving, deployments.previous(conn), target)
    running = list_experiments(conn, _EXPERIMENTS, running_only=True)
    arms = {arm.bundle_id for experiment in running for arm in experiment.arms if arm.bundle_id is not None}
    return {one.bundle_id for one in wanted if one is not None} | arms


def kept_bundles(stored: list[StoredBundle], protected: set[str], newest: int) -> set[str]:
    """Ids of the protected bundles and the newest others."""
    ordered = sorted(stored, key=lambda bundle: str(bundle.manifest["created_at"]), reverse=True)
    return protected | {bundle.bundle_id for bundle in ordered[:newest]}


def prune_cache(workspace: Workspace, snapshots: set[str], older_than: datetime) -> int:
    """Delete DVC's cached files that nothing kept refers to and that are older than a moment; how many.

    Kept are the files of `snapshots` (hashes of folders) and of every hash in dvc.lock and data/*.dvc.
    """
    cache = workspace.root / ".dvc" / "cache" / "files" / "md5"
    pointers = [workspace.root / "dvc.lock", *workspace.data.glob("*.dvc")]
    wanted = set(snapshots)
    for pointer in pointers:
        if pointer.is_file():
            wanted |= _hashes(yaml.safe_load(pointer.read_text()))
    for md5 in [name for name in wanted if name.endswith(".dir")]:
        listing = cache / md5[:2] / md5[2:]
        if listing.is_file():
            wanted |= {entry["md5"] for entry in json.loads(listing.read_text())}
    deleted = 0
    for path in cache.glob("??/*"):
        old = path.stat().st_mtime < older_than.timestamp()
        if old and path.parent.name + path.name not in wanted:
            path.unlink()
            deleted += 1
    return deleted


def _hashes(content: object) -> set[str]:
    """Every `md5` value in nested YAML."""
    if isinstance(content, dict):
        found = {str(value) for key, value in content.items() if key == "md5"}
        return found.union(*(_hashes(value) for value in content.values()))
    if isinstance(content, list):
        return set().union(*(_hashes(value) for value in content))
    return set()


def delete_files(folder: Path, pattern: str, older_than: datetime) -> int:
    """Delete the files of a pattern that were last written before a moment; how many."""
    old = [path for path in folder.glob(pattern) if path.stat().st_mtime < older_than.timestamp()]
    for path in old:
        path.unlink()
    return len(old)
