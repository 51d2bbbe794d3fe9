"""The Dockerfiles copy what exists, run as nobody in particular, and keep what must be kept in volumes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from database.settings import REPOSITORY
from operations.install.lock import supported_versions
from operations.install.torch import PYTORCH_PAGE
from training.data.snapshot import run_dvc
from training.data.workspace import Workspace

SERVICES: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
DOCKERFILES = sorted((REPOSITORY / "docker").glob("*.Dockerfile"))


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_copy_what_exists_cache_what_is_slow_and_are_not_root(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            *sources, _ = [word for word in line.split()[1:] if not word.startswith("--")]
            assert all((REPOSITORY / source).exists() for source in sources), line
    assert lines[-1].startswith(("USER", "WORKDIR"))
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert "useradd --create-home --uid 10001" in path.read_text()
    assert all(
        line.split()[1].split(":")[0] == "python" and "slim" in line for line in lines if line[:4] == "FROM"
    )
    assert "--mount=type=cache" in path.read_text()
    assert path.name in " ".join(
        str(service["build"]["dockerfile"]) for service in SERVICES.values() if "build" in service
    )


def test_every_folder_is_in_the_image() -> None:
    copied = (REPOSITORY / "docker" / "shortlist.Dockerfile").read_text()
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    for folder in (
        "dags",
        "data_checks",
        "database",
        "operations",
        "serving",
        "training",
        "params.yaml",
        "dvc.yaml",
        "requirements.txt",
    ):
        assert f" {folder} " in copied and folder not in ignored
    assert {".env", ".git", ".shortlist"} <= set(ignored)


def test_the_small_image_has_the_locked_versions() -> None:
    locked = (REPOSITORY / "requirements.txt").read_text().splitlines()
    (line,) = re.findall(r"pip install (.+)", (REPOSITORY / "docker" / "mlflow.Dockerfile").read_text())
    assert {"mlflow", "psycopg2-binary"} == {pin.split("==")[0] for pin in line.split()}
    assert set(line.split()) <= set(locked)


def test_the_image_takes_torch_from_where_the_installer_does_and_a_supported_python() -> None:
    image = (REPOSITORY / "docker" / "shortlist.Dockerfile").read_text()
    assert f"--find-links {PYTORCH_PAGE} " in image
    oldest, above = supported_versions((REPOSITORY / "pyproject.toml").read_text())
    for path in DOCKERFILES:
        for version in re.findall(r"^FROM python:3\.(\d+)-", path.read_text(), re.M):
            assert oldest <= (3, int(version)) < above


def test_what_must_outlive_a_container_lies_in_a_volume_that_its_user_may_write() -> None:
    image = (REPOSITORY / "docker" / "shortlist.Dockerfile").read_text().replace("\\\n", " ")
    (made,) = re.findall(r"install --directory --owner shortlist ([^\n]+)", image)
    folders = dict(volume.split(":")[:2] for volume in SERVICES["airflow-scheduler"]["volumes"])
    assert set(folders.values()) <= set(made.split())
    written = [*re.findall(r"=(/var/lib/\S+)", image), "/srv/shortlist/data", "/srv/shortlist/.dvc"]
    assert all(any(path.startswith(folder) for folder in folders.values()) for path in written)
    assert (
        "ln -s data/dvc.lock dvc.lock" in image
        and "> data/dvc.lock" in SERVICES["airflow-init"]["command"][-1]
    )
    assert folders["state"] == dict(one.split(":")[:2] for one in SERVICES["service"]["volumes"])["state"]
    workdir = re.findall(r"^WORKDIR (\S+)$", image, re.M)[-1]
    assert SERVICES["airflow-scheduler"]["environment"]["AIRFLOW__CORE__DAGS_FOLDER"] == f"{workdir}/dags"


@pytest.mark.slow
def test_dvc_writes_a_lock_file_that_is_a_link(tmp_path: Path) -> None:
    """As in the image: the link stays, and its target, which airflow-init began, holds the stages."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text((REPOSITORY / ".dvc" / "config").read_text())
    (tmp_path / "data").mkdir()
    (tmp_path / "dvc.lock").symlink_to("data/dvc.lock")
    (begun,) = re.findall(r'echo "([^"]+)" > data/dvc.lock', SERVICES["airflow-init"]["command"][-1])
    (tmp_path / "data" / "dvc.lock").write_text(begun + "\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: echo > one\n    outs: [one]\n")
    (tmp_path / "one").write_text("1")
    run_dvc(Workspace(tmp_path), "commit", "--force")
    assert (tmp_path / "dvc.lock").is_symlink()
    assert "one" in yaml.safe_load((tmp_path / "data" / "dvc.lock").read_text())["stages"]
