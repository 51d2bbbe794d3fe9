"""All models side by side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from database.settings import REPOSITORY
from tests.training.evaluation.test_plots import measured
from training.data.workspace import Workspace
from training.evaluation.summary import summarise
from training.params import load_params

PARAMS = load_params(REPOSITORY / "params.yaml")
GATE = PARAMS.gate.model_copy(update={"baseline": "popularity", "metric": "ndcg@10"})
EVALUATION = PARAMS.evaluation.model_copy(update={"cutoffs": (10,), "bootstrap_samples": 200})


def workspace_of(folder: Path, values: dict[str, np.ndarray], warm: np.ndarray) -> Workspace:
    """The files of models whose metric each test user has these values of."""
    found = Workspace(folder)
    for name, each in values.items():
        own = found.evaluation / name
        own.mkdir(parents=True)
        content = measured(float(each.mean()), cold=10) | {"headline": {"ndcg@10": float(each.mean())}}
        (own / "metrics.json").write_text(json.dumps(content))
        arrays: dict[str, Any] = {"warm": warm, "ndcg@10": each}
        np.savez(own / "per_user.npz", **arrays)
    return found


@pytest.mark.slow
def test_each_is_compared_with_the_baseline_over_users_with_a_history(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    warm = np.arange(60) < 50
    baseline = random.random(60) / 4
    # Better for those with a history; of the others it must not count that it is worse.
    better = np.where(warm, baseline + 0.3, 0.0)
    worse = np.where(warm, baseline / 2, 1.0)
    values = {"popularity": baseline, "als": better, "nmf": worse, "blend": better + 0.05}
    workspace = workspace_of(tmp_path / "workspace", values, warm)
    summarise(workspace, tuple(values), tmp_path, gate=GATE, evaluation=EVALUATION, seed=1)
    found = json.loads((tmp_path / "summary.json").read_text())
    against = found["against_baseline"]
    assert against.keys() == {"als", "nmf", "blend"}
    assert against["als"]["verdict"] == "better" and against["als"]["difference"] == pytest.approx(0.3)
    assert against["nmf"]["verdict"] == "worse"
    assert found["against_best_single"]["model"] == "als"
    assert found["against_best_single"]["difference"] == pytest.approx(0.05)
    assert {"table.md", "slices.md", "pairs.md", "ranking.png"} <= {path.name for path in tmp_path.iterdir()}


def test_where_nobody_was_tested_there_is_nothing_to_compare(tmp_path: Path) -> None:
    nobody = np.zeros(0)
    values = {"popularity": nobody, "als": nobody, "blend": nobody}
    workspace = Workspace(tmp_path / "workspace")
    for name in values:
        own = workspace.evaluation / name
        own.mkdir(parents=True)
        users = dict.fromkeys(measured(0.0, cold=0)["users"], 0)
        (own / "metrics.json").write_text(json.dumps({"headline": {}, "slices": {}, "users": users}))
        np.savez(own / "per_user.npz", warm=np.zeros(0, dtype=bool))
    summarise(workspace, tuple(values), tmp_path, gate=GATE, evaluation=EVALUATION, seed=1)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["against_baseline"] == {} and found["against_best_single"] is None
