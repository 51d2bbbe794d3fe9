"""The bundle: assembled from a workspace's models, and kept in BentoML's model store.

A stored bundle lies in the folder `bundle` of its Bento model (BentoML writes a file of its own
beside it). `evaluation/` in it holds the models fitted on the training part only: by them a later
challenger is compared with this bundle on a holdout that neither has seen.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from database.settings import REPOSITORY, Settings
from training.data.snapshot import read_snapshot
from training.data.workspace import Workspace
from training.models.bundle import (
    MANIFEST,
    BundleError,
    Manifest,
    Watermark,
    read_manifest,
    verify_bundle,
    write_manifest,
)
from training.models.registry import load_model, sizes
from training.params import Params
from training.release.environment import describe_environment
from training.tracking.versions import Version

NAME = "shortlist"
"""Name of the Bento models; a version is a bundle's id."""
FOLDER = "bundle"
EVALUATION = "evaluation"
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class StoredBundle:
    """A bundle in the store."""

    bundle_id: str
    tag: str
    path: Path
    """Folder that `load_bundle` opens."""
    manifest: dict[str, Any]


def assemble(workspace: Workspace, models: Sequence[str], params: Params, folder: Path) -> Manifest:
    """Put vocabularies, models and what the next comparison needs into `folder`, and write the manifest.

    The bundle's time is that of its snapshot, so the same snapshot and params give the same id.
    """
    snapshot = read_snapshot(workspace)
    for name in ("items.npy", "users.npy"):
        shutil.copyfile(workspace.prepared / name, folder / name)
    entries = {}
    for name in models:
        shutil.copytree(workspace.models / name, folder / name)
        shutil.copytree(workspace.candidates / name, folder / EVALUATION / name)
        metrics = json.loads((workspace.evaluation / name / "metrics.json").read_text())
        entries[name] = {
            "mlflow_run_id": None,
            "version": None,
            "metrics": metrics["headline"],
            "sizes": sizes(load_model(name, folder / name)),
        }
    return write_manifest(
        folder,
        watermark=Watermark(snapshot.catalogue_seq, snapshot.interaction_id),
        snapshot_hash=snapshot.md5,
        params=params.model_dump(mode="json"),
        git_commit=git_commit(),
        models=entries,
        created_at=datetime.fromisoformat(snapshot.as_of),
        environment=describe_environment(),
    )


def store_bundle(settings: Settings, folder: Path, versions: Mapping[str, Version]) -> StoredBundle:
    """Copy an assembled bundle into the store, with its models' MLflow runs and versions in the manifest.

    A bundle that is there and whole is left as it is; one that a crash left half-written is replaced.

    Raises BundleError when the assembled bundle does not match its manifest.
    """
    manifest = verify_bundle(folder)
    known = find_stored(settings, manifest.bundle_id)
    if known is not None:
        return known
    bentoml = _bentoml(settings)
    tag = f"{NAME}:{manifest.bundle_id}"
    if _exists(bentoml, tag):
        bentoml.models.delete(tag)
    labels = {"snapshot": manifest.snapshot_hash, "git_commit": manifest.git_commit}
    with bentoml.models.create(tag, labels=labels, metadata={"created_at": manifest.created_at}) as model:
        target = Path(model.path) / FOLDER
        shutil.copytree(folder, target)
        _write_versions(target / MANIFEST, versions)
    stored = find_stored(settings, manifest.bundle_id)
    if stored is None:
        raise BundleError(folder, "the stored copy is incomplete")
    return stored


def find_stored(settings: Settings, bundle_id: str) -> StoredBundle | None:
    """A whole bundle in the store; None when it is not there or does not match its manifest."""
    bentoml = _bentoml(settings)
    tag = f"{NAME}:{bundle_id}"
    if not _exists(bentoml, tag):
        return None
    path = Path(bentoml.models.get(tag).path) / FOLDER
    try:
        manifest = verify_bundle(path)
    except BundleError:
        return None
    return StoredBundle(bundle_id, tag, path, manifest.to_dict())


def size_mb(folder: Path) -> float:
    """What a folder takes on disk, in MB (10^6 bytes)."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MEGABYTE


def git_commit() -> str:
    """Commit of the running code; "unknown" without git (a download, an image, a PATH that can't be read)."""
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"


def _write_versions(path: Path, versions: Mapping[str, Version]) -> None:
    content = read_manifest(path.parent).to_dict()
    for name, version in versions.items():
        content["models"][name] |= {"mlflow_run_id": version.run_id, "version": version.version}
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _bentoml(settings: Settings) -> Any:
    """The library, looking at this installation's store."""
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.setdefault("BENTOML_HOME", str(settings.home / "bentoml"))
    import bentoml

    return bentoml


def _exists(bentoml: Any, tag: str) -> bool:
    try:
        bentoml.models.get(tag)
    except bentoml.exceptions.NotFound:
        return False
    return True


def list_stored(settings: Settings) -> list[StoredBundle]:
    """Every bundle in the store that has a manifest, of any schema; their files are not verified."""
    bentoml = _bentoml(settings)
    try:
        models = bentoml.models.list(NAME)
    except bentoml.exceptions.NotFound:  # before the first
        return []
    found = []
    for model in models:
        path = Path(model.path) / FOLDER
        try:
            manifest = json.loads((path / MANIFEST).read_text())
            found.append(StoredBundle(manifest["bundle_id"], str(model.tag), path, manifest))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def delete_stored(settings: Settings, bundle: StoredBundle) -> None:
    """Delete a bundle from the store. Workers that have it open keep its files until they let go."""
    _bentoml(settings).models.delete(bundle.tag)
