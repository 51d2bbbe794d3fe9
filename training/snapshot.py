"""An immutable export of the database at a watermark, tracked by DVC.

Rows are ordered and nothing in the files tells when they were written, so the same data gives the
same bytes and the same hash.
"""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.export import export, export_snapshot
from training.workspace import Workspace, replaced

logger = logging.getLogger(__name__)

DESCRIPTION = "snapshot.json"


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
    """Export the database into the workspace and have DVC record it; `conn` must have no transaction."""
    with replaced(workspace.snapshot) as folder:
        content = asdict(export_snapshot(conn, folder))
        (folder / DESCRIPTION).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    track_snapshot(workspace)
    return read_snapshot(workspace)


def track_snapshot(workspace: Workspace) -> None:
    """`dvc add` of the snapshot: the files go to the cache under their MD5."""
    from dvc.repo import Repo

    _prepare_dvc(workspace)
    with Repo(str(workspace.root)) as repo:
        repo.add(str(workspace.snapshot))


def record_pipeline(workspace: Workspace) -> None:
    """`dvc commit`: write dvc.lock from the files that the stages left, and put them into the cache.

    DVC's lock fails at once when it is taken, so tasks that run side by side leave this to one at the end.
    """
    from dvc.repo import Repo

    _prepare_dvc(workspace)
    with Repo(str(workspace.root)) as repo:
        repo.commit(force=True)


def read_snapshot(workspace: Workspace) -> Snapshot:
    """Read the description of the workspace's snapshot, with DVC's hash.

    Raises:
        FileNotFoundError: there is no snapshot, or DVC has not recorded it.
    """
    content = json.loads((workspace.snapshot / DESCRIPTION).read_text())
    pointer = yaml.safe_load(workspace.snapshot_pointer.read_text())
    return Snapshot(**content, md5=pointer["outs"][0]["md5"])


def _prepare_dvc(workspace: Workspace) -> None:
    """DVC's own folder for temporary files must exist; its configuration comes with the checkout."""
    Path(workspace.root, ".dvc", "tmp").mkdir(parents=True, exist_ok=True)
