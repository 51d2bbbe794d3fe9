"""The holdout of a workspace: who is tested on what, each model's numbers, and the table of them all."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from training.data.prepared import Prepared
from training.data.split import SplitError, split_events, truth_of
from training.data.workspace import Workspace
from training.evaluation import pairwise
from training.evaluation.intervals import compare
from training.evaluation.ranking import Evaluation, Ranker, TestSet, evaluate, rank
from training.evaluation.tables import models_table, slices_table
from training.models.blend import Blend, weights_by_model
from training.models.core.data import TrainingData, net_strengths
from training.models.core.types import BoolArray, DoubleArray
from training.models.registry import load_model
from training.params import Params

logger = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"
PER_USER_FILE = "per_user.npz"


@dataclass(frozen=True)
class Holdout:
    """What is learned from, and the users that are tested."""

    learned: BoolArray
    """bool[n_events]: the events before the cut."""
    cut: int | None
    """Seconds since 1970 at which the test begins; None when it is not one moment for all."""
    test: TestSet

    @property
    def warm(self) -> BoolArray:
        """bool[u]: test users with a history. To the others every model shows what is popular."""
        return self.test.user_slices()["warm_users"]

    def training_data(self, prepared: Prepared) -> TrainingData:
        """What models that are tested may learn from."""
        return prepared.training_data(self.learned, self.cut)


def open_holdout(prepared: Prepared, params: Params) -> Holdout:
    """Split the events; a history too short to split leaves everything to learn from and nobody to test."""
    try:
        split = split_events(
            prepared.events, params.split.protocol, params.split.validation_days, params.split.test_days
        )
        learned, held_out, cut = split.before_test, split.test, split.test_start
    except SplitError as error:
        logger.warning("Nothing can be measured: %s", error)
        learned, cut = np.ones(len(prepared.events), dtype=bool), None
        held_out = ~learned
    events = prepared.events
    shape = (len(prepared.users), len(prepared.items))
    seen = net_strengths(events.user[learned], events.item[learned], events.weight[learned], shape)
    truth = truth_of(events, held_out, seen) if held_out.any() else sparse.csr_array(shape, dtype=np.float32)
    return Holdout(learned, cut, TestSet.build(seen, truth, prepared.vectors))


def measure(ranker: Ranker, holdout: Holdout, params: Params) -> Evaluation:
    """Rank for every test user and measure the lists; without test users there are no numbers."""
    if not holdout.test.histories.shape[0]:
        return Evaluation({}, {}, {"all": 0})
    cutoffs = params.evaluation.cutoffs
    lists = rank(ranker, holdout.test.histories, max(cutoffs), params.evaluation.batch_users)
    return evaluate(lists, holdout.test, cutoffs, params.evaluation.bootstrap_samples, params.seed)


def load_blend(folder: Path, weights: Mapping[str, float], new: BoolArray) -> Blend:
    """The blend of the models that lie in `folder`, by their names; each weighed one must be there."""
    models = {name: load_model(name, folder / name) for name in weights_by_model(weights, new)}
    return Blend(models, weights, new)


def save_evaluation(evaluation: Evaluation, holdout: Holdout, folder: Path) -> None:
    """Write metrics.json, whose `headline` is flat, and the metrics of each user as arrays.

    The array `warm` tells which users had a history when they were tested.
    """
    content = {"headline": headline(evaluation), **evaluation.as_dict()}
    (folder / METRICS_FILE).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    arrays: dict[str, Any] = {"warm": holdout.warm, **evaluation.per_user}
    np.savez(folder / PER_USER_FILE, **arrays)


def headline(evaluation: Evaluation) -> dict[str, float]:
    """metric → value over all users, and "ndcg@10 cold_users" and the like for the other slices."""
    flat: dict[str, float] = {}
    for part, table in evaluation.slices.items():
        for name, found in table.items():
            if np.isfinite(found.value):
                flat[name if part == "all" else f"{name} {part}"] = found.value
    return flat


def load_metrics(workspace: Workspace, name: str) -> dict[str, Any]:
    """What `save_evaluation` wrote of a model."""
    content: dict[str, Any] = json.loads((workspace.evaluation / name / METRICS_FILE).read_text())
    return content


def load_users(workspace: Workspace, name: str, metric: str) -> DoubleArray:
    """float64[u], a metric of each test user; empty when nobody was tested."""
    with np.load(workspace.evaluation / name / PER_USER_FILE) as stored:
        return stored[metric] if metric in stored else np.zeros(0)


def load_warm(workspace: Workspace, name: str, metric: str) -> DoubleArray:
    """float64[w], a metric of each test user with a history; empty when nobody was tested."""
    with np.load(workspace.evaluation / name / PER_USER_FILE) as stored:
        return stored[metric][stored["warm"]] if metric in stored else np.zeros(0)


def load_cold(workspace: Workspace, name: str, metric: str) -> DoubleArray:
    """float64[c], a metric of each test user without a history; empty when nobody was tested."""
    with np.load(workspace.evaluation / name / PER_USER_FILE) as stored:
        return stored[metric][~stored["warm"]] if metric in stored else np.zeros(0)


def summarise(workspace: Workspace, models: Sequence[str], params: Params, folder: Path) -> None:
    """Put all models and the baselines into one table; write summary.json, the tables, and the plots.

    Each is compared with the baseline over the users that had a history: the others are shown what is
    popular whatever the model.
    """
    found = {name: load_metrics(workspace, name) for name in models}
    baseline, metric = params.gate.baseline, params.gate.metric
    reference = load_warm(workspace, baseline, metric)
    differences: dict[str, Any] = {}
    for name in models:
        values = load_warm(workspace, name, metric)
        if name != baseline and len(values):
            result = compare(values, reference, params.evaluation.bootstrap_samples, params.seed)
            differences[name] = {
                "difference": result.difference,
                "low": result.low,
                "high": result.high,
                "users": result.users,
                "verdict": result.verdict,
            }
    summary = {
        "metric": metric,
        "baseline": baseline,
        "users": found[baseline]["users"],
        "models": {name: content["headline"] for name, content in found.items()},
        "against_baseline": differences,
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    (folder / "table.md").write_text(models_table(found, summary, params.evaluation.cutoffs))
    (folder / "slices.md").write_text(slices_table(found, params.evaluation.cutoffs[0]))
    if found[baseline]["slices"]:
        gains = {name: load_users(workspace, name, metric) for name in models}
        pairs = pairwise.as_table(gains, metric, params.evaluation.bootstrap_samples, params.seed)
        (folder / "pairs.md").write_text(pairs)
        from training.evaluation.plots import draw_plots

        draw_plots(found, params.evaluation.cutoffs, folder)
