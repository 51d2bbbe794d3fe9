"""Search a model's hyperparameters on the workspace's validation windows: `python -m training.tuning MODEL`.

The test part is not looked at. `--write` puts the best values into params.yaml, comments kept.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from database.command_line import errors_as_messages
from database.settings import Settings, get_settings
from training.data.prepared import Prepared
from training.data.snapshot import read_snapshot
from training.data.split import SplitError
from training.data.workspace import Workspace, locked, open_workspace
from training.errors import TrainingError
from training.evaluation.intervals import CONFIDENCE, Difference, bonferroni, compare
from training.evaluation.ranking import accuracy, rank
from training.evaluation.windows import Window, open_windows
from training.models.blend import BLEND
from training.models.core.base import Config, Model
from training.models.core.types import DoubleArray
from training.models.registry import REGISTRY, fit_model, names
from training.params import Params, load_params
from training.params.edit import write_back
from training.release.bundle import git_commit
from training.tracking.lineage import Lineage
from training.tracking.tracker import Tracker
from training.tuning.blend_weights import LearnedWeights, Objective, learn_weights, mean_of_folds
from training.tuning.search import Budget, OnTrial, SearchOutcome, Trial, Values, progress, search
from training.tuning.search_history import blend_line, save_trials, save_weights, search_line

logger = logging.getLogger(__name__)

COMPARED = 50
"""Best trials that a search's run links to: an address has an end."""


@dataclass(frozen=True)
class Tuned:
    """A finished search, and whether its best values are better than the shipped ones."""

    found: SearchOutcome
    shipped: float
    """Score of the values of params.yaml; where a ladder is searched trial 0 stands at its foot instead."""
    verdict: Difference
    """Best less shipped over all windows' users, with an interval widened for the number of trials; the
    windows are those that the best was chosen on."""


def tune(
    name: str,
    windows: Sequence[Window],
    params: Params,
    budget: Budget,
    *,
    on_trials: Sequence[OnTrial] = (),
    fixed: Collection[str] = (),
) -> Tuned:
    """Search the space that params.yaml gives the model, for the best NDCG@k, k the first cutoff.

    Args:
        name: the model.
        windows: the mean over them counts.
        params: the shipped values, and the space.
        budget: when to end.
        on_trials: called after every trial.
        fixed: hyperparameters that stay as they are shipped.

    Raises KeyError when params.yaml has no space for it.
    """
    shipped = params.model(name)
    gains: list[list[DoubleArray]] = []

    def objective(values: Values) -> float:
        config = type(shipped).model_validate(shipped.model_dump() | values)
        gains.append([_gains(name, config, window, params) for window in windows])
        return mean_of_folds(gains[-1])

    def tell(trial: Trial) -> None:
        for on_trial in on_trials:
            on_trial(trial)

    found = search(
        objective,
        {key: part for key, part in params.tune.spaces[name].items() if key not in fixed},
        shipped.model_dump(),
        budget,
        startup=params.tune.startup_trials,
        seed=params.seed,
        on_trial=tell,
        starts=params.tune.starts.get(name, ()),
    )
    # Trial 0 has the shipped values, unless a ladder began at its foot.
    best, before = gains[found.best.number], gains[0]
    if found.trials[0].values.items() - shipped.model_dump().items():
        before = [_gains(name, shipped, window, params) for window in windows]
    samples, confidence = params.evaluation.bootstrap_samples, bonferroni(CONFIDENCE, len(found.trials) - 1)
    verdict = compare(np.concatenate(best), np.concatenate(before), samples, params.seed, confidence)
    return Tuned(found, mean_of_folds(before), verdict)


def _gains(name: str, config: Config, window: Window, params: Params) -> DoubleArray:
    """NDCG@k of each user of the window."""
    k = params.evaluation.cutoffs[0]
    model = fit_model(name, window.data, config, params.seed)
    lists = rank(model, window.test.histories, k, params.evaluation.batch_users)
    return accuracy(lists, window.test.truth, [k])[f"ndcg@{k}"]


def tune_blend(windows: Sequence[Window], params: Params) -> LearnedWeights:
    """Learn `blend.tuned` over all windows."""
    folds = []
    for window in windows:
        models: dict[str, Model] = {}
        for name in names(scope="bundle"):
            models[name] = fit_model(name, window.data, params.model(name), params.seed)
        folds.append((models, window.test))
    objective = Objective(params.evaluation.cutoffs[0], coverage_margin=params.tune.coverage_margin)
    return learn_weights(folds, objective, params.seed, params.blend.tuned)


@contextmanager
def tracked_search(
    workspace: Workspace, params: Params, name: str, settings: Settings
) -> Iterator[tuple[OnTrial, Callable[[Path], None]]]:
    """Each trial as an MLflow run below one run of the search, whose artefacts are its history."""
    tracker = Tracker(settings)
    lineage = Lineage(read_snapshot(workspace).md5, params.digest(), git_commit())
    parent = tracker.open_search(lineage, name)
    metric = f"validation.ndcg_at_{params.evaluation.cutoffs[0]}"
    runs: list[tuple[float, str]] = []

    def log_trial(trial: Trial) -> None:
        made = tracker.log_trial(
            parent,
            lineage,
            number=trial.number,
            values=trial.values,
            metrics={metric: trial.score, "duration_seconds": trial.seconds},
        )
        runs.append((trial.score, made))
        best = [run for _, run in sorted(runs, reverse=True)[:COMPARED]]
        table, charts = tracker.comparison(best), tracker.charts(parent.id, metric)
        links = f"[with their values]({table}) or [in charts]({charts})"
        parent.describe("Trials", f"Compare them {links}. Table and plot: artifacts, `search`.")

    try:
        yield log_trial, lambda folder: parent.log_files(folder, "search")
    except BaseException as error:
        parent.fail(f"{type(error).__name__}: {error}")
        raise
    parent.finish()


