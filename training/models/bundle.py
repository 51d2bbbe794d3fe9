"""A bundle: the models of one snapshot, served together; one directory, one manifest.

manifest.json holds a sha256 of every other file. A bundle that does not match is never served.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from training.errors import TrainingError
from training.models.core.base import Model
from training.models.core.storage import ModelFileError
from training.models.core.vocabulary import Vocabulary
from training.models.registry import REGISTRY, load_model

SCHEMA_VERSION = 1
"""Raised when older services could not read the bundle."""

MANIFEST = "manifest.json"

NEW_BUNDLE = "`make up` trains a new one; while the platform runs, `python -m training.pipeline --force` does"
"""What to do about a bundle of another version."""

SomeModel = TypeVar("SomeModel", bound=Model)


class BundleError(TrainingError):
    """A bundle can't be served: missing, incomplete, corrupt, or of another schema."""

    def __init__(self, directory: Path, reason: str) -> None:
        super().__init__(f"bundle {directory}: {reason}")
        self.directory = directory
        self.reason = reason


@dataclass(frozen=True)
class Watermark:
    """What the bundle's snapshot contains everything up to."""

    catalogue_seq: int
    interaction_id: int


@dataclass(frozen=True)
class Manifest:
    """What a bundle is made of, and of what."""

    bundle_id: str
    created_at: str
    """ISO 8601, UTC."""
    schema_version: int
    watermark: Watermark
    snapshot_hash: str
    params: dict[str, Any]
    git_commit: str
    models: dict[str, dict[str, Any]]
    """For each model in the bundle: mlflow_run_id, version, metrics, sizes."""
    files: dict[str, str]
    """sha256 of every file, by path in the bundle."""
    environment: dict[str, Any] = field(default_factory=dict)
    """What it was computed by (`training.release.environment`); empty in bundles of 0.1.0."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bundle:
    """An open bundle, memory-mapped."""

    directory: Path
    manifest: Manifest
    items: Vocabulary
    users: Vocabulary
    models: Mapping[str, Model]
    """name → model, of those that the bundle holds."""

    def model(self, kind: type[SomeModel]) -> SomeModel:
        """The bundle's model of a class, such as `Als`.

        Raises BundleError when the bundle does not hold it.
        """
        found = self.models.get(kind.name)
        if not isinstance(found, kind):
            raise BundleError(self.directory, f"holds no {kind.name}")
        return found


def write_manifest(
    directory: Path,
    *,
    watermark: Watermark,
    snapshot_hash: str,
    params: dict[str, Any],
    git_commit: str,
    models: dict[str, dict[str, Any]],
    created_at: datetime,
    environment: dict[str, Any] | None = None,
) -> Manifest:
    """Hash every file of an assembled bundle and write its manifest, last.

    Args:
        directory: holds items.npy, users.npy and one folder for each of `models`.
        watermark: what the snapshot contains everything up to.
        snapshot_hash: the snapshot's DVC hash.
        params: the whole of params.yaml; the blend's learned weights in it are part of the bundle, as the
            files are.
        git_commit: commit of the code that trained it.
        models: for each model: mlflow_run_id, version, metrics, sizes.
        created_at: aware.
        environment: what computed it; no part of the bundle's id.
    """
    files = hash_files(directory)
    made_of = {"files": files, "weights": params["blend"]["tuned"]}
    content = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    moment = created_at.astimezone(UTC)
    manifest = Manifest(
        bundle_id=f"{moment:%Y%m%d%H%M%S}-{content[:12]}",
        created_at=moment.isoformat(),
        schema_version=SCHEMA_VERSION,
        watermark=watermark,
        snapshot_hash=snapshot_hash,
        params=params,
        git_commit=git_commit,
        models=models,
        files=files,
        environment=environment or {},
    )
    text = json.dumps(manifest.to_dict(), indent=2, sort_keys=True)
    (directory / MANIFEST).write_text(text + "\n")
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a bundle; its files are not looked at.

    Raises BundleError when there is none, or another version of the schema wrote it.
    """
    try:
        content = json.loads((directory / MANIFEST).read_text())
        if content["schema_version"] != SCHEMA_VERSION:
            raise BundleError(directory, _other_schema(content["schema_version"]))
        return manifest_of(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(directory, f"the manifest cannot be read: {error}") from error


def _other_schema(found: object) -> str:
    newer = isinstance(found, int) and found > SCHEMA_VERSION
    which = f"{'a newer' if newer else 'an earlier'} version of Shortlist"
    return f"made by {which} (schema {found}, this one reads {SCHEMA_VERSION}): {NEW_BUNDLE}"


def manifest_of(content: Mapping[str, Any]) -> Manifest:
    """The manifest whose `to_dict` gave `content`."""
    return Manifest(**{**content, "watermark": Watermark(**content["watermark"])})


def verify_bundle(directory: Path) -> Manifest:
    """Check every file against the manifest.

    Raises BundleError when a file is missing, changed, or not in the manifest.
    """
    manifest = read_manifest(directory)
    found = hash_files(directory)
    missing = sorted(manifest.files.keys() - found.keys())
    extra = sorted(found.keys() - manifest.files.keys())
    changed = sorted(
        path for path in manifest.files.keys() & found.keys() if manifest.files[path] != found[path]
    )
    for problem, paths in (("missing", missing), ("changed", changed), ("not in the manifest", extra)):
        if paths:
            raise BundleError(directory, f"{problem}: {', '.join(paths[:5])}")
    return manifest


def load_bundle(directory: Path) -> Bundle:
    """Verify and open a bundle.

    Raises BundleError when it does not match its manifest, or a model in it cannot be read.
    """
    manifest = verify_bundle(directory)
    unknown = sorted(manifest.models.keys() - REGISTRY.keys())
    if unknown:
        raise BundleError(directory, f"unknown models: {', '.join(unknown)}: {NEW_BUNDLE}")
    try:
        items = Vocabulary.load(directory / "items.npy")
        users = Vocabulary.load(directory / "users.npy")
        models = {name: load_model(name, directory / name) for name in manifest.models}
    except KeyError as error:
        reason = f"made by another version of Shortlist (it lacks {error}): {NEW_BUNDLE}"
        raise BundleError(directory, reason) from error
    except (OSError, ValueError, TypeError, ModelFileError) as error:
        raise BundleError(directory, f"cannot be opened: {error}") from error
    for name, model in models.items():
        if model.n_items != len(items):
            raise BundleError(directory, f"{name} holds {model.n_items} items, the bundle {len(items)}")
    return Bundle(directory, manifest, items, users, models)


def hash_files(directory: Path) -> dict[str, str]:
    """sha256 of every file under a directory, save its manifest, by relative path."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {
        path.relative_to(directory).as_posix(): _sha256(path)
        for path in paths
        if path != directory / MANIFEST
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(partial(file.read, 1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
