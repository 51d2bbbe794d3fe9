"""Where runs are found again."""

import pytest
from mlflow.exceptions import MlflowException

from database.settings import Settings
from training.tracking.lineage import Lineage
from training.tracking.run import NOTE
from training.tracking.tracker import Tracker

# MLflow warns of what its dependencies will take away.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
LINEAGE = Lineage("a" * 32 + ".dir", "0123456789abcdef", "c" * 40)


@pytest.fixture
def tracker(tracking_uri: str) -> Tracker:
    return Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="books"))


def test_a_run_is_found_again_by_what_it_was_made_from(tracker: Tracker) -> None:
    model = tracker.model_run(LINEAGE, "als")
    assert tracker.model_run(LINEAGE, "als").id == model.id
    assert tracker.children(tracker.bundle_run(LINEAGE).id) == {"als": model.id}
    other = Lineage(LINEAGE.snapshot, "other params", LINEAGE.git_commit)
    assert tracker.bundle_run(other).id != tracker.bundle_run(LINEAGE).id


def test_a_search_is_a_run_of_its_own_experiment_with_a_run_for_each_trial(tracker: Tracker) -> None:
    search = tracker.open_search(LINEAGE, "als")
    for number, score in enumerate((0.3, 0.2)):
        tracker.log_trial(
            search, LINEAGE, number=number, values={"factors": 64 + number}, metrics={"score": score}
        )
    search.finish()
    experiment = tracker.client.get_experiment_by_name("books-search")
    assert experiment is not None
    runs = tracker.client.search_runs([experiment.experiment_id], order_by=["attributes.run_name ASC"])
    assert [run.info.run_name for run in runs] == ["search als", "trial 0", "trial 1"]
    assert [run.data.tags.get("mlflow.parentRunId") for run in runs] == [None, search.id, search.id]
    assert runs[2].data.params == {"factors": "65"} and runs[2].info.status == "FINISHED"
    history = tracker.client.get_metric_history(search.id, "score")
    assert [(point.step, point.value) for point in history] == [(0, 0.3), (1, 0.2)]


def test_two_experiments_share_a_server_but_no_models(tracking_uri: str, tracker: Tracker) -> None:
    other = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="shop"))
    assert other.bundle_run(LINEAGE).id != tracker.bundle_run(LINEAGE).id
    assert other.registry.name_of("als") == "shop-als"
    assert other.registry.aliases("shop-als") == {}


def status(tracker: Tracker, run: str) -> tuple[str, str]:
    """A run's status, and its description."""
    found = tracker.client.get_run(run)
    return found.info.status, found.data.tags.get(NOTE, "")


def test_a_failed_night_ends_its_run_with_the_reason_until_a_retry_succeeds(tracker: Tracker) -> None:
    lineage = Lineage("d" * 32 + ".dir", "params", "commit")
    tracker.fail_bundle_run(lineage, "there is no run yet: nothing happens")
    run = tracker.bundle_run(lineage)
    run.describe("Models", "a table")
    tracker.fail_bundle_run(lineage, "Step als: MemoryError: no memory")
    assert status(tracker, run.id) == (
        "FAILED",
        "## Models\n\na table\n\n## Failure\n\nStep als: MemoryError: no memory\n",
    )
    assert tracker.bundle_run(lineage).id == run.id
    run.finish()
    assert status(tracker, run.id) == ("FINISHED", "## Models\n\na table\n")


def test_runs_that_were_cut_off_are_ended_by_the_next_night(tracking_uri: str) -> None:
    tracker = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="cut-off"))
    model = tracker.model_run(LINEAGE, "als")
    parent = tracker.bundle_run(LINEAGE)
    done = tracker.model_run(LINEAGE, "nmf")
    done.finish()
    tracker.fail_unfinished("cut off")
    assert [status(tracker, run.id)[0] for run in (parent, model, done)] == ["FAILED", "FAILED", "FINISHED"]


def test_a_server_that_is_away_does_not_hide_why_the_night_failed(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise MlflowException("connection refused")

    monkeypatch.setattr(tracker.client, "get_experiment_by_name", away)
    tracker.fail_bundle_run(LINEAGE, "no memory")
    assert "connection refused" in caplog.text


def test_what_was_deleted_in_mlflow_is_put_back(tracking_uri: str, caplog: pytest.LogCaptureFixture) -> None:
    tracker = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="deleted"))
    run = tracker.bundle_run(LINEAGE)
    experiment = tracker.client.get_experiment_by_name("deleted")
    assert experiment is not None
    tracker.client.delete_experiment(experiment.experiment_id)
    assert tracker.bundle_run(LINEAGE).id == run.id
    tracker.client.delete_run(run.id)
    assert tracker.bundle_run(LINEAGE).id != run.id
    tracker.run(run.id).log({"a": 1}, {"b": 2.0})
    assert tracker.client.get_run(run.id).data.metrics == {"b": 2.0}
    assert caplog.text.count("was deleted in MLflow") == 2
