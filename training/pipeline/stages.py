"""The stages of dvc.yaml: each reads files of the workspace, writes files of the workspace, and nothing else.

`python -m training.pipeline.stages NAME` runs one, as `dvc repro` does. A DAG task runs the same function.
"""

import json
import logging
import time
from collections.abc import Callable

import click

from database.settings import get_settings
from training.data.preparation import prepare
from training.data.prepared import Prepared
from training.data.workspace import Workspace, open_workspace, replaced
from training.evaluation.holdout import load_blend, measure, open_holdout, save_evaluation, summarise
from training.evaluation.ranking import Ranker
from training.models.blend import BLEND
from training.models.registry import LEARNED, MEASURED, fit_model
from training.models.trending import Trending
from training.params import Params, load_params
from training.release.bundle import assemble

logger = logging.getLogger(__name__)


def run_stage(name: str, workspace: Workspace) -> None:
    """Run one stage in the workspace.

    Raises:
        KeyError: there is no such stage.
    """
    params = load_params(workspace.params_file)
    started = time.monotonic()
    stages: dict[str, Callable[[Workspace, Params], None]] = {
        "validate": _validate,
        "prepare": _prepare,
        "evaluate": _evaluate,
        "bundle": _bundle,
    }
    if name in LEARNED:
        _train(name, workspace, params)
    else:
        stages[name](workspace, params)
    logger.info("Stage %s took %.1f s.", name, time.monotonic() - started)


def _validate(workspace: Workspace, params: Params) -> None:
    from data_checks.validate import validate

    validate(workspace.snapshot, workspace.validation)


def _prepare(workspace: Workspace, params: Params) -> None:
    with replaced(workspace.prepared) as folder:
        prepare(workspace.snapshot, params).save(folder)


def _train(name: str, workspace: Workspace, params: Params) -> None:
    """Fit on the training part and measure; then fit again on everything: that is what serves."""
    prepared = Prepared.load(workspace.prepared)
    holdout = open_holdout(prepared, params)
    curve: list[dict[str, float]] = []

    def report(iteration: int, values: dict[str, float]) -> None:
        curve.append({"iteration": iteration, **values})

    config = getattr(params, name)
    candidate = fit_model(name, holdout.training_data(prepared), config, params.seed, report)
    with replaced(workspace.candidates / name) as folder:
        candidate.save(folder)
    with replaced(workspace.evaluation / name) as folder:
        save_evaluation(measure(candidate, holdout, params), holdout, folder)
        (folder / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")
    del candidate
    served = fit_model(name, prepared.training_data(), config, params.seed)
    with replaced(workspace.models / name) as folder:
        served.save(folder)


def _evaluate(workspace: Workspace, params: Params) -> None:
    """Measure what is trending and the blend of the fitted models, and put them into one table with these."""
    prepared = Prepared.load(workspace.prepared)
    holdout = open_holdout(prepared, params)
    rankers: dict[str, Ranker] = {
        Trending.name: fit_model(
            Trending.name, holdout.training_data(prepared), params.trending, params.seed
        ),
        BLEND: load_blend(workspace.candidates, params.blend.tuned, holdout.test.new_items),
    }
    for name in MEASURED:
        with replaced(workspace.evaluation / name) as folder:
            save_evaluation(measure(rankers[name], holdout, params), holdout, folder)
    with replaced(workspace.evaluation / "summary") as folder:
        summarise(workspace, (*LEARNED, *MEASURED), params, folder)


def _bundle(workspace: Workspace, params: Params) -> None:
    with replaced(workspace.bundle) as folder:
        assemble(workspace, LEARNED, params, folder)


@click.command()
@click.argument("name", type=click.Choice(["validate", "prepare", *LEARNED, "evaluate", "bundle"]))
def main(name: str) -> None:
    """Run one stage of dvc.yaml in the workspace."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    run_stage(name, open_workspace(settings))


if __name__ == "__main__":
    main()
