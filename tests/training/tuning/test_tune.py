"""The search on a small workspace: windows before the test, the way back into params.yaml, MLflow's runs."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from database.settings import REPOSITORY, get_settings
from training.data.prepared import Prepared
from training.data.split import DAY, SplitError
from training.data.workspace import Workspace
from training.evaluation.windows import open_windows
from training.models.core.data import Catalogue, Events
from training.models.core.vocabulary import Vocabulary
from training.params import Params, load_params
from training.params.edit import write_back
from training.tracking.tracker import Tracker
from training.tuning.tune import NoSnapshotError, main, relearn_blend

pytestmark = pytest.mark.slow


def prepared_of(days: int) -> Prepared:
    """40 users of two kinds, each with one event a day with an item of its kind; 30 items."""
    generator = np.random.default_rng(1)
    user = np.tile(np.arange(40), days)
    item = (generator.integers(0, 15, len(user)) * 2 + user % 2).astype(np.int32)
    time = np.repeat(np.arange(days, dtype=np.int64), 40) * DAY
    ones = np.ones(len(user), dtype=np.float32)
    return Prepared(
        items=Vocabulary.build(f"i{i:02d}" for i in range(30)),
        users=Vocabulary.build(f"u{i:02d}" for i in range(40)),
        events=Events(user.astype(np.int32), item, ones, time),
        basket_item=item,
        basket_row=np.arange(len(item), dtype=np.int32) // 4,
        basket_time=time,
        basket_event=np.arange(len(item), dtype=np.int32),
        catalogue=Catalogue(("",) * 30, ("",) * 30, ("",) * 30),
        vectors=np.eye(30, dtype=np.float32),
    )


def quick(params: Params) -> Params:
    split = params.split.model_copy(update={"validation_days": 2, "test_days": 2})
    tune = params.tune.model_copy(update={"windows": 2})
    return params.model_copy(update={"split": split, "tune": tune})


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "checkout"
    (root / "data" / "prepared").mkdir(parents=True)
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    text = (REPOSITORY / "params.yaml").read_text()
    for days in ("validation_days", "test_days"):
        text = text.replace(f"{days}: 28", f"{days}: 2")
    text = text.replace("  windows: 4 ", "  windows: 2 ")
    (root / "params.yaml").write_text(text)
    prepared_of(12).save(root / "data" / "prepared")
    monkeypatch.setenv("SHORTLIST_WORKSPACE", str(root))
    get_settings.cache_clear()
    yield root
    get_settings.cache_clear()


def test_windows_lie_before_the_test_and_after_what_they_are_predicted_from() -> None:
    params = quick(load_params(REPOSITORY / "params.yaml"))
    windows = open_windows(prepared_of(12), params.split, params.tune, params.seed)
    assert len(windows) == 2
    # Days 0 to 11: 10 and 11 are the test, 8 and 9 the latest window, 6 and 7 the one before.
    assert [window.data.events.time.max() // DAY for window in windows] == [7, 5]
    for window in windows:
        assert window.data.baskets is not None
        assert window.data.baskets.shape[0] * 4 == len(window.data.events)


def test_a_short_history_has_fewer_windows_or_none() -> None:
    params = quick(load_params(REPOSITORY / "params.yaml"))
    assert len(open_windows(prepared_of(6), params.split, params.tune, params.seed)) == 1
    with pytest.raises(SplitError):
        open_windows(prepared_of(3), params.split, params.tune, params.seed)


def test_the_best_values_are_written_back_with_all_comments(workspace: Path) -> None:
    file = workspace / "params.yaml"
    text = file.read_text()
    file.write_text(text.replace("itemknn:\n  neighbours: 100", "itemknn:\n  neighbours: 1  "))
    before = file.read_text().splitlines()
    result = CliRunner().invoke(main, ["itemknn", "--trials", "4", "--write", "--no-track"])
    assert result.exit_code == 0, result.output
    assert "users, the interval widened for 4 trials: better" in result.output
    trials = json.loads((workspace / "data" / "tuning" / "itemknn" / "trials.json").read_text())["trials"]
    best = max(trials, key=lambda trial: float(trial["score"]))
    params = load_params(workspace / "params.yaml")
    assert params.model("itemknn").model_dump().items() >= best["values"].items()
    after = (workspace / "params.yaml").read_text().splitlines()
    changed = [line for line, other in zip(before, after, strict=True) if line != other]
    assert 1 <= len(changed) <= 3
    assert [line.split("#")[1:] for line in before] == [line.split("#")[1:] for line in after]


@pytest.mark.parametrize("name", ["popularity", "blend"])
def test_values_that_are_not_shown_to_be_better_are_not_written(workspace: Path, name: str) -> None:
    """All windows of popularity are longer than this history; the blend's shipped weights are the best."""
    file = workspace / "params.yaml"
    if name == "blend":
        budget: list[str] = []
        learned = workspace / "data" / "tuning" / "blend" / "weights.json"
        assert CliRunner().invoke(main, ["blend", "--no-track"]).exit_code == 0
        write_back(file, ("blend", "tuned"), json.loads(learned.read_text())["weights"], whole=True)
    else:
        budget = ["--trials", "3"]
    before = file.read_text()
    result = CliRunner().invoke(main, [name, *budget, "--write", "--no-track"])
    assert result.exit_code == 0, result.output
    assert "not significantly better; params.yaml is unchanged" in result.output
    assert file.read_text() == before


