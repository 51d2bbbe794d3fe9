"""Bundles in the store that were damaged."""

import json
from pathlib import Path
from typing import Any

from database.settings import get_settings
from tests.training.slow import WHOLE_RUNS, serving
from training.data.workspace import Workspace
from training.models.bundle import MANIFEST
from training.pipeline.steps import STEPS, run_steps
from training.release.bundle import _bentoml, delete_stored, find_stored, list_stored, store_bundle
from training.tracking.versions import load_versions

pytestmark = WHOLE_RUNS


def test_a_half_written_store_is_made_whole(checkout: Workspace, deployed: str) -> None:
    settings = get_settings()
    stored = find_stored(settings, deployed)
    assert stored is not None
    (stored.path / "items.npy").unlink()
    assert find_stored(settings, deployed) is None

    mended = store_bundle(settings, checkout.bundle, load_versions(checkout.tracking))

    assert mended.bundle_id == deployed
    assert Path(mended.path / "items.npy").is_file()


def test_a_damaged_champion_does_not_stop_the_learning(checkout: Workspace, deployed: str) -> None:
    stored = find_stored(get_settings(), deployed)
    assert stored is not None
    (stored.path / "items.npy").unlink()

    run_steps(list(STEPS), force=True)

    assert serving() is not None
    found = find_stored(get_settings(), serving() or "")
    assert found is not None


def test_retention_sees_bundles_of_another_schema(slow_plane: Any) -> None:
    settings = get_settings()
    manifest = {"bundle_id": "other", "schema_version": 99, "created_at": "2026-01-02T00:00:00+00:00"}
    for name, text in (("other", json.dumps(manifest)), ("broken", "{"), ("list", "[]")):
        with _bentoml(settings).models.create(f"shortlist:{name}") as model:
            (Path(model.path) / "bundle").mkdir()
            (Path(model.path) / "bundle" / MANIFEST).write_text(text)

    listed = {each.bundle_id: each for each in list_stored(settings)}

    assert find_stored(settings, "other") is None
    assert "other" in listed and not {"broken", "list"} & listed.keys()
    delete_stored(settings, listed["other"])
    assert "other" not in {each.bundle_id for each in list_stored(settings)}
