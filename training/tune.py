"""Search a model's hyperparameters on the workspace's validation windows: `python -m training.tune MODEL`.

The test part is not looked at. `--write` puts the best values into params.yaml, comments kept.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from database.settings import get_settings
from training.blending import learn_weights
from training.bundle import git_commit
from training.evaluate import TestSet, accuracy, rank
from training.models.base import Config, Model
from training.models.data import TrainingData
from training.models.registry import ALGORITHMS, fit_model
from training.params import Params, load_params
from training.prepare import Prepared
from training.search import Budget, Found, OnTrial, Trial, Values, progress, search
from training.snapshot import read_snapshot
from training.split import Split, SplitError, leave_last_out, time_split, truth_of
from training.stages import LEARNED
from training.tracking import Lineage, Tracker
from training.train_test import some_users
from training.workspace import Workspace, open_workspace

logger = logging.getLogger(__name__)

BLEND = "blend"


@dataclass(frozen=True)
class Window:
    """One validation part: what came before it, and its users."""

    data: TrainingData
    test: TestSet


def open_windows(prepared: Prepared, params: Params) -> list[Window]:
    """The latest validation windows, each right before the next and all before the test.

    Split by time there are `tune.windows` of them, or as many as the history is long enough for; each is
    predicted from what came before it alone. Leave-last-out has one.

    Raises:
        SplitError: not even one window has something before it.
    """
    split = params.split
    if split.protocol == "leave_last_out":
        return [_window(prepared, leave_last_out(prepared.events), params)]
    windows: list[Window] = []
    for back in range(params.tune.windows):
        try:
            later = split.test_days + back * split.validation_days
            windows.append(
                _window(prepared, time_split(prepared.events, split.validation_days, later), params)
            )
        except SplitError:
            if not windows:
                raise
            logger.warning("The history is long enough for %d validation windows only.", back)
            break
    return windows


def _window(prepared: Prepared, split: Split, params: Params) -> Window:
    data = prepared.training_data(split.train, split.validation_start)
    truth = truth_of(prepared.events, split.validation, data.interactions)
    if not truth.nnz:
        raise SplitError("validation", "nobody has a right answer in it")
    test = TestSet.build(data.interactions, truth, None)
    return Window(data, some_users(test, params.tune.max_users, params.seed))


def tune(name: str, windows: list[Window], params: Params, budget: Budget, *, on_trial: OnTrial) -> Found:
    """Search the space that params.yaml gives the model, for the best NDCG@k, k the first cutoff.

    Raises:
        KeyError: params.yaml has no space for it.
    """
    shipped: Config = getattr(params, name)

    def objective(values: Values) -> float:
        config = type(shipped).model_validate(shipped.model_dump() | values)
        return float(np.mean([_ndcg(name, config, window, params) for window in windows]))

    return search(
        objective,
        params.tune.spaces[name],
        shipped.model_dump(),
        budget,
        startup=params.tune.startup_trials,
        seed=params.seed,
        on_trial=on_trial,
    )


def _ndcg(name: str, config: Config, window: Window, params: Params) -> float:
    k = params.evaluation.cutoffs[0]
    model = fit_model(name, window.data, config, params.seed)
    lists = rank(model, window.test.histories, k, params.evaluation.batch_users)
    return float(np.nanmean(accuracy(lists, window.test.truth, [k])[f"ndcg@{k}"]))


def tune_blend(windows: list[Window], params: Params) -> tuple[dict[str, float], dict[str, Any]]:
    """Learn `blend.tuned` over all windows; returns the weights and how they were found."""
    folds = []
    for window in windows:
        models: dict[str, Model] = {}
        for name in LEARNED:
            models[name] = fit_model(name, window.data, getattr(params, name), params.seed)
        folds.append((models, window.test))
    learned = learn_weights(folds, params.evaluation.cutoffs[0], params.seed)
    return dict(learned.weights), asdict(learned)


def write_back(path: Path, section: tuple[str, ...], values: Mapping[str, Any]) -> None:
    """Put values into a section of params.yaml, replacing the file at once; comments and order stay."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load(path.read_text())
    place = content
    for key in section:
        place = place[key]
    for key in [key for key in place if section[0] == BLEND and key not in values]:
        del place[key]
    place.update(values)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w") as file:
        yaml.dump(content, file)
    load_params(draft)
    draft.replace(path)


def _save_history(workspace: Workspace, name: str, content: Mapping[str, Any]) -> Path:
    folder = workspace.data / "tuning"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _recorder(tracker: Tracker, workspace: Workspace, params: Params, name: str, stack: ExitStack) -> OnTrial:
    """Each trial as an MLflow run below one run of the search."""
    lineage = Lineage(read_snapshot(workspace).md5, params.digest(), git_commit())
    parent = tracker.open_search(lineage, name)
    stack.callback(tracker.finish, parent)
    metric = f"validation.ndcg_at_{params.evaluation.cutoffs[0]}"

    def record(trial: Trial) -> None:
        tracker.record_trial(
            parent,
            lineage,
            number=trial.number,
            values=trial.values,
            metrics={metric: trial.score, "duration_seconds": trial.seconds},
        )

    return record


@click.command()
@click.argument("name", type=click.Choice([*ALGORITHMS, BLEND]), metavar="MODEL")
@click.option("--trials", type=click.IntRange(min=1), help="Trials at most, the shipped values among them.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Time at most.")
@click.option("--write", is_flag=True, help="Put the best values into params.yaml.")
@click.option("--track/--no-track", default=True, show_default=True, help="Each trial as a run in MLflow.")
def main(name: str, *, trials: int | None, minutes: float | None, write: bool, track: bool) -> None:
    """Search MODEL's hyperparameters (or the blend's weights) on the workspace's validation windows."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    workspace = open_workspace(settings)
    params = load_params(workspace.params_file)
    windows = open_windows(Prepared.load(workspace.prepared), params)
    if name == BLEND:
        weights, history = tune_blend(windows, params)
        _save_history(workspace, name, history)
        single = history["single_ndcg"][history["best_single"]]
        click.echo(f"{history['best_single']} alone {single:.4f}, blend {history['ndcg']:.4f}: {weights}")
        if write:
            write_back(workspace.params_file, (BLEND, "tuned"), weights)
        return
    if name not in params.tune.spaces:
        raise click.UsageError(f"params.yaml has no space for {name} (tune.spaces)")
    if not trials and not minutes:
        raise click.UsageError("a search needs a budget: --trials, --minutes, or both")
    budget = Budget(trials, minutes * 60.0 if minutes else None)
    with ExitStack() as stack:
        callbacks = [stack.enter_context(progress(name, budget))]
        if track:
            callbacks.append(_recorder(Tracker(settings), workspace, params, name, stack))

        def tell(trial: Trial) -> None:
            for callback in callbacks:
                callback(trial)

        found = tune(name, windows, params, budget, on_trial=tell)
    path = _save_history(workspace, name, {"trials": [asdict(trial) for trial in found.trials]})
    click.echo(
        f"Shipped {found.trials[0].score:.4f}, best {found.best.score:.4f} (trial {found.best.number} of "
        f"{len(found.trials)}, all in {path}): {found.best.values}"
    )
    if write:
        write_back(workspace.params_file, (name,), found.best.values)


if __name__ == "__main__":
    main()
