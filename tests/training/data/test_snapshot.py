"""A snapshot comes back from a remote by its hash alone."""

import shutil
from pathlib import Path

import pytest
import yaml

from database.settings import REPOSITORY
from training.data.snapshot import check_out_snapshot, run_dvc, track_snapshot
from training.data.workspace import Workspace


@pytest.fixture
def source(tmp_path: Path) -> Workspace:
    """A checkout whose snapshot is in DVC's cache."""
    workspace = Workspace(tmp_path / "checkout")
    (workspace.root / ".dvc").mkdir(parents=True)
    shutil.copyfile(REPOSITORY / ".dvc" / "config", workspace.root / ".dvc" / "config")
    workspace.snapshot.mkdir(parents=True)
    (workspace.snapshot / "items.parquet").write_text("rows")
    track_snapshot(workspace)
    return workspace


def md5(workspace: Workspace) -> str:
    found: str = yaml.safe_load(workspace.snapshot_pointer.read_text())["outs"][0]["md5"]
    return found


@pytest.mark.slow
def test_what_the_cache_lacks_comes_from_a_remote_with_a_relative_address(
    source: Workspace, tmp_path: Path
) -> None:
    run_dvc(source, "remote", "add", "--default", "store", "../store")
    run_dvc(source, "push")
    shutil.rmtree(source.root / ".dvc" / "cache")
    target = Workspace(tmp_path / "far" / "away" / "replay")

    check_out_snapshot(source, target, md5(source))

    assert (target.snapshot / "items.parquet").read_text() == "rows"
