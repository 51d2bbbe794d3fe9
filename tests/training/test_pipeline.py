"""The slow plane on a small shop: from a database to a bundle that serves, and back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from click.testing import CliRunner

from dags import defaults
from database import deployments
from database.connection import connect
from database.gate_decisions import decisions, record_decision
from database.rollback import RollbackError
from database.settings import REPOSITORY, get_settings
from training.bundle import find_stored, store_bundle
from training.models.bundle import MANIFEST, hash_files, load_bundle
from training.params_file import write_back
from training.pipeline import STEPS, NothingNewError, StoppedError, main, run_steps
from training.promotion import PromotionError, promote, reconcile, roll_back
from training.replay import ReplayError, replay
from training.snapshot import take_snapshot
from training.stages import LEARNED, MEASURED
from training.tracking.tracker import Tracker
from training.tracking.versions import load_versions
from training.workspace import Workspace, open_workspace

# MLflow, whose server's code runs in the test's process here, and BentoML's file patterns warn of what
# their own dependencies will take away, and of a type hint of their own.
pytestmark = [
    pytest.mark.platform,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),
]
BEFORE_GATE = [name for name in STEPS if name not in ("gate", "deploy", "record")]


@pytest.fixture
def workspace(slow_plane: Any) -> Workspace:
    return open_workspace(get_settings())


def buy_more(dsn: str) -> None:
    """One more purchase, so that there is something new to learn."""
    with psycopg2.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute(
            """insert into interactions (user_id, item_id, event_type, value, occurred_at, source)
            values ('user1', 'ITEM000001', 'purchase', 1, now(), 'shop')"""
        )
    conn.close()


def serving() -> str | None:
    with connect() as conn:
        found = deployments.current(conn)
    return found.bundle_id if found else None


def test_the_same_database_gives_the_same_snapshot(workspace: Workspace) -> None:
    with connect() as conn:
        first = take_snapshot(conn, workspace)
        files = hash_files(workspace.snapshot)
        second = take_snapshot(conn, workspace)

    assert first == second
    assert hash_files(workspace.snapshot) == files
    assert len(first.md5) == len("0" * 32 + ".dir")


def test_dvc_repro_gives_what_the_steps_give(workspace: Workspace) -> None:
    run_steps([*BEFORE_GATE, "record"])
    learned = {
        name: hash_files(getattr(workspace, name)) for name in ("models", "candidates", "prepared", "bundle")
    }
    manifest, lock = described(workspace)

    bin_first = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    dvc = [sys.executable, "-m", "dvc"]
    status = subprocess.run([*dvc, "status"], cwd=workspace.root, capture_output=True, text=True, check=True)
    repro = subprocess.run(
        [*dvc, "repro", "--force"],
        cwd=workspace.root,
        env=bin_first,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "up to date" in status.stdout
    assert repro.returncode == 0, repro.stderr
    assert {name: hash_files(getattr(workspace, name)) for name in learned} == learned
    assert described(workspace) == (manifest, lock)


def described(workspace: Workspace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The bundle's manifest and dvc.lock, save the git commit: the copied checkout is in no repository."""
    manifest = json.loads((workspace.bundle / "manifest.json").read_text())
    lock = yaml.safe_load((workspace.root / "dvc.lock").read_text())
    del manifest["git_commit"], lock["stages"]["bundle"]["outs"]
    return manifest, lock


def test_bad_data_stops_the_run_and_names_the_expectation(slow_plane: Any) -> None:
    with psycopg2.connect(slow_plane.database.dsn) as conn, conn.cursor() as cursor:
        cursor.execute("update items set price = -1 where item_id = 'ITEM000003'")
    conn.close()
    run_steps(["snapshot"])

    with pytest.raises(StoppedError, match=r"expect_column_values_to_be_between failed on catalogue\.price"):
        run_steps(["validate"])


@pytest.fixture
def deployed(workspace: Workspace) -> Iterator[str]:
    """The first bundle serves."""
    run_steps(list(STEPS))
    found = serving()
    assert found is not None
    yield found


def test_a_run_cut_off_between_gate_and_deployment_is_made_again(workspace: Workspace) -> None:
    run_steps([*BEFORE_GATE, "gate"])
    assert serving() is None

    run_steps(["snapshot"])

    run_steps(["deploy"])
    with pytest.raises(NothingNewError):
        run_steps(["snapshot"])
    assert serving() is not None

    write_back(workspace.params_file, ("blend", "tuned"), {"als": 1.0}, whole=True)
    run_steps(["snapshot"])  # other weights of the blend are a reason to make a bundle


def test_dvc_notices_params_that_only_the_manifest_holds(workspace: Workspace) -> None:
    run_steps([*BEFORE_GATE, "record"])
    content = workspace.params_file.read_text()
    workspace.params_file.write_text(content.replace("cold_below: 5", "cold_below: 6"))
    command = [sys.executable, "-m", "dvc", "status"]
    status = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=True)
    stages = [line for line in status.stdout.splitlines() if line and not line[0].isspace()]
    assert stages == ["bundle:"]


