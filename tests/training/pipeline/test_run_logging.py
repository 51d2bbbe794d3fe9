"""What MLflow is told of one snapshot: real models of a small shop, a real tracking database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import httpx
import mlflow
import pandas as pd
import pytest

from database.settings import Settings
from tests.training.pipeline.elsewhere import installed, predictions, serving_of
from tests.training.pipeline.small_shop import LINEAGE, learned
from training.data.workspace import Workspace
from training.evaluation.holdout import load_metrics
from training.models.als import AlsConfig
from training.models.blend import BLEND
from training.models.registry import names
from training.params import Params, load_params
from training.pipeline.run_logging import (
    log_bundle,
    log_click_rate,
    log_decision,
    log_evaluation,
    log_model,
    metrics_of,
)
from training.release.gate import Check, Decision
from training.tracking.cards import how_to_load
from training.tracking.lineage import Lineage
from training.tracking.retention import delete_old_files
from training.tracking.run import NOTE
from training.tracking.tracker import Tracker
from training.tracking.versions import Version, save_version
from training.tuning.search import Trial
from training.tuning.tune import tracked_search

# MLflow warns of its own type hints, and of what its dependencies will take away.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning"),
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return learned(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def params(workspace: Workspace) -> Params:
    return load_params(workspace.params_file)


@pytest.fixture(scope="module")
def tracker(tracking_uri: str) -> Tracker:
    return Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="films"))


@pytest.fixture(scope="module")
def als(tracker: Tracker, workspace: Workspace, params: Params) -> Version:
    version = log_model(tracker, LINEAGE, workspace, "als", params=params, seconds=1.5)
    save_version(workspace.tracking, "als", version)
    return version


@pytest.fixture(scope="module")
def parent(tracker: Tracker, workspace: Workspace, params: Params, als: Version) -> str:
    log_model(tracker, LINEAGE, workspace, "popularity", params=params, seconds=0.5)
    log_evaluation(tracker, LINEAGE, workspace, params)
    log_bundle(tracker, LINEAGE, workspace, params)
    return tracker.bundle_run(LINEAGE).id


def artifacts(tracker: Tracker, run: str, folder: str) -> set[str]:
    return {Path(file.path).name for file in tracker.client.list_artifacts(run, folder)}


def test_every_number_comes_with_its_interval() -> None:
    table = {"ndcg@10": {"value": 0.5, "low": 0.4, "high": 0.6}}
    measured = {"users": {"all": 7, "warm_users": 3}, "slices": {"all": table, "warm_users": table}}
    assert metrics_of(measured) == {
        "all_users/users": 7,
        "all_users/ndcg_at_10": 0.5,
        "all_users/ndcg_at_10_low": 0.4,
        "all_users/ndcg_at_10_high": 0.6,
        "warm_users/users": 3,
        "warm_users/ndcg_at_10": 0.5,
        "warm_users/ndcg_at_10_low": 0.4,
        "warm_users/ndcg_at_10_high": 0.6,
    }


def test_a_model_and_the_blend_are_runs_side_by_side(
    tracker: Tracker, workspace: Workspace, params: Params, parent: str
) -> None:
    children = tracker.children(parent)
    assert set(children) == {"als", "popularity", "trending", BLEND}
    colors = {tracker.client.get_run(run).data.tags["mlflow.runColor"] for run in children.values()}
    assert len(colors) == 4
    for name, run in children.items():
        data = tracker.client.get_run(run).data
        assert data.tags["mlflow.parentRunId"] == parent
        interval = load_metrics(workspace, name)["slices"]["all"]["ndcg@10"]
        assert data.metrics["all_users/ndcg_at_10"] == interval["value"]
        assert data.metrics["all_users/ndcg_at_10_low"] == interval["low"]
        assert data.metrics["all_users/ndcg_at_10_high"] == interval["high"]
        assert data.metrics["cold_users/users"] == 10
        assert "model_card.md" in artifacts(tracker, run, "card")
    blend = tracker.client.get_run(children[BLEND]).data
    assert blend.params["weight.ease"] == str(params.blend.tuned["ease"])
    trending = tracker.client.get_run(children["trending"]).data
    assert trending.params["trending.decay_rate"] == str(params.trending.decay_rate)
    assert trending.metrics["cold_users/ndcg_at_10"] > 0.0, "strangers are shown it, too"
    registered = {model.name for model in tracker.client.search_registered_models()}
    assert "films-als" in registered
    assert "films-trending" not in registered, "the service reads what is trending from the database"
    als = tracker.client.get_run(children["als"])
    assert als.data.params["als.factors"] == str(params.section(AlsConfig).factors)
    assert als.info.status == "FINISHED"


def test_training_curves_are_steps_and_a_plot(tracker: Tracker, parent: str) -> None:
    children = tracker.children(parent)
    history = tracker.client.get_metric_history(children["als"], "training/loss")
    assert [point.step for point in history] == list(range(1, len(history) + 1))
    assert "training_curve.png" in artifacts(tracker, children["als"], "evaluation")
    assert "training_curve.png" not in artifacts(tracker, children["popularity"], "evaluation")


def test_the_parent_run_shows_the_table_the_plots_and_where_to_compare(
    tracker: Tracker, parent: str, params: Params
) -> None:
    run = tracker.client.get_run(parent)
    assert run.info.status == "FINISHED"
    assert "| blend |" in run.data.tags[NOTE]
    assert tracker.children(parent)["als"] in run.data.tags[NOTE]
    assert run.data.params["als.factors"] == str(params.section(AlsConfig).factors)
    plots = {"ranking.png", "metric_by_k.png", "accuracy_against_coverage.png", "accuracy_by_activity.png"}
    assert plots < artifacts(tracker, parent, "evaluation")
    assert artifacts(tracker, parent, "params") == {"params.yaml"}


def test_a_blend_of_other_weights_is_another_run(
    tracker: Tracker, workspace: Workspace, params: Params, parent: str
) -> None:
    first = tracker.children(parent)[BLEND]
    log_evaluation(tracker, LINEAGE, workspace, params)
    assert tracker.children(parent)[BLEND] == first
    blend = params.blend.model_copy(update={"tuned": {"ease": 1.0}})
    log_evaluation(tracker, LINEAGE, workspace, params.model_copy(update={"blend": blend}))
    second = tracker.client.get_run(tracker.children(parent)[BLEND])
    assert second.info.run_id != first
    assert second.data.params["weight.ease"] == "1.0"


def test_a_registered_version_has_a_card_and_answers_with_item_ids(
    tracker: Tracker, als: Version, parent: str
) -> None:
    assert (als.name, als.version) == ("films-als", "1")
    card = tracker.client.get_model_version(als.name, als.version).description
    for part in (
        LINEAGE.snapshot,
        LINEAGE.git_commit,
        "610 interactions",
        "| unknown before the test | 10 |",
    ):
        assert part in card
    bundle = tracker.client.get_run(parent).data.tags["shortlist.bundle"]
    assert f"| bundle | `{bundle}` |" in card
    assert how_to_load(als.name, als.version) in card
    assert tracker.registry.aliases(als.name) == {"challenger": "1"}
    model = mlflow.pyfunc.load_model(f"models:/{als.name}/{als.version}")
    histories = pd.DataFrame({"history": [["i02", "i04"], ["nobody knows it"]]})
    lists = model.predict(histories, params={"k": 3})
    assert [len(answer) for answer in lists] == [3, 0]
    assert all(int(item[1:]) % 2 == 0 for item in lists[0])
    assert not {"i02", "i04"} & set(lists[0])


def test_a_bundles_version_has_a_card(tracker: Tracker, parent: str, params: Params) -> None:
    bundle = tracker.client.get_run(parent).data.tags["shortlist.bundle"]
    version = tracker.registry.find_bundle(bundle)
    assert version is not None
    assert version.name == "films-bundle"
    card = tracker.client.get_model_version(version.name, version.version).description
    assert "| als | films-als version 1 |" in card
    assert f"make replay BUNDLE={bundle}" in card
    model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    [few, many] = (
        model.predict(pd.DataFrame({"history": [["i02", "i04"]]}), params={"k": k})[0] for k in (3, 9)
    )
    assert len(few) == 3 and many[:3] == few
    assert sum(int(item[1:]) % 2 == 0 for item in few) >= 2 and not {"i02", "i04"} & set(many)


def test_a_version_says_what_goes_in_and_what_comes_out(tracker: Tracker, als: Version, parent: str) -> None:
    bundle = tracker.registry.find_bundle(tracker.client.get_run(parent).data.tags["shortlist.bundle"])
    assert bundle is not None
    for version in (als, bundle):
        info = mlflow.models.get_model_info(f"models:/{version.name}/{version.version}")
        assert info.signature is not None and info.signature.inputs.input_names() == ["history"]
        assert info.signature.outputs.to_dict() == [
            {"type": "array", "items": {"type": "string"}, "required": True}
        ]
        assert info.saved_input_example_info is not None


def test_a_registered_version_has_its_runs_metrics(
    tracker: Tracker, workspace: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = mlflow.MlflowClient.get_metric_history

    def counted(self: mlflow.MlflowClient, run_id: str, key: str) -> object:
        asked.append(key)
        return read(self, run_id, key)

    monkeypatch.setattr(mlflow.MlflowClient, "get_metric_history", counted)
    lineage = Lineage("e" * 32 + ".dir", "0123456789abcdef", "c" * 40)
    version = log_model(tracker, lineage, workspace, "popularity", params=params, seconds=0.5)
    assert asked == [], "of hundreds of metrics each took MLflow a request, most of the time of a version"
    run = tracker.client.get_run(version.run_id).data
    model_id = tracker.registry.logged_model(version)
    assert model_id is not None
    logged = tracker.client.get_logged_model(model_id)
    assert {metric.key: metric.value for metric in logged.metrics} == run.metrics
    assert run.metrics["duration_seconds"] == 0.5
    assert logged.params["seed"] == str(params.seed)


def test_mlflow_calls_a_bundle_by_its_id_and_says_what_each_model_is(tracker: Tracker, parent: str) -> None:
    run = tracker.client.get_run(parent)
    assert run.info.run_name == f"bundle {run.data.tags['shortlist.bundle']}"
    for name in ("films-als", "films-popularity", "films-bundle"):
        assert tracker.client.get_registered_model(name).description


def test_a_run_names_its_snapshot_as_its_dataset(tracker: Tracker, als: Version, parent: str) -> None:
    for run in (als.run_id, parent):
        [found] = tracker.client.get_run(run).inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("snapshot", LINEAGE.snapshot)
        assert json.loads(found.dataset.profile)["rows"] == {"items": 30, "interactions": 610}


@pytest.mark.platform
def test_every_version_loads_and_answers_in_an_environment_without_the_checkout(
    tracking_uri: str, tracker: Tracker, workspace: Workspace, params: Params, parent: str, tmp_path: Path
) -> None:
    versions = [
        log_model(tracker, LINEAGE, workspace, name, params=params, seconds=0.5)
        for name in names(scope="bundle")
    ]
    bundle = tracker.registry.find_bundle(tracker.client.get_run(parent).data.tags["shortlist.bundle"])
    assert bundle is not None
    uris = [f"models:/{version.name}/{version.version}" for version in (bundle, *versions)]
    needed = {mlflow.pyfunc.get_model_dependencies(uri) for uri in uris}
    texts = {Path(file).read_text() for file in needed}
    assert len(texts) == 1 and all("==" in line for line in texts.pop().splitlines())
    python, environment = installed(needed.pop(), tmp_path / "elsewhere", tracking_uri)
    found = predictions(uris, python, environment, tmp_path)
    here = {uri: mlflow.pyfunc.load_model(uri) for uri in uris}
    asked = pd.DataFrame({"history": [["i02", "i04"], ["nobody knows it"], []]})
    assert found == {uri: model.predict(asked, params={"k": 3}) for uri, model in here.items()}
    assert len(found[uris[0]][0]) == 3

    with serving_of(uris[0], python, environment, tmp_path) as url:
        body = {"dataframe_records": [{"history": ["i02", "i04"]}], "params": {"k": 3}}
        response = httpx.post(f"{url}/invocations", json=body, timeout=60)
    assert response.status_code == 200, response.text
    assert response.json()["predictions"] == [found[uris[0]][0]]


def test_a_card_longer_than_mlflows_column_is_cut(tracker: Tracker, als: Version, parent: str) -> None:
    card = tracker.client.get_model_version(als.name, als.version).description
    tracker.registry.describe(als, "x" * 6000)
    assert tracker.client.get_model_version(als.name, als.version).description == "x" * 5000
    tracker.registry.describe(als, card)


def test_the_gates_decision_and_online_figures_join_the_parent_run(tracker: Tracker, parent: str) -> None:
    check = Check("accuracy of blend", False, -0.02, -0.01, "blend minus champion's blend")
    log_decision(tracker, LINEAGE, Decision("new", "old", False, (check,)))
    log_click_rate(tracker.run(parent), {"click_rate": 0.1, "shown": 50}, 5)
    log_click_rate(tracker.run(parent), {"click_rate": 0.05, "shown": 90}, 6)

    data = tracker.client.get_run(parent).data
    assert data.metrics["gate/accuracy_of_blend"] == -0.02
    assert data.metrics["gate/accepted"] == 0
    assert data.tags["shortlist.gate"] == "refused"
    assert data.metrics["online/click_rate"] == 0.05
    history = tracker.client.get_metric_history(parent, "online/click_rate")
    assert [(point.step, point.value) for point in history] == [(5, 0.1), (6, 0.05)]
    note = data.tags[NOTE]
    assert [line for line in note.splitlines() if line.startswith("## ")] == [
        "## Models",
        "## Gate",
        "## Online",
    ]
    assert "| accuracy of blend | NO |" in note and "6 hours" in note and "5 hours" not in note
    assert artifacts(tracker, parent, "gate") == {"decision.md", "decision.json"}


def test_of_an_old_bundle_only_what_is_large_is_forgotten(
    tracking_uri: str, workspace: Workspace, params: Params
) -> None:
    tracker = Tracker(Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="old"))
    now = datetime.now(UTC)
    model = log_model(tracker, LINEAGE, workspace, "popularity", params=params, seconds=0.5)
    log_bundle(tracker, LINEAGE, workspace, params)
    bundle = json.loads((workspace.bundle / "manifest.json").read_text())["bundle_id"]
    run, later = tracker.bundle_run(LINEAGE).id, now + timedelta(days=30)
    logged = tracker.client.search_logged_models([tracker.client.get_run(run).info.experiment_id])
    places = [Path(url2pathname(urlparse(each.artifact_location).path)) for each in logged]
    assert len(places) == 2, "where the arrays of the model and of the bundle lie"

    assert [
        delete_old_files(tracker, {bundle}, later),
        delete_old_files(tracker, set(), now - timedelta(days=1)),
    ] == [0, 0]
    assert all(list(place.iterdir()) for place in places)

    assert [delete_old_files(tracker, set(), later), delete_old_files(tracker, set(), later)] == [1, 0]
    assert not any(place.exists() for place in places)
    assert tracker.registry.find_bundle(bundle) is None
    assert tracker.client.search_model_versions(f"name = '{model.name}'") == []
    assert artifacts(tracker, model.run_id, "card") == {"model_card.md"}
    assert tracker.client.get_run(model.run_id).data.metrics["duration_seconds"] == 0.5

    again = log_model(tracker, LINEAGE, workspace, "popularity", params=params, seconds=0.5)
    assert again.run_id == model.run_id, "what runs once more is registered once more"
    assert len(tracker.client.search_model_versions(f"name = '{model.name}'")) == 1


def test_a_search_that_breaks_off_is_marked_as_failed(
    tracking_uri: str, tracker: Tracker, workspace: Workspace, params: Params
) -> None:
    settings = Settings(mlflow_tracking_uri=tracking_uri, mlflow_experiment="films")
    with (
        pytest.raises(KeyboardInterrupt),
        tracked_search(workspace, params, "nmf", settings) as (log_trial, _),
    ):
        log_trial(Trial(0, {"factors": 8}, 0.5, 1.0))
        raise KeyboardInterrupt
    experiment = tracker.client.get_experiment_by_name("films-search")
    assert experiment is not None
    query = "tags.`shortlist.kind` = 'search.nmf'"
    [run] = tracker.client.search_runs([experiment.experiment_id], query)
    assert run.info.status == "FAILED"
    assert run.data.metrics["validation.ndcg_at_10"] == 0.5
    assert f"parentRunId%60%20%3D%20%27{run.info.run_id}" in run.data.tags[NOTE]