@click.command()
@click.argument("name", type=click.Choice([*REGISTRY, BLEND]), metavar="MODEL")
@click.option(
    "--trials", type=click.IntRange(min=1), help="Maximum number of trials, including the shipped values."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Maximum time.")
@click.option("--fix", "fixed", multiple=True, metavar="KEY", help="Keep this hyperparameter as shipped.")
@click.option("--write", is_flag=True, help="Write the best values to params.yaml.")
@click.option("--track/--no-track", default=True, show_default=True, help="Log each trial to MLflow.")
@errors_as_messages(TrainingError)
def main(
    name: str,
    *,
    trials: int | None,
    minutes: float | None,
    fixed: tuple[str, ...],
    write: bool,
    track: bool,
) -> None:
    """Search MODEL's hyperparameters (or the blend's weights) on the workspace's validation windows."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    workspace = open_workspace(settings)
    params = load_params(workspace.params_file)
    space = params.tune.spaces.get(name, {})
    if name != BLEND and not space:
        raise click.UsageError(f"tune.spaces in params.yaml has no {name}")
    if name != BLEND and not trials and not minutes:
        raise click.UsageError("give --trials, --minutes or both")
    if unknown := sorted(set(fixed) - set(space)):
        raise click.UsageError(f"tune.spaces.{name} has no {', '.join(unknown)}")
    windows = open_windows(Prepared.load(workspace.prepared), params.split, params.tune, params.seed)
    folder = workspace.data / "tuning" / name
    section: tuple[str, ...] = (BLEND, "tuned") if name == BLEND else (name,)
    with ExitStack() as stack:
        log_trial, upload = None, None
        if track:
            log_trial, upload = stack.enter_context(tracked_search(workspace, params, name, settings))
        if name == BLEND:
            learned = tune_blend(windows, params)
            values = dict(learned.weights)
            preferred = learned.preferred
            save_weights(learned, folder, _searched_on(workspace), log_trial)
            click.echo(blend_line(learned))
        else:
            budget = Budget(trials, minutes * 60.0 if minutes else None)
            callbacks = [stack.enter_context(progress(name, budget)), *([log_trial] if log_trial else [])]
            tuned = tune(name, windows, params, budget, on_trials=callbacks, fixed=fixed)
            values, preferred = tuned.found.best.values, tuned.verdict.verdict == "better"
            save_trials(name, tuned.found, tuned.shipped, tuned.verdict, folder)
            click.echo(search_line(tuned.found, tuned.shipped, tuned.verdict, folder))
        if write:
            _write(workspace, params, section, values, preferred=preferred)
        if upload is not None:
            upload(folder)


def _searched_on(workspace: Workspace) -> str:
    """DVC's hash of the workspace's snapshot; empty where only what was prepared of it is there."""
    return read_snapshot(workspace).md5 if workspace.snapshot_pointer.exists() else ""


class ParamsEditedError(TrainingError):
    """params.yaml was edited while a search ran; it stays as it is."""


class NoSnapshotError(TrainingError):
    """Nothing was prepared yet, or the history is too short: there is nothing to search on."""


def relearn_blend() -> bool:
    """Learn the blend's weights on the latest snapshot, as `blend --write` does; whether they were written.

    Raises NoSnapshotError when there is no snapshot yet, or its history has no validation window;
    ParamsEditedError when params.yaml was edited meanwhile.
    """
    settings = get_settings()
    workspace = open_workspace(settings)
    if not workspace.prepared.exists():
        raise NoSnapshotError("There is no snapshot yet.")
    params = load_params(workspace.params_file)
    try:
        windows = open_windows(Prepared.load(workspace.prepared), params.split, params.tune, params.seed)
    except SplitError as error:
        raise NoSnapshotError(str(error)) from error
    folder = workspace.data / "tuning" / BLEND
    with tracked_search(workspace, params, BLEND, settings) as (log_trial, upload):
        learned = tune_blend(windows, params)
        save_weights(learned, folder, _searched_on(workspace), log_trial)
        logger.info("%s", blend_line(learned))
        upload(folder)
    _write(workspace, params, (BLEND, "tuned"), dict(learned.weights), preferred=learned.preferred)
    return learned.preferred


def _write(
    workspace: Workspace, read: Params, section: tuple[str, ...], values: Values, *, preferred: bool
) -> None:
    """Put values into params.yaml that were shown to be better; a run that is under way ends first.

    Args:
        workspace: of the file.
        read: what the file said when the search began.
        section: keys on the way to the section.
        values: what was found.
        preferred: whether the search shows that they are better.
    """
    if not preferred:
        click.echo("The best values are not significantly better; params.yaml is unchanged.")
        return
    with locked(workspace):
        if load_params(workspace.params_file) != read:
            raise ParamsEditedError("params.yaml was edited during the search; nothing was written")
        write_back(workspace.params_file, section, values, whole=section == (BLEND, "tuned"))


if __name__ == "__main__":
    main()
