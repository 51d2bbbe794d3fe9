"""All models of a workspace side by side: summary.json, tables, plots."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.data.workspace import Workspace
from training.evaluation import pairwise
from training.evaluation.holdout import load_metrics, load_per_user
from training.evaluation.intervals import compare
from training.evaluation.tables import models_table, slices_table
from training.models.blend import BLEND
from training.models.core.types import DoubleArray
from training.params.learning import EvaluationParams
from training.params.operating import GateParams


def summarise(
    workspace: Workspace,
    models: Sequence[str],
    folder: Path,
    *,
    gate: GateParams,
    evaluation: EvaluationParams,
    seed: int,
) -> None:
    """Put all models and the baselines into one table; write summary.json, the tables, and the plots.

    Each is compared with the baseline over the users that had a history: the others are shown what is
    popular whatever the model. So is the blend with the best single model, which is chosen on the same users:
    if anything, that makes the blend look worse than it is.
    """
    found = {name: load_metrics(workspace, name) for name in models}
    baseline, metric, samples = gate.baseline, gate.metric, evaluation.bootstrap_samples
    warm = {name: load_per_user(workspace, name, metric, "warm") for name in models}
    differences = {
        name: asdict(compare(values, warm[baseline], samples, seed))
        for name, values in warm.items()
        if name != baseline and len(values)
    }
    summary = {
        "metric": metric,
        "baseline": baseline,
        "users": found[baseline]["users"],
        "models": {name: content["headline"] for name, content in found.items()},
        "against_baseline": differences,
        "against_best_single": _against_best_single(warm, samples, seed),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    (folder / "table.md").write_text(models_table(found, summary, evaluation.cutoffs))
    (folder / "slices.md").write_text(slices_table(found, evaluation.cutoffs[0]))
    if found[baseline]["slices"]:
        per_user = {name: load_per_user(workspace, name, metric) for name in models}
        pairs = pairwise.as_table(per_user, metric, samples, seed)
        (folder / "pairs.md").write_text(pairs)
        from training.evaluation.plots import draw_plots

        draw_plots(found, evaluation.cutoffs, folder)


def _against_best_single(values: Mapping[str, DoubleArray], samples: int, seed: int) -> dict[str, Any] | None:
    """The blend less the model with the best mean, whose name is `model`; None if nobody was tested."""
    singles = {name: float(each.mean()) for name, each in values.items() if name != BLEND and len(each)}
    if not singles or BLEND not in values:
        return None
    best = max(singles, key=lambda name: singles[name])
    return {"model": best, **asdict(compare(values[BLEND], values[best], samples, seed))}
