"""MLflow's aliases follow what serves, and what was taken back does not return by itself."""

from types import SimpleNamespace
from typing import cast

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments, rollback
from database.connection import connect
from database.experiments import list_experiments
from database.gate_decisions import record_decision
from database.settings import REPOSITORY, get_settings
from training.params import load_params
from training.release.bundle import StoredBundle
from training.release.promotion import PromotionError, promote, reconcile
from training.tracking.lineage import Lineage
from training.tracking.registry import BUNDLE, Registry
from training.tracking.tracker import Tracker
from watch.monitoring import mirror_registry


def deploy(conn: Connection, bundle_id: str) -> None:
    deployments.activate(conn, bundle_id, f"shortlist:{bundle_id}", {"models": {}}, "daily training")
    conn.commit()


def take_back(conn: Connection) -> None:
    rollback.roll_back(conn, "fewer clicks", lambda target: True)


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
def test_the_aliases_follow_a_rollback_that_did_not_ask_mlflow_and_no_hand(
    connection: Connection, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mirror")
    get_settings.cache_clear()
    tracker = Tracker(get_settings())
    registry = tracker.registry
    run = tracker.bundle_run(Lineage("md5", "params", "commit"))
    first, second = (
        registry.register_bundle(run, name, REPOSITORY / "params.yaml", "an item").version
        for name in ("m1", "m2")
    )
    mirror_registry()
    deploy(connection, "m1")
    deploy(connection, "m2")
    mirror_registry()
    assert registry.aliases(registry.name_of(BUNDLE)) == {"champion": second, "previous": first}

    tracker.client.set_registered_model_alias(
        registry.name_of(BUNDLE), "champion", first
    )  # in its UI, by hand
    tracker.client.delete_registered_model_alias(registry.name_of(BUNDLE), "previous")
    mirror_registry()
    assert registry.aliases(registry.name_of(BUNDLE)) == {"champion": second, "previous": first}

    take_back(connection)
    with connect() as other, deployments.promotion_lock(other, 0.1):
        mirror_registry()  # somebody else is at it
    assert registry.aliases(registry.name_of(BUNDLE))["champion"] == second
    mirror_registry()
    assert registry.aliases(registry.name_of(BUNDLE)) == {"champion": first}


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
def test_versions_that_were_deleted_in_mlflow_stop_nothing(
    connection: Connection,
    tracking_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "deleted-versions")
    get_settings.cache_clear()
    tracker = Tracker(get_settings())
    name = tracker.registry.name_of("als")
    tracker.client.create_registered_model(name)
    version = str(tracker.client.create_model_version(name, source="file:///nowhere").version)
    models = {"als": {"version": version}}
    deployments.activate(connection, "b1", "shortlist:b1", {"models": models}, "daily training")
    connection.commit()
    mirror_registry()
    assert tracker.registry.aliases(name) == {"champion": version}
    tracker.client.delete_model_version(name, version)
    mirror_registry()
    assert f"version {version} of {name} was deleted" in caplog.text
    tracker.client.delete_registered_model(name)
    mirror_registry()


class Nothing:
    """A registry that is not asked: it is refused before."""


@pytest.mark.parametrize(
    ("decided", "reason"),
    [
        ([], "has not accepted"),
        ([("serving", False)], "has not accepted"),
        ([("serving", True), ("serving", False)], "has not accepted"),
        ([("another", True)], "was compared with another, but serving is in service now"),
        ([(None, True)], "was compared with None, but serving is in service now"),
    ],
)
def test_what_the_gate_did_not_accept_against_what_serves_is_not_promoted(
    connection: Connection, decided: list[tuple[str | None, bool]], reason: str
) -> None:
    """The task that promotes may be cleared and run by itself: the second lock is the database's."""
    deploy(connection, "serving")
    for champion, accepted in decided:
        record_decision(connection, "new", champion, accepted, {})
    record_decision(connection, "some other bundle", "serving", True, {})
    connection.commit()
    new = StoredBundle("new", "shortlist:new", REPOSITORY, {"models": {}})
    with pytest.raises(PromotionError, match=reason):
        promote(get_settings(), cast(Registry, Nothing()), new, "the task was cleared")
    connection.rollback()
    serving = deployments.current(connection)
    assert serving is not None and serving.bundle_id == "serving"


def test_a_bundle_that_was_taken_back_is_judged_again_first(connection: Connection) -> None:
    bad = StoredBundle("bad", "shortlist:bad", REPOSITORY, {"models": {}})
    deploy(connection, "good")
    record_decision(connection, "bad", "good", True, {})
    deploy(connection, "bad")
    take_back(connection)
    with pytest.raises(PromotionError, match="was rolled back after"):
        promote(get_settings(), cast(Registry, Nothing()), bad, "the task was cleared")
    serving = deployments.current(connection)
    assert serving is not None and serving.bundle_id == "good"


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's own
def test_a_promotion_keeps_a_share_of_the_users_on_the_bundle_before(
    connection: Connection, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "holdback")
    get_settings.cache_clear()
    registry = Tracker(get_settings()).registry
    deploy(connection, "before")
    with connection.cursor() as cursor:
        cursor.execute(
            """insert into impression_lists
            (request_id, shown, endpoint, user_id, item_ids, propensities, bundle_id, shown_at)
            select 'r', true, 'home', 'user' || n, '{i}', '{1}', 'before', now() - interval '1 hour'
            from generate_series(1, 2100) n"""
        )
    record_decision(connection, "new", "before", True, {})
    connection.commit()
    plan = load_params(REPOSITORY / "params.yaml").guard.holdback()
    new = StoredBundle("new", "shortlist:new", REPOSITORY, {"models": {}})
    assert promote(get_settings(), registry, new, "daily training", plan).changed
    (held,) = list_experiments(connection, 5, running_only=True)
    assert [(arm.share, arm.bundle_id) for arm in held.arms] == [(0.9, None), (0.1, "before")]
    assert not promote(get_settings(), registry, new, "daily training", plan).changed
    connection.rollback()
    assert list_experiments(connection, 5, running_only=True) == [held], "again is no change"
    take_back(connection)
    assert list_experiments(connection, 5, running_only=True) == []


def test_of_all_aliases_the_bundles_moves_last(connection: Connection) -> None:
    """Whoever reads it finds the models' at their places already."""
    moved: list[str] = []

    class Noted:
        """A registry in which the bundle's name is the first in order."""

        def name_of(self, name: str) -> str:
            return "a bundle" if name == BUNDLE else f"model {name}"

        def find_bundle(self, bundle_id: str) -> SimpleNamespace:
            return SimpleNamespace(name="a bundle", version=bundle_id)

        def aliases(self, name: str) -> dict[str, str]:
            return {}

        def set_aliases(self, name: str, wanted: dict[str, str | None]) -> list[str]:
            moved.append(name)
            return list(wanted)

    content = {"models": {name: {"version": 3} for name in ("nmf", "als")}}
    deployments.activate(connection, "b1", "shortlist:b1", content, "daily training")
    reconcile(connection, cast(Registry, Noted()))
    assert moved == ["model als", "model nmf", "a bundle"]
