"""The slow plane on a small shop: from a database to a bundle that serves, and back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from click.testing import CliRunner

from database import deployments
from database.connection import connect
from database.gate_decisions import decisions, record_decision
from database.rollback import RollbackError
from database.settings import get_settings
from database.training_failures import last_outcome
from tests.training.slow import BEFORE_GATE, WHOLE_RUNS, buy_more, serving
from training.data.prepared import Prepared
from training.data.snapshot import read_snapshot, take_snapshot
from training.data.workspace import Workspace
from training.models.blend import BLEND
from training.models.bundle import hash_files, load_bundle
from training.models.registry import names
from training.params.edit import write_back
from training.pipeline.steps import STEPS, NothingNewError, RefusedError, StoppedError, main, run_steps
from training.release.bundle import find_stored, store_bundle
from training.release.promotion import PromotionError, promote, reconcile, roll_back
from training.tracking.tracker import Tracker
from training.tracking.versions import load_versions

pytestmark = WHOLE_RUNS


def test_the_same_database_gives_the_same_snapshot(checkout: Workspace) -> None:
    with connect() as conn:
        first = take_snapshot(conn, checkout)
        files = hash_files(checkout.snapshot)
        second = take_snapshot(conn, checkout)

    assert first == second
    assert hash_files(checkout.snapshot) == files
    assert len(first.md5) == len("0" * 32 + ".dir")


def test_dvc_repro_gives_what_the_steps_give(checkout: Workspace, assembled: None) -> None:
    learned = {
        name: hash_files(getattr(checkout, name)) for name in ("models", "candidates", "prepared", "bundle")
    }
    manifest, lock = described(checkout)

    bin_first = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    dvc = [sys.executable, "-m", "dvc"]
    status = subprocess.run([*dvc, "status"], cwd=checkout.root, capture_output=True, text=True, check=True)
    repro = subprocess.run(
        [*dvc, "repro", "--force"],
        cwd=checkout.root,
        env=bin_first,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "up to date" in status.stdout
    assert repro.returncode == 0, repro.stderr
    assert {name: hash_files(getattr(checkout, name)) for name in learned} == learned
    manifest_again, lock_again = described(checkout)
    assert manifest_again["environment"] == manifest["environment"]
    assert manifest_again == manifest
    for name, stage in lock["stages"].items():
        assert lock_again["stages"][name] == stage, name
    assert lock_again == lock


def described(checkout: Workspace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bundle's manifest and dvc.lock, save the git commit: the copied checkout is in no repository."""
    manifest = json.loads((checkout.bundle / "manifest.json").read_text())
    lock = yaml.safe_load((checkout.root / "dvc.lock").read_text())
    del manifest["git_commit"], lock["stages"]["bundle"]["outs"]
    return manifest, lock


def test_bad_data_stops_the_run_and_names_the_expectation(slow_plane: Any) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("update items set price = -1 where item_id = 'ITEM000003'")
    conn.close()
    run_steps(["snapshot"])

    with pytest.raises(StoppedError, match=r"expect_column_values_to_be_between failed on catalogue\.price"):
        run_steps(["validate"])
    with connect() as conn:
        told = last_outcome(conn)
    assert told is not None and told.outcome == "failed" and told.reason.startswith("step validate")
    assert [finding["rows"] for finding in told.details["findings"]] == [["ITEM000003"]]


def test_a_new_shop_without_interactions_has_nothing_to_learn(checkout: Workspace, slow_plane: Any) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("delete from interactions")
    conn.close()

    with pytest.raises(NothingNewError, match="No interactions yet"):
        run_steps(["snapshot"])

    with connect() as conn:
        assert last_outcome(conn) is None
    run_steps(["snapshot"], force=True)
    with pytest.raises(StoppedError, match="nothing to train on"):
        run_steps(["validate"])


def test_a_new_shop_whose_events_are_of_unknown_items_is_told_so(
    checkout: Workspace, slow_plane: Any
) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("update interactions set item_id = 'OTHER-' || item_id")
    conn.close()

    run_steps(["snapshot"])
    with pytest.raises(StoppedError, match="other ids"):
        run_steps(["validate"])


