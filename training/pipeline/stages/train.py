"""Fit one model twice: before the test, to evaluate it, and on the whole snapshot, to serve.

One that learns from the catalogue alone is fitted once.
"""

import json

from training.data.prepared import Prepared
from training.data.workspace import Workspace, replaced
from training.evaluation.holdout import evaluate_ranker, open_holdout, save_evaluation
from training.models.registry import algorithm, fit_model
from training.params import Params


def train(name: str, workspace: Workspace, params: Params) -> None:
    """Write the model `name` to `data/candidates` and `data/models`, its metrics to `data/evaluation`."""
    prepared = Prepared.load(workspace.prepared)
    holdout = open_holdout(prepared, params.split, params.seed)
    config, seed = params.model(name), params.seed
    curve: list[dict[str, float]] = []

    def report(iteration: int, values: dict[str, float]) -> None:
        curve.append({"iteration": iteration, **values})

    model = fit_model(name, holdout.training_data(prepared), config, seed, report)
    with replaced(workspace.candidates / name) as folder:
        # Tests ask for histories: the users' factors are in the bundle once, in the model that serves.
        model.without_users().save(folder)
    with replaced(workspace.evaluation / name) as folder:
        save_evaluation(evaluate_ranker(model, holdout, params.evaluation, seed), holdout, folder)
        (folder / "curve.json").write_text(json.dumps(curve, indent=1) + "\n")
    if not algorithm(name).of_catalogue:
        del model  # both fits at a time would double the memory of the largest model
        model = fit_model(name, prepared.training_data(), config, seed)
    with replaced(workspace.models / name) as folder:
        model.save(folder)
