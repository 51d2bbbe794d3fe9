"""Retention keeps what serves, what may serve again, and what those were learned from."""

import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.deployments import activate
from database.experiments import Arm, start_experiment
from database.settings import get_settings
from training.data.workspace import Workspace
from training.release.bundle import StoredBundle
from watch import retention
from watch.retention import delete_files, kept_bundles, protected_bundles, prune_cache

NOW = datetime.now(UTC)


def stored(number: int) -> StoredBundle:
    manifest: dict[str, Any] = {"created_at": f"2026-01-{number:02}T00:00:00+00:00", "snapshot_hash": "x"}
    return StoredBundle(f"b{number}", f"shortlist:b{number}", Path("/nowhere"), manifest)


def test_serving_previous_and_experiments_are_protected(connection: Connection) -> None:
    assert protected_bundles(connection) == set()
    for name in ("gone", "tried", "back", "now", "bad"):
        activate(connection, name, f"shortlist:{name}", {}, "daily training")
    activate(connection, "now", "shortlist:now", {}, "rollback: worse")
    assert protected_bundles(connection) == {"now", "bad", "back"}, (
        "serves, did before, would after a rollback"
    )
    arms = (Arm("a", 0.5), Arm("b", 0.5, bundle_id="tried"))
    start_experiment(connection, "e", "ab", arms)
    assert protected_bundles(connection) == {"now", "bad", "back", "tried"}


def test_a_snapshot_is_kept_for_a_bundle_that_serves_though_its_files_are_lost(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database still knows its manifest, so it can be rebuilt."""
    for name in ("lost", "b3"):
        activate(connection, name, f"shortlist:{name}", {"snapshot_hash": f"of {name}"}, "daily training")
    connection.commit()
    deleted: list[str] = []
    monkeypatch.setattr(retention, "list_stored", lambda settings: [stored(number) for number in (1, 2, 3)])
    monkeypatch.setattr(retention, "delete_stored", lambda settings, bundle: deleted.append(bundle.bundle_id))
    gone, kept, snapshots = retention._prune_store(get_settings(), 2)
    assert gone == ("b1",) and deleted == ["b1"]
    assert kept == {"lost", "b2", "b3"}
    assert snapshots == {"x", "of lost", "of b3"}


def test_the_newest_are_kept_beside_the_protected() -> None:
    bundles = [stored(number) for number in range(1, 9)]
    assert kept_bundles(bundles, {"b1"}, 2) == {"b1", "b7", "b8"}


def test_the_cache_keeps_what_is_referred_to_and_what_is_young(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.data.mkdir()
    cache = tmp_path / ".dvc" / "cache" / "files" / "md5"
    long_ago = (NOW - timedelta(days=60)).timestamp()

    def put(content: str, suffix: str = "", age: float = long_ago) -> str:
        md5 = hashlib.md5(content.encode()).hexdigest() + suffix
        path = cache / md5[:2] / md5[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (age, age))
        return md5

    def folder(*names: str) -> str:
        entries = [{"relpath": name, "md5": put(name)} for name in names]
        return put(json.dumps(entries), ".dir")

    kept, current, locked, gone = folder("a", "both"), folder("b"), folder("c"), folder("d", "both")
    put("young", age=NOW.timestamp())
    workspace.snapshot_pointer.write_text(f"outs:\n- md5: {current}\n  path: snapshot\n")
    (tmp_path / "dvc.lock").write_text(f"stages:\n  als:\n    outs:\n    - path: x\n      md5: {locked}\n")
    before = set(cache.glob("??/*"))

    assert prune_cache(workspace, {kept}, NOW - timedelta(days=30)) == 2

    left = set(cache.glob("??/*"))
    assert {path.parent.name + path.name for path in before - left} == {gone, hashlib.md5(b"d").hexdigest()}
    assert prune_cache(workspace, {kept}, NOW - timedelta(days=30)) == 0


def test_old_logs_of_tasks_go_and_the_others_stay(tmp_path: Path) -> None:
    run = tmp_path / "dag_id=monitoring" / "run_id=1" / "task_id=guard"
    run.mkdir(parents=True)
    for name, days in (("attempt=1.log", 61), ("attempt=2.log", 59), ("notes.txt", 61)):
        (run / name).write_text("")
        written = (NOW - timedelta(days=days)).timestamp()
        os.utime(run / name, (written, written))

    assert delete_files(tmp_path, "**/*.log", NOW - timedelta(days=60)) == 1
    assert {path.name for path in run.iterdir()} == {"attempt=2.log", "notes.txt"}
    assert delete_files(tmp_path / "absent", "**/*.log", NOW) == 0
