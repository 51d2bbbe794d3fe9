"""A promotion that dies between any two steps leaves one whole champion; running it again ends it."""

from collections.abc import Callable
from typing import Any

import pytest

from database import deployments
from database.connection import connect
from database.settings import get_settings
from tests.training.slow import BEFORE_GATE, WHOLE_RUNS, buy_more, serving
from training.data.workspace import Workspace
from training.models.bundle import load_bundle, read_manifest
from training.models.registry import names
from training.pipeline import steps as pipeline
from training.pipeline.steps import run_steps
from training.release import bundle, promotion
from training.release.bundle import find_stored
from training.tracking.registry import Registry
from training.tracking.tracker import Tracker

pytestmark = WHOLE_RUNS
MODELS = len(names(scope="bundle"))


class Crash(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def dies(*args: Any, **kwargs: Any) -> Any:
    raise Crash


def dies_after(work: Callable[..., Any]) -> Callable[..., Any]:
    def act(*args: Any, **kwargs: Any) -> Any:
        work(*args, **kwargs)
        raise Crash

    return act


def dies_at_alias(number: int) -> Callable[..., Any]:
    """The aliases of so many registered models are moved, and no more."""
    moved = 0
    work = Registry.set_aliases

    def act(self: Registry, name: str, wanted: Any) -> Any:
        nonlocal moved
        if moved == number:
            raise Crash
        moved += 1
        return work(self, name, wanted)

    return act


POINTS: dict[str, tuple[Any, str, Any, bool]] = {
    "before the store": (pipeline, "store_bundle", dies, False),
    "the copy half-written": (bundle, "_write_versions", dies, False),
    "stored, before the lock": (pipeline, "promote", dies, False),
    "locked, not recorded": (deployments, "activate", dies, False),
    "recorded, not committed": (deployments, "activate", dies_after(deployments.activate), False),
    "committed, no alias moved": (promotion, "reconcile", dies, True),
    "one model's aliases moved": (Registry, "set_aliases", dies_at_alias(1), True),
    "all but the bundle's aliases moved": (Registry, "set_aliases", dies_at_alias(MODELS), True),
    "everything done": (pipeline, "promote", dies_after(promotion.promote), True),
}
"""Where it dies: what is replaced by what, and whether the challenger serves then."""


@pytest.fixture
def challenger(slow_plane: Any, checkout: Workspace, deployed: str) -> str:
    """Id of a bundle that was accepted and waits for its promotion."""
    buy_more(slow_plane.database.dsn)
    run_steps([*BEFORE_GATE, "gate"])
    return read_manifest(checkout.bundle).bundle_id


def test_every_crash_leaves_one_whole_champion(
    deployed: str, challenger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(get_settings())
    for place, (owner, name, replacement, moved) in POINTS.items():
        with monkeypatch.context() as patched, pytest.raises(Crash):
            patched.setattr(owner, name, replacement)
            run_steps(["deploy"])

        serves = challenger if moved else deployed
        assert serving() == serves, place
        assert_whole(serves)
        with connect() as conn, deployments.promotion_lock(conn, 0.1):
            assert len(deployments.history(conn, 10)) == 1 + moved, place

        run_steps(["deploy"])

        assert serving() == challenger, place
        assert_whole(challenger)
        assert tracker.registry.aliases("shortlist-bundle") == {"champion": "2", "previous": "1"}, place
        assert tracker.registry.aliases("shortlist-als") == {"champion": "2", "previous": "1"}, place
        with connect() as conn:
            assert len(deployments.history(conn, 10)) == 2, place
        undo(tracker, challenger)
        assert serving() == deployed


def assert_whole(bundle_id: str) -> None:
    stored = find_stored(get_settings(), bundle_id)
    assert stored is not None
    assert load_bundle(stored.path).manifest.bundle_id == bundle_id


def undo(tracker: Tracker, challenger: str) -> None:
    """As it was before the challenger's promotion."""
    import bentoml

    with connect() as conn, conn.cursor() as cursor:
        cursor.execute("update change_state set deployment_id = (select min(deployment_id) from deployments)")
        cursor.execute(
            "delete from deployments where deployment_id > (select deployment_id from change_state)"
        )
        conn.commit()
        promotion.reconcile(conn, tracker.registry)
    bentoml.models.delete(f"shortlist:{challenger}")
