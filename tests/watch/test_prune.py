"""Retention on what a run leaves: Bento's store, DVC's cache, partitions; then a replay of what was kept."""

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from database.connection import connect
from database.deployments import activate
from database.experiments import Arm, start_experiment
from database.gate_decisions import record_decision
from database.settings import get_settings
from tests.training.slow import WHOLE_RUNS
from training.data.snapshot import take_snapshot
from training.data.workspace import Workspace, locked, open_workspace
from training.models.bundle import MANIFEST
from training.params import load_params
from training.params.operating import RetentionParams
from training.pipeline.replay import ReplayError, replay
from training.release.bundle import _bentoml, find_stored, list_stored
from watch.retention import prune

pytestmark = WHOLE_RUNS
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=60)


def store_copy(of: Path, bundle_id: str, snapshot: str, created_at: datetime) -> None:
    """Another bundle in the store, learned from another snapshot."""
    with _bentoml(get_settings()).models.create(f"shortlist:{bundle_id}") as model:
        folder = Path(model.path) / "bundle"
        shutil.copytree(of, folder)
        manifest = json.loads((folder / MANIFEST).read_text())
        manifest |= {"bundle_id": bundle_id, "snapshot_hash": snapshot, "created_at": created_at.isoformat()}
        (folder / MANIFEST).write_text(json.dumps(manifest))


def another_snapshot(dsn: str, workspace: Workspace, item: str) -> str:
    """One more item, and a snapshot that holds it; returns its hash."""
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute("insert into items (item_id, title, change_seq) values (%s, 'a thing', 1)", (item,))
    conn.close()
    with connect() as conn:
        return take_snapshot(conn, workspace).md5


def in_cache(workspace: Workspace, md5: str) -> bool:
    return (workspace.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).is_file()


def rules(**changes: Any) -> RetentionParams:
    params = load_params(open_workspace(get_settings()).params_file)
    return params.retention.model_copy(update=changes)


def test_there_is_nothing_to_delete_before_the_first_bundle(slow_plane: Any) -> None:
    pruned = prune(get_settings(), open_workspace(get_settings()), rules(), NOW, report_days=90)
    assert (pruned.bundles, pruned.cache_files, pruned.partitions) == ((), 0, ())


def test_only_what_no_one_needs_is_deleted_and_what_is_kept_can_be_rebuilt(
    slow_plane: Any, deployed: str, tmp_path: Path
) -> None:
    settings, workspace = get_settings(), open_workspace(get_settings())
    (first,) = list_stored(settings)
    names = ("serving", "tried", "gone", "newest")
    snapshots = {name: another_snapshot(slow_plane.database.dsn, workspace, name) for name in names}
    for place, name in enumerate(names):
        store_copy(first.path, name, snapshots[name], NOW + timedelta(hours=place))
    with connect() as conn:
        manifest = {"snapshot_hash": snapshots["serving"], "created_at": NOW.isoformat()}
        activate(conn, "serving", "shortlist:serving", manifest, "daily training")
        arms = (Arm("a", 0.5), Arm("b", 0.5, bundle_id="tried"))
        record_decision(conn, "tried", None, True, {})
        start_experiment(conn, "e", "ab", arms)
    for path in (workspace.root / ".dvc" / "cache").rglob("*"):
        os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    params = rules(bundles=1, impressions_days=3, interactions_days=100)

    with locked(workspace, shared=True):
        busy = prune(settings, workspace, params, NOW, report_days=90)
    pruned = prune(settings, workspace, params, NOW, report_days=90)

    assert busy.bundles == ("gone",) and busy.cache_files == 0, "a run in the workspace is left in peace"
    left = {bundle.bundle_id for bundle in list_stored(settings)}
    assert left == {"serving", first.bundle_id, "tried", "newest"}, "serves, previous, experiment, newest"
    assert pruned.bundles == () and pruned.cache_files > 0
    assert {name: in_cache(workspace, md5) for name, md5 in snapshots.items()} == {
        name: name != "gone" for name in names
    }
    dropped = {name.rsplit("_", 1)[0] for name in busy.partitions}
    assert dropped == {"impression_lists", "interactions"}
    again = prune(settings, workspace, params, NOW, report_days=90)
    assert (again.bundles, again.cache_files, again.partitions) == ((), 0, ())

    assert find_stored(settings, first.bundle_id) is not None
    (tmp_path / "replay").mkdir()
    assert replay(settings, first.bundle_id, tmp_path / "replay").same
    (tmp_path / "other").mkdir()
    with pytest.raises(ReplayError, match="is not in the store"):
        replay(settings, "gone", tmp_path / "other")