def test_a_night_that_the_memory_is_too_small_for_is_refused_before_it_begins(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.pipeline.memory.available", lambda: 1000)

    with pytest.raises(StoppedError, match=r"needs about .* GB of memory.*max_memory_share"):
        run_steps(["snapshot"])

    assert not checkout.snapshot.exists()
    with connect() as conn:
        told = last_outcome(conn)
    assert told is not None and told.outcome == "failed" and told.reason.startswith("step snapshot")


def test_a_click_on_nothing_and_a_deleted_item_do_not_stop_the_night(
    checkout: Workspace, slow_plane: Any
) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("update items set deleted_at = now() where item_id = 'ITEM000003'")
        cursor.execute(
            """insert into interactions (user_id, item_id, event_type, occurred_at, source)
            values ('user1', 'GHOST', 'click', now(), 'service')"""
        )
    conn.close()

    run_steps(["snapshot", "validate", "prepare"])

    found = read_snapshot(checkout).left_out
    assert (found["unknown"]["rows"], found["unknown"]["examples"]) == (1, ["GHOST"])
    assert found["deleted"]["rows"] > 0
    assert b"ITEM000003" not in Prepared.load(checkout.prepared).items.ids


def test_a_step_that_fails_ends_the_nights_run_as_failed(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise MemoryError("no memory")

    run_steps(["snapshot", "validate", "prepare"])
    monkeypatch.setattr("training.pipeline.steps.run_stage", breaks)
    with pytest.raises(MemoryError):
        run_steps(["popularity"])

    client = Tracker(get_settings()).client
    experiment = client.get_experiment_by_name("shortlist")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert "Step popularity: MemoryError: no memory" in run.data.tags["mlflow.note.content"]


def test_a_run_goes_by_the_params_of_its_start(checkout: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    run_steps(["snapshot"])
    text = checkout.params_file.read_text()
    checkout.params_file.write_text(text.replace("seed: 42", "seed: 43"))
    monkeypatch.setitem(STEPS, "popularity", lambda run: seen.append(run.params.seed))
    run_steps(["popularity"])
    assert seen == [42]

    run_steps(["commit"])
    assert not (checkout.root / "dvc.lock").exists(), "it would say that seed 43 was trained with"

    run_steps(["snapshot"], force=True)
    checkout.params_file.write_text("seed: [unreadable")
    run_steps(["popularity"])
    assert seen == [42, 43]


def test_a_run_cut_off_between_gate_and_deployment_is_made_again(
    checkout: Workspace, assembled: None
) -> None:
    run_steps(["gate"])
    assert serving() is None

    run_steps(["snapshot"])

    run_steps(["deploy"])
    with pytest.raises(NothingNewError):
        run_steps(["snapshot"])
    assert serving() is not None

    write_back(checkout.params_file, ("blend", "tuned"), {"als": 1.0}, whole=True)
    run_steps(["snapshot"])  # other weights of the blend are a reason to make a bundle


def test_dvc_notices_params_that_only_the_manifest_holds(checkout: Workspace, assembled: None) -> None:
    content = checkout.params_file.read_text()
    checkout.params_file.write_text(content.replace("cold_below: 5", "cold_below: 6"))
    command = [sys.executable, "-m", "dvc", "status"]
    status = subprocess.run(command, cwd=checkout.root, capture_output=True, text=True, check=True)
    stages = [line for line in status.stdout.splitlines() if line and not line[0].isspace()]
    assert stages == ["bundle:"]


def test_a_years_life(checkout: Workspace, slow_plane: Any, deployed: str) -> None:
    """First bundle; nothing new; second bundle; a crash in the middle of its promotion; rollback."""
    settings = get_settings()
    tracker = Tracker(settings)
    bundle = load_bundle(find_stored(settings, deployed).path)  # type: ignore[union-attr]
    assert set(bundle.models) == set(names(scope="bundle"))
    assert all(entry["version"] == "1" for entry in bundle.manifest.models.values())
    assert tracker.registry.aliases("shortlist-bundle") == {"champion": "1"}

    with pytest.raises(NothingNewError):
        run_steps(["snapshot"])
    run_steps(["snapshot"], force=True)

    buy_more(slow_plane.database.dsn)
    run_steps([*BEFORE_GATE, "gate"])
    with connect() as conn:
        judged = decisions(conn, 1)[0]
    assert judged.accepted
    assert judged.champion_id == deployed
    assert {"accuracy of blend", "coverage of blend"} <= {check["name"] for check in judged.report["checks"]}
    table = (checkout.evaluation / "summary" / "table.md").read_text()
    assert "| blend |" in table
    assert "| popularity |" in (checkout.evaluation / "summary" / "pairs.md").read_text()
    stored = store_bundle(settings, checkout.bundle, load_versions(checkout.tracking))
    assert serving() == deployed

    class Broken:
        """A tracking server that dies when the aliases are to move."""

        def aliases(self, name: str) -> dict[str, str]:
            raise ConnectionError(name)

        find_bundle = aliases

    with pytest.raises(ConnectionError):
        promote(settings, Broken(), stored, "test")  # type: ignore[arg-type]
    assert serving() == stored.bundle_id
    assert tracker.registry.aliases("shortlist-bundle")["champion"] == "1"
    again = promote(settings, tracker.registry, stored, "test")
    assert not again.changed
    assert tracker.registry.aliases("shortlist-bundle") == {"champion": "2", "previous": "1"}

    back = roll_back(settings, "clicks fell")
    assert back.deployment.bundle_id == serving() == deployed
    assert back.deployment.reason == "rollback: clicks fell"
    with connect() as conn:
        reconcile(conn, tracker.registry)
    assert tracker.registry.aliases("shortlist-bundle") == {"champion": "1"}
    with pytest.raises(RollbackError, match="no earlier bundle"):
        roll_back(settings, "again")


def test_a_wiped_shop_does_not_replace_the_bundle_unless_an_operator_says_so(
    checkout: Workspace, slow_plane: Any, deployed: str
) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("delete from interactions where user_id not in ('user1', 'user2', 'user3')")
    conn.close()

    with pytest.raises(RefusedError, match="volume: 90 interactions instead of 1,800"):
        run_steps([*BEFORE_GATE, "gate"])
    assert serving() == deployed
    with connect() as conn:
        assert "the champion was measured, so it stays" in str(decisions(conn, 1)[0].report["reasons"])

    run_steps(["gate", "deploy"], accept="moved to another shop")
    assert serving() not in {None, deployed}
    with connect() as conn:
        (decision,) = decisions(conn, 1)
    assert decision.accepted
    assert decision.report["override"]["reason"] == "moved to another shop"


def test_every_step_may_run_again(checkout: Workspace, deployed: str) -> None:
    tracker = Tracker(get_settings())

    def state() -> dict[str, Any]:
        experiment = tracker.client.get_experiment_by_name(tracker.experiment)
        runs = tracker.client.search_runs([experiment.experiment_id])
        with connect() as conn:
            past = [deployment.deployment_id for deployment in deployments.history(conn, 10)]
        return {
            "files": hash_files(checkout.bundle),
            "deployments": past,
            "champion": tracker.registry.aliases("shortlist-bundle")["champion"],
            "versions": len(tracker.client.search_model_versions("name like 'shortlist-%'")),
            "runs": {run.info.run_id: run.data.tags["shortlist.kind"] for run in runs},
        }

    before = state()
    for name in STEPS:
        if name != "snapshot":
            run_steps([name])

    assert state() == before
    parent = tracker.client.get_run(next(run for run, kind in before["runs"].items() if kind == "bundle"))
    assert parent.data.tags["shortlist.gate"] == "accepted"
    assert parent.info.status == "FINISHED"
    assert sorted(before["runs"].values()) == sorted(
        ["bundle", *names(scope="bundle"), *names(scope="evaluation"), BLEND]
    )


def test_a_task_of_a_run_whose_data_was_replaced_refuses_and_says_by_whom(slow_plane: Any) -> None:
    run_steps(["snapshot"], run_id="scheduled__monday")
    run_steps(["prepare"], run_id="scheduled__monday")
    run_steps(["snapshot"], run_id="scheduled__tuesday")
    with pytest.raises(StoppedError, match=r"scheduled__monday, but .* the data of scheduled__tuesday"):
        run_steps(["prepare"], run_id="scheduled__monday")
    run_steps(["prepare"], run_id="scheduled__tuesday")
    run_steps(["prepare"])
    run_steps(["snapshot"])
    with pytest.raises(StoppedError, match="the data of a run by hand"):
        run_steps(["prepare"], run_id="scheduled__tuesday")
    with connect() as conn:
        assert last_outcome(conn) is None, "a refusal to mix runs is no failed training"


def test_a_task_whose_snapshot_was_deleted_by_hand_says_what_to_do(
    checkout: Workspace, slow_plane: Any
) -> None:
    run_steps(["snapshot"])
    shutil.rmtree(checkout.snapshot)
    with pytest.raises(StoppedError, match=r"prepare finds no snapshot in .*run `snapshot` again"):
        run_steps(["prepare"])
    run_steps(["snapshot", "prepare"])


def test_only_an_accepted_bundle_is_promoted(checkout: Workspace, deployed: str) -> None:
    settings = get_settings()
    stored = find_stored(settings, deployed)
    assert stored is not None
    other = replace(stored, bundle_id="other")
    with pytest.raises(PromotionError, match="has not accepted"):
        promote(settings, Tracker(settings).registry, other, "test")
    with connect() as conn:
        record_decision(conn, "other", "somebody", True, {})
    with pytest.raises(PromotionError, match="run the gate again"):
        promote(settings, Tracker(settings).registry, other, "test")
    assert serving() == deployed


def test_the_command_runs_steps_in_order_and_says_why_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], bool, str | None]] = []

    def run(names: Sequence[str], *, force: bool, accept: str | None) -> None:
        asked.append((list(names), force, accept))
        if force:
            raise StoppedError("the data checks say no")

    monkeypatch.setattr("training.pipeline.steps.run_steps", run)
    assert CliRunner().invoke(main, ["--until", "evaluate"]).exit_code == 0
    assert CliRunner().invoke(main, ["als", "nmf", "--accept", "sold out"]).exit_code == 0
    stopped = CliRunner().invoke(main, ["--force"])
    assert (stopped.exit_code, stopped.output) == (1, "Error: the data checks say no\n")
    order = list(STEPS)
    assert asked == [
        (order[: order.index("evaluate") + 1], False, None),
        (["als", "nmf"], False, "sold out"),
        (order, True, None),
    ]
