"""An immutable export of the database at a watermark, tracked by DVC.

Rows are ordered and nothing in the files tells when they were written, so the same data gives the
same bytes and the same hash.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.export import export, export_snapshot
from training.data.dvc_locks import clear_stale_locks, running_dvc
from training.data.workspace import Workspace, replaced
from training.errors import TrainingError

DESCRIPTION = "snapshot.json"

_LOCKED = re.compile("blocked by|acquire lock|RWLock-file", re.IGNORECASE)
"""What DVC says when a lock is in its way."""


class DvcError(TrainingError):
    """A DVC command failed."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(f"dvc {command}: {reason}")
        self.command = command


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot holds."""

    catalogue_seq: int
    interaction_id: int
    as_of: str
    """Time of the newest row (ISO 8601, UTC)."""
    rows: dict[str, int]
    md5: str
    """DVC's hash of the folder."""
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Interactions left out by reason (`database.export.LeftOut`); empty in snapshots of 0.1.0."""

    @property
    def watermark(self) -> dict[str, int]:
        """In the form of a bundle's manifest."""
        return {"catalogue_seq": self.catalogue_seq, "interaction_id": self.interaction_id}


def read_watermark(conn: Connection) -> dict[str, int]:
    """How far the database is now, in the form of a bundle's manifest; `conn` must have no transaction."""
    with export(conn) as exported:
        found = exported.watermark
    return {"catalogue_seq": found.catalogue_seq, "interaction_id": found.interaction_id}


def take_snapshot(conn: Connection, workspace: Workspace) -> Snapshot:
    """Export the database into the workspace and track it with DVC; `conn` must have no transaction."""
    with replaced(workspace.snapshot) as folder:
        content = asdict(export_snapshot(conn, folder))
        (folder / DESCRIPTION).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    track_snapshot(workspace)
    return read_snapshot(workspace)


def track_snapshot(workspace: Workspace) -> None:
    """`dvc add` of the snapshot: the files go to the cache under their MD5."""
    run_dvc(workspace, "add", str(workspace.snapshot.relative_to(workspace.root)))


def check_out_snapshot(source: Workspace, target: Workspace, md5: str) -> None:
    """Put the snapshot with DVC's hash `md5` into the workspace `target`, from the cache of `source`.

    What the cache lacks is fetched when a remote is set up; `target` needs no DVC of its own.

    Raises DvcError when the snapshot is in neither.
    """
    _copy_config(source.root / ".dvc", target.root / ".dvc")
    cache = run_dvc(source, "cache", "dir").strip()
    run_dvc(target, "cache", "dir", "--local", cache)
    target.data.mkdir()
    output = {"md5": md5, "hash": "md5", "path": target.snapshot.name}
    target.snapshot_pointer.write_text(yaml.safe_dump({"outs": [output]}))
    pointer = str(target.snapshot_pointer.relative_to(target.root))
    try:
        run_dvc(target, "checkout", pointer)
    except DvcError:
        run_dvc(target, "fetch", pointer)
        run_dvc(target, "checkout", pointer)


def _copy_config(source: Path, target: Path) -> None:
    """Give the folder `target` the settings of DVC in `source`; relative paths in them keep their meaning."""
    from dvc.config import Config

    target.mkdir(parents=True)
    found, copy = Config(str(source), validate=False), Config(str(target), validate=False)
    for level, name in (("repo", "config"), ("local", "config.local")):
        if (source / name).is_file():
            with copy.edit(level) as settings:
                settings.update(found.read(level))


def commit_pipeline(workspace: Workspace) -> None:
    """`dvc commit`: write dvc.lock from the files that the stages left, and put them into the cache.

    DVC's lock fails at once when it is taken, so tasks that run side by side leave this to one at the end.
    """
    run_dvc(workspace, "commit", "--force")


def run_dvc(workspace: Workspace, *arguments: str) -> str:
    """Run a DVC command in the workspace: DVC goes by the current folder, which a task may not change.

    Returns what it printed. What a killed DVC left locked is removed.

    Raises DvcError when it failed; the message is DVC's, with the processes that are in its way.
    """
    (workspace.root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
    answer = _call_dvc(workspace, arguments)
    if answer.returncode != 0 and _LOCKED.search(answer.stderr) and clear_stale_locks(workspace.root):
        answer = _call_dvc(workspace, arguments)
    if answer.returncode != 0:
        reason = answer.stderr.strip() or answer.stdout.strip()
        if _LOCKED.search(reason) and (others := running_dvc(workspace.root)):
            reason += f"\nDVC is at work there: {', '.join(others)}. Wait for it, or end it."
        raise DvcError(arguments[0], reason)
    return answer.stdout


def _call_dvc(workspace: Workspace, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    return subprocess.run(
        command, cwd=workspace.root, env=environment, capture_output=True, text=True, check=False
    )


def read_snapshot(workspace: Workspace) -> Snapshot:
    """Read the description of the workspace's snapshot, with DVC's hash.

    Raises FileNotFoundError when there is no snapshot, or DVC has not recorded it.
    """
    content = json.loads((workspace.snapshot / DESCRIPTION).read_text())
    pointer = yaml.safe_load(workspace.snapshot_pointer.read_text())
    return Snapshot(**content, md5=pointer["outs"][0]["md5"])
