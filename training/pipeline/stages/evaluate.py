"""Evaluate the blend of the fitted models and the models that are only compared with, and compare all."""

from training.data.prepared import Prepared
from training.data.workspace import Workspace, replaced
from training.evaluation.holdout import evaluate_ranker, load_blend, open_holdout, save_evaluation
from training.evaluation.ranking import Ranker
from training.evaluation.summary import summarise
from training.models.blend import BLEND
from training.models.registry import fit_model, names
from training.params import Params


def evaluate_all(workspace: Workspace, params: Params) -> None:
    """Write `data/evaluation/summary`, and metrics of each ranker that has no stage of its own."""
    everything = (*names(scope="bundle"), *evaluate_rankers(workspace, params))
    with replaced(workspace.evaluation / "summary") as folder:
        summarise(
            workspace, everything, folder, gate=params.gate, evaluation=params.evaluation, seed=params.seed
        )


def evaluate_rankers(workspace: Workspace, params: Params) -> tuple[str, ...]:
    """Write the metrics of each ranker that has no stage of its own: what the gate judges by; their names."""
    prepared = Prepared.load(workspace.prepared)
    holdout = open_holdout(prepared, params.split, params.seed)
    data = holdout.training_data(prepared)
    rankers: dict[str, Ranker] = {
        name: fit_model(name, data, params.model(name), params.seed) for name in names(scope="evaluation")
    }
    rankers[BLEND] = load_blend(workspace.candidates, params.blend.tuned, holdout.test.new_items)
    for name, ranker in rankers.items():
        with replaced(workspace.evaluation / name) as folder:
            save_evaluation(evaluate_ranker(ranker, holdout, params.evaluation, params.seed), holdout, folder)
    return tuple(rankers)
