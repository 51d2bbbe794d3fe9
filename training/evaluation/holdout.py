"""The holdout of a workspace: who is tested on what, and each model's metrics as files."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import sparse

from training.data.prepared import Prepared
from training.data.split import DAY, SplitError, holdout_cut, leave_last_out, truth_of
from training.data.workspace import Workspace
from training.evaluation.ranking import Evaluation, Ranker, TestSet, evaluate, rank
from training.models.blend import Blend, weights_by_model
from training.models.core.data import TrainingData, net_strengths
from training.models.core.types import BoolArray, DoubleArray
from training.models.registry import load_model
from training.params.learning import EvaluationParams, SplitParams

logger = logging.getLogger(__name__)

METRICS_FILE = "metrics.json"
PER_USER_FILE = "per_user.npz"


@dataclass(frozen=True)
class HoldoutFacts:
    """What the gate must know of a holdout, to tell whether models of another night can be tested on it."""

    protocol: str
    start: int | None
    """Seconds since 1970 at which the test begins; None when it is not one moment for all."""
    end: int
    """Seconds since 1970 of the last event."""
    users: int
    warm_users: int
    """Test users with a history: those that accuracy is judged by."""

    @property
    def days(self) -> float:
        """Length of the test; 0 when it is not one for all."""
        return 0.0 if self.start is None else (self.end - self.start + 1) / DAY


@dataclass(frozen=True)
class Holdout:
    """What is learned from, and the users that are tested."""

    learned: BoolArray
    """bool[n_events]: the events before the cut."""
    cut: int | None
    """Seconds since 1970 at which the test begins; None when it is not one moment for all."""
    test: TestSet
    facts: "HoldoutFacts"

    @property
    def warm(self) -> BoolArray:
        """bool[u]: test users with a history. To the others every model shows what is popular."""
        return self.test.user_slices()["warm_users"]

    def training_data(self, prepared: Prepared) -> TrainingData:
        """What models that are tested may learn from."""
        return prepared.training_data(self.learned, self.cut)


def open_holdout(prepared: Prepared, params: SplitParams, seed: int) -> Holdout:
    """Split the events; where nothing can be held out, everything is learned from and nobody is tested.

    Of more than `max_test_users` users some are tested, drawn by the seed: the same for every model of a run.
    """
    events = prepared.events
    cut = None
    try:
        if params.protocol == "time":
            cut = holdout_cut(events, params.test_days)
            learned = events.time < cut
        else:
            learned = leave_last_out(events).before_test
    except SplitError as error:
        logger.warning("No evaluation possible: %s", error)
        learned = np.ones(len(events), dtype=bool)
    held_out = ~learned
    shape = (len(prepared.users), len(prepared.items))
    seen = net_strengths(events.user[learned], events.item[learned], events.weight[learned], shape)
    truth = truth_of(events, held_out, seen) if held_out.any() else sparse.csr_array(shape, dtype=np.float32)
    test = TestSet.build(seen, truth, prepared.vectors).sample(params.max_test_users, seed)
    slices, end = test.user_slices(), int(events.time.max(initial=0))
    users, warm = (int(slices[name].sum()) for name in ("all", "warm_users"))
    return Holdout(learned, cut, test, HoldoutFacts(params.protocol, cut, end, users, warm))


def evaluate_ranker(ranker: Ranker, holdout: Holdout, params: EvaluationParams, seed: int) -> Evaluation:
    """Rank for every test user and evaluate the lists; without test users there are no numbers."""
    if not holdout.test.histories.shape[0]:
        return Evaluation({}, {}, {"all": 0})
    lists = rank(ranker, holdout.test.histories, max(params.cutoffs), params.batch_users)
    return evaluate(lists, holdout.test, params.cutoffs, params.bootstrap_samples, seed)


def load_blend(folder: Path, weights: Mapping[str, float], new_items: BoolArray) -> Blend:
    """The blend of the models that lie in `folder`, by their names; each weighed one must be there."""
    models = {name: load_model(name, folder / name) for name in weights_by_model(weights, new_items)}
    return Blend(models, weights, new_items)


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


def load_per_user(
    workspace: Workspace, name: str, metric: str, users: Literal["all", "warm", "cold"] = "all"
) -> DoubleArray:
    """float64[u], a model's metric of each test user: of all, of those with a history (warm), or without.

    Empty when nobody was tested.
    """
    with np.load(workspace.evaluation / name / PER_USER_FILE) as stored:
        if metric not in stored:
            return np.zeros(0)
        values: DoubleArray = stored[metric]
        return values if users == "all" else values[stored["warm"] == (users == "warm")]
