"""A workspace of one's own: what is missing is made, or said at once."""

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from database.settings import REPOSITORY, Settings
from tests.conftest import SlowPlane
from training.data.snapshot import run_dvc
from training.data.workspace import NEEDED, check_holds, open_workspace, replaced
from training.pipeline.steps import run_steps
from training.release import bundle


def copy(folder: Path, *names: str) -> Settings:
    """Settings whose workspace is the folder, with these files of the checkout."""
    folder.mkdir(exist_ok=True)
    for name in names:
        shutil.copy(REPOSITORY / name, folder / name)
    return Settings(workspace=folder)


@pytest.mark.slow
def test_settings_of_dvc_are_made_where_there_are_none(tmp_path: Path) -> None:
    workspace = open_workspace(copy(tmp_path, "params.yaml", "dvc.yaml"))
    assert "no_scm" in (tmp_path / ".dvc" / "config").read_text()
    run_dvc(workspace, "status")


def test_settings_of_ones_own_are_left_alone(tmp_path: Path) -> None:
    settings = copy(tmp_path, "params.yaml", "dvc.yaml")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    open_workspace(settings)
    assert (tmp_path / ".dvc" / "config").read_text() == "[core]\n    no_scm = true\n"


def test_a_folder_without_the_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no dvc\.yaml; SHORTLIST_WORKSPACE must be a checkout"):
        open_workspace(copy(tmp_path, "params.yaml"))


def test_what_the_stages_name_is_asked_for_before_anything_runs(slow_plane: SlowPlane) -> None:
    shutil.rmtree(slow_plane.workspace / "data_checks")
    with pytest.raises(FileNotFoundError, match="has no data_checks"):
        run_steps(["ingest"])


def test_the_checkout_has_all_that_is_needed() -> None:
    check_holds(REPOSITORY)
    assert "params.yaml" in NEEDED


def test_a_path_that_cannot_be_read_hides_git_and_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*words: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied", "git")

    monkeypatch.setattr(subprocess, "run", refused)
    assert bundle.git_commit() == "unknown"


def test_a_full_disk_leaves_the_old_files_and_no_half_written_ones(tmp_path: Path) -> None:
    folder = tmp_path / "prepared"
    folder.mkdir()
    (folder / "old").write_text("whole")
    with pytest.raises(OSError, match="No space"), replaced(folder) as draft:
        (draft / "new").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "prepared",
        "prepared/old",
    ]
