import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.training.models.conftest import CONFIGS
from training.models.als import Als
from training.models.bundle import (
    BundleError,
    Watermark,
    hash_files,
    load_bundle,
    read_manifest,
    verify_bundle,
    write_manifest,
)
from training.models.core.base import Query
from training.models.core.data import TrainingData
from training.models.nmf import Nmf
from training.models.registry import fit_model

MODELS = ("als", "popularity", "embeddings")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, checkerboard: TrainingData) -> Path:
    """A bundle that no test changes."""
    bundle = tmp_path_factory.mktemp("written") / "bundle"
    for name in MODELS:
        fit_model(name, checkerboard, CONFIGS[name], 1).save(bundle / name)
    checkerboard.items.save(bundle / "items.npy")
    checkerboard.users.save(bundle / "users.npy")
    write_manifest(
        bundle,
        watermark=Watermark(12, 345),
        snapshot_hash="abc",
        params={"seed": 1, "blend": {"tuned": {"als": 1.0}}},
        git_commit="0" * 40,
        models={name: {"mlflow_run_id": "r", "version": 1} for name in MODELS},
        created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    return bundle


@pytest.fixture
def directory(written: Path, tmp_path: Path) -> Path:
    """A copy of the bundle."""
    return Path(shutil.copytree(written, tmp_path / "bundle"))


def test_opens_with_its_models_and_manifest(directory: Path) -> None:
    bundle = load_bundle(directory)
    assert bundle.manifest.bundle_id.startswith("20260102030405-")
    assert bundle.manifest.watermark == Watermark(12, 345)
    assert set(bundle.models) == set(MODELS)
    assert isinstance(bundle.model(Als).item_factors.base, np.memmap)
    assert len(bundle.models["popularity"].recommend(Query(), 3)[0]) == 3
    with pytest.raises(BundleError, match="holds no nmf"):
        bundle.model(Nmf)


@pytest.mark.parametrize("path", ["als/item_factors.npy", "items.npy", "embeddings/index.faiss"])
def test_one_changed_byte_is_refused_and_named(directory: Path, path: str) -> None:
    content = bytearray((directory / path).read_bytes())
    content[-1] ^= 1
    (directory / path).write_bytes(content)
    with pytest.raises(BundleError, match=f"changed: {path}"):
        load_bundle(directory)


def test_a_missing_or_added_file_is_refused(directory: Path) -> None:
    (directory / "als" / "extra.npy").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"not in the manifest: als/extra\.npy"):
        verify_bundle(directory)
    (directory / "als" / "extra.npy").rename(directory / "users.npy")
    with pytest.raises(BundleError, match="changed: users"):
        verify_bundle(directory)
    (directory / "users.npy").unlink()
    with pytest.raises(BundleError, match="missing: users"):
        verify_bundle(directory)


@pytest.mark.parametrize("manifest", ["", "{}", "[]", '{"schema_version": 1}'])
def test_a_manifest_that_is_none_is_refused(directory: Path, manifest: str) -> None:
    (directory / "manifest.json").write_text(manifest)
    with pytest.raises(BundleError, match="manifest"):
        load_bundle(directory)


@pytest.mark.parametrize(
    ("schema", "which"), [(99, "a newer"), (0, "an earlier"), ("one", "an earlier"), (None, "an earlier")]
)
def test_another_schema_is_refused_with_the_command_that_makes_a_new_bundle(
    directory: Path, schema: object, which: str
) -> None:
    content = json.loads((directory / "manifest.json").read_text()) | {"schema_version": schema}
    (directory / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=f"made by {which} version .*schema {schema}.*`make up`"):
        read_manifest(directory)


def test_an_empty_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(tmp_path)


def test_a_bundle_of_another_version_is_refused_in_words(directory: Path) -> None:
    head = json.loads((directory / "als" / "model.json").read_text())
    head["settings"] = {}
    (directory / "als" / "model.json").write_text(json.dumps(head))
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"] |= hash_files(directory)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"another version of Shortlist.*`make up`"):
        load_bundle(directory)
