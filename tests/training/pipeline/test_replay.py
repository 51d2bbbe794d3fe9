"""A bundle made again from what its manifest says it was made of."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from database.settings import get_settings
from tests.training.slow import WHOLE_RUNS, buy_more
from training.data.workspace import Workspace
from training.models.bundle import MANIFEST
from training.pipeline.replay import ReplayError, replay
from training.pipeline.steps import run_steps
from training.release.bundle import find_stored

pytestmark = WHOLE_RUNS


def test_a_bundle_is_rebuilt_from_its_manifest(
    checkout: Workspace, slow_plane: Any, deployed: str, tmp_path: Path
) -> None:
    settings = get_settings()
    buy_more(slow_plane.database.dsn)
    run_steps(["snapshot"])
    shutil.rmtree(checkout.data)

    from_store = replay(settings, deployed, made(tmp_path / "one"))

    assert from_store.same, from_store.lines()
    stored = find_stored(settings, deployed)
    assert stored is not None
    manifest = json.loads((stored.path / MANIFEST).read_text())
    assert manifest["environment"]["libraries"]["numpy"] == np.__version__
    assert not from_store.environment, "the same machine"
    manifest["params"]["nmf"]["factors"] -= 1
    manifest["environment"]["python"] = "3.9"
    (stored.path / MANIFEST).write_text(json.dumps(manifest))

    changed = replay(settings, deployed, made(tmp_path / "two"))

    assert not changed.same
    assert set(changed.different) >= {"nmf/item_factors.npy"}
    assert {path.partition("/")[0] for path in changed.different} <= {"nmf", "evaluation"}
    assert changed.compared is not None
    assert len(changed.environment) == 1 and changed.environment[0].startswith("python was 3.9, is 3.")
    assert changed.compared["als"].alike and not changed.compared["nmf"].alike
    shutil.rmtree(checkout.root / ".dvc" / "cache")
    with pytest.raises(ReplayError, match="is not available"):
        replay(settings, deployed, made(tmp_path / "three"))
    with pytest.raises(ReplayError, match="is not in the store"):
        replay(settings, "unknown", made(tmp_path / "four"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