def test_writing_waits_for_a_run_and_leaves_a_file_that_somebody_changed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workspace / "params.yaml"
    file.write_text(file.read_text().replace("itemknn:\n  neighbours: 100", "itemknn:\n  neighbours: 1  "))

    @contextmanager
    def lock(_: Workspace) -> Iterator[None]:
        """Whoever held it wrote into the file."""
        file.write_text(file.read_text().replace("seed: 42", "seed: 43"))
        yield

    monkeypatch.setattr("training.tuning.tune.locked", lock)
    result = CliRunner().invoke(main, ["itemknn", "--trials", "3", "--write", "--no-track"])
    assert (result.exit_code, "was edited during the search" in result.output) == (1, True), result.output
    assert "neighbours: 1  " in file.read_text()


def test_values_worse_than_the_shipped_ones_are_not_written(workspace: Path) -> None:
    file = workspace / "params.yaml"
    file.write_text(file.read_text().replace("ladder: [64, 128, 256, 512]", "ladder: [1, 128]"))
    before = file.read_text()
    result = CliRunner().invoke(main, ["als", "--trials", "1", "--write", "--no-track"])
    assert result.exit_code == 0, result.output
    assert "is unchanged" in result.output
    assert file.read_text() == before


def test_the_history_is_left_as_a_table_and_a_plot(workspace: Path) -> None:
    result = CliRunner().invoke(main, ["itemknn", "--trials", "3", "--fix", "strength", "--no-track"])
    assert result.exit_code == 0, result.output
    folder = workspace / "data" / "tuning" / "itemknn"
    table = (folder / "trials.md").read_text()
    assert [line.split(" |")[0] for line in table.splitlines()[2:5]] == ["| 0", "| 1", "| 2"]
    assert "strength" not in table
    assert "Best minus shipped" in table and "Best minus shipped" in result.output
    assert (folder / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_the_blend_is_learned_and_written_back(workspace: Path) -> None:
    write_back(workspace / "params.yaml", ("blend", "tuned"), {"embeddings": 1.0}, whole=True)
    result = CliRunner().invoke(main, ["blend", "--write", "--no-track"])
    assert result.exit_code == 0, result.output
    learned = json.loads((workspace / "data" / "tuning" / "blend" / "weights.json").read_text())
    assert load_params(workspace / "params.yaml").blend.tuned == learned["weights"]
    floors = zip(learned["coverage"], learned["floors"], strict=True)
    single = learned["weights"] == {learned["best_single"]: 1.0}
    assert single or all(coverage >= floor for coverage, floor in floors)


def test_a_search_needs_a_budget_and_a_space(workspace: Path) -> None:
    assert CliRunner().invoke(main, ["als"]).exit_code == 2
    assert CliRunner().invoke(main, ["embeddings", "--trials", "2"]).exit_code == 2
    assert CliRunner().invoke(main, ["als", "--trials", "2", "--fix", "alfa"]).exit_code == 2


def track(workspace: Path, name: str, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """Let the workspace's searches go to the experiment `name`-search of MLflow."""
    (workspace / "data" / "snapshot").mkdir()
    description = {"catalogue_seq": 1, "interaction_id": 1, "as_of": "2026-01-01T00:00:00+00:00", "rows": {}}
    (workspace / "data" / "snapshot" / "snapshot.json").write_text(json.dumps(description))
    (workspace / "data" / "snapshot.dvc").write_text("outs: [{md5: abc, path: snapshot}]\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    get_settings.cache_clear()
    tracker = Tracker(get_settings())
    tracker.client.create_experiment(f"{name}-search", artifact_location=(workspace / "artifacts").as_uri())
    return tracker


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_a_week_learns_the_blend_anew_and_keeps_it_if_it_is_better(
    workspace: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = track(workspace, "weekly", tracking_uri, monkeypatch).client
    file = workspace / "params.yaml"
    write_back(file, ("blend", "tuned"), {"embeddings": 1.0}, whole=True)
    assert relearn_blend()
    better = file.read_text()
    assert load_params(file).blend.tuned != {"embeddings": 1.0}
    assert not relearn_blend(), "the weights in use are the best by now"
    assert file.read_text() == better
    experiment = client.get_experiment_by_name("weekly-search")
    assert experiment is not None
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}
    shutil.rmtree(workspace / "data" / "prepared")
    with pytest.raises(NoSnapshotError):
        relearn_blend()


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_the_searchs_run_keeps_its_history(
    workspace: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = track(workspace, "histories", tracking_uri, monkeypatch).client
    result = CliRunner().invoke(main, ["popularity", "--trials", "3"])
    assert result.exit_code == 0, result.output
    experiment = client.get_experiment_by_name("histories-search")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(runs) == 4 and all(run.info.status == "FINISHED" for run in runs)
    kept = {Path(file.path).name for file in client.list_artifacts(parent.info.run_id, "search")}
    assert kept == {"trials.json", "trials.md", "trials.png"}