def test_a_years_life(workspace: Workspace, slow_plane: Any, deployed: str) -> None:
    """First bundle; nothing new; second bundle; a crash in the middle of its promotion; rollback."""
    settings = get_settings()
    tracker = Tracker(settings)
    bundle = load_bundle(find_stored(settings, deployed).path)  # type: ignore[union-attr]
    assert set(bundle.models) == set(LEARNED)
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
    table = (workspace.evaluation / "summary" / "table.md").read_text()
    assert "| blend |" in table
    assert "| popularity |" in (workspace.evaluation / "summary" / "pairs.md").read_text()
    stored = store_bundle(settings, workspace.bundle, load_versions(workspace.tracking))
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


def test_a_bundle_is_rebuilt_from_its_manifest(
    workspace: Workspace, slow_plane: Any, deployed: str, tmp_path: Path
) -> None:
    settings = get_settings()
    buy_more(slow_plane.database.dsn)
    run_steps(["snapshot"])
    shutil.rmtree(workspace.data)

    from_store = replay(settings, deployed, made(tmp_path / "one"))

    assert from_store.identical, from_store.lines()
    assert from_store.rebuilt_id == deployed
    stored = find_stored(settings, deployed)
    assert stored is not None
    manifest = json.loads((stored.path / MANIFEST).read_text())
    manifest["params"]["nmf"]["factors"] -= 1
    (stored.path / MANIFEST).write_text(json.dumps(manifest))

    changed = replay(settings, deployed, made(tmp_path / "two"))

    assert not changed.identical
    assert set(changed.different) >= {"nmf/item_factors.npy"}
    assert {path.partition("/")[0] for path in changed.different} <= {"nmf", "evaluation"}
    assert changed.same_lists is not None
    assert changed.same_lists["als"] == 1.0
    shutil.rmtree(workspace.root / ".dvc" / "cache")
    with pytest.raises(ReplayError, match="can't be had"):
        replay(settings, deployed, made(tmp_path / "three"))
    with pytest.raises(ReplayError, match="neither in the store"):
        replay(settings, "unknown", made(tmp_path / "four"))


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.fixture
def one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code stays the same, whatever is committed while the test runs."""
    monkeypatch.setattr("training.pipeline.git_commit", lambda: "0" * 40)


def test_every_step_may_run_again(one_commit: None, workspace: Workspace, deployed: str) -> None:
    tracker = Tracker(get_settings())

    def state() -> dict[str, Any]:
        experiment = tracker.client.get_experiment_by_name(tracker.experiment)
        runs = tracker.client.search_runs([experiment.experiment_id])
        with connect() as conn:
            past = [deployment.deployment_id for deployment in deployments.history(conn, 10)]
        return {
            "files": hash_files(workspace.bundle),
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
    assert sorted(before["runs"].values()) == sorted(["bundle", *LEARNED, *MEASURED])


def test_dvc_and_the_dag_name_the_models_that_are_learned() -> None:
    described = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())

    assert tuple(described["stages"]["learn"]["foreach"]) == LEARNED == defaults.MODELS + defaults.BASELINES


def test_only_an_accepted_bundle_is_promoted(workspace: Workspace, deployed: str) -> None:
    settings = get_settings()
    stored = find_stored(settings, deployed)
    assert stored is not None
    other = replace(stored, bundle_id="other")
    with pytest.raises(PromotionError, match="has not accepted"):
        promote(settings, Tracker(settings).registry, other, "test")
    with connect() as conn:
        record_decision(conn, "other", "somebody", True, {})
    with pytest.raises(PromotionError, match="judge it again"):
        promote(settings, Tracker(settings).registry, other, "test")
    assert serving() == deployed


def test_a_half_written_store_is_made_whole(workspace: Workspace, deployed: str) -> None:
    settings = get_settings()
    stored = find_stored(settings, deployed)
    assert stored is not None
    (stored.path / "items.npy").unlink()
    assert find_stored(settings, deployed) is None

    mended = store_bundle(settings, workspace.bundle, load_versions(workspace.tracking))

    assert mended.bundle_id == deployed
    assert Path(mended.path / "items.npy").is_file()


def test_a_damaged_champion_does_not_stop_the_learning(workspace: Workspace, deployed: str) -> None:
    stored = find_stored(get_settings(), deployed)
    assert stored is not None
    (stored.path / "items.npy").unlink()

    run_steps(list(STEPS), force=True)

    assert serving() is not None
    found = find_stored(get_settings(), serving() or "")
    assert found is not None


def test_the_command_runs_steps_in_order_and_says_why_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], bool]] = []

    def run(names: Sequence[str], *, force: bool) -> None:
        asked.append((list(names), force))
        if force:
            raise StoppedError("the data checks say no")

    monkeypatch.setattr("training.pipeline.run_steps", run)
    assert CliRunner().invoke(main, ["--until", "evaluate"]).exit_code == 0
    assert CliRunner().invoke(main, ["als", "nmf"]).exit_code == 0
    stopped = CliRunner().invoke(main, ["--force"])
    assert (stopped.exit_code, stopped.output) == (1, "Error: the data checks say no\n")
    order = list(STEPS)
    assert asked == [
        (order[: order.index("evaluate") + 1], False),
        (["als", "nmf"], False),
        (order, True),
    ]
