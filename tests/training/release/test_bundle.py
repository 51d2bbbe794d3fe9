"""Bundles in the store that were damaged."""

from pathlib import Path

from database.settings import get_settings
from tests.training.slow import WHOLE_RUNS, serving
from training.data.workspace import Workspace
from training.pipeline.steps import STEPS, run_steps
from training.release.bundle import find_stored, store_bundle
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
