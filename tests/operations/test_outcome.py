"""What an operator reads after a training: the models, the blend's verdicts, where its weights are from."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from database.settings import Settings
from operations import outcome
from operations.outcome import learned_on_this_data, outcome_lines, weights_lines
from training.data.workspace import Workspace, open_workspace

BETTER = {"difference": 0.05, "low": 0.01, "high": 0.09, "users": 120, "verdict": "better"}
WORSE = {"difference": -0.02, "low": -0.03, "high": -0.01, "users": 120, "verdict": "worse"}
UNCLEAR = {"difference": 0.001, "low": -0.01, "high": 0.01, "users": 300, "verdict": "not significant"}


@pytest.fixture
def workspace(settings: Settings) -> Workspace:
    found = open_workspace(settings)
    means = {"als": 0.2, "popularity": 0.1, "blend": 0.25}
    for name, mean in means.items():
        estimate = {"value": mean, "low": mean - 0.01, "high": mean + 0.01}
        slices = {"all": {f"{metric}@10": estimate for metric in ("ndcg", "recall", "coverage")}}
        write(found.evaluation / name / "metrics.json", {"slices": slices})
    summary = {
        "metric": "ndcg@10",
        "baseline": "popularity",
        "users": {"all": 1500, "cold_users": 300},
        "models": {name: {"ndcg@10": mean} for name, mean in means.items()},
        "against_baseline": {"blend": BETTER},
        "against_best_single": {"model": "als", **WORSE},
    }
    write(found.evaluation / "summary" / "summary.json", summary)
    return found


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots of the bundles that the database knows."""
    monkeypatch.setattr(outcome, "_served", lambda _: frozenset({"mine"}))


def write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


def searched(workspace: Workspace, snapshot: str, weights: dict[str, float], verdict: Any) -> None:
    content = {"snapshot": snapshot, "weights": weights, "verdict": verdict}
    write(workspace.data / "tuning" / "blend" / "weights.json", content)


def tuned(workspace: Workspace) -> dict[str, float]:
    found: dict[str, float] = yaml.safe_load(workspace.params_file.read_text())["blend"]["tuned"]
    return found


def test_the_models_stand_best_first_with_the_verdicts_below(
    settings: Settings, workspace: Workspace
) -> None:
    lines = outcome_lines(settings, workspace)
    assert "1,500 test users, 300 of them without a history" in lines[0]
    assert [line.split()[0] for line in lines[3:6]] == ["blend", "als", "popularity"]
    assert lines[3].split()[1:5] == ["0.2500", "0.2400", "to", "0.2600"]
    assert "The blend against popularity: +0.0500 [+0.0100, +0.0900] over 120 users: better" in lines
    assert any("best single model, als: -0.0200" in line and line.endswith("worse") for line in lines)


def test_nothing_evaluated_yet_is_said(settings: Settings) -> None:
    assert outcome_lines(settings, open_workspace(settings)) == ["No models have been evaluated yet."]


def test_a_history_too_short_to_test_on_is_said(settings: Settings, workspace: Workspace) -> None:
    summary = {"metric": "ndcg@10", "baseline": "popularity", "users": {"all": 0}, "models": {}}
    write(workspace.evaluation / "summary" / "summary.json", summary | {"against_baseline": {}})
    assert "too short" in outcome_lines(settings, workspace)[0]


def test_weights_that_came_with_the_software_are_not_called_this_datas(
    settings: Settings, workspace: Workspace
) -> None:
    assert "not learned on this data" in weights_lines(tuned(workspace), workspace, settings)[1]
    searched(workspace, "another shop's", tuned(workspace), None)
    assert "not learned on this data" in weights_lines(tuned(workspace), workspace, settings)[1]
    assert not learned_on_this_data(settings, workspace)


def test_the_weights_stand_with_the_heaviest_first(settings: Settings, workspace: Workspace) -> None:
    said = weights_lines({"als": 0.5, "tfidf": 2, "nmf": 1.25}, workspace, settings)[0]
    assert said == "Weights of the blend: tfidf 2, nmf 1.25, als 0.5"


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (None, BETTER, "learned on this data"),
        ({"als": 3.0}, UNCLEAR, "not shown to be better (+0.0010 [-0.0100, +0.0100] over 300 users)"),
        ({"als": 3.0}, BETTER, "edited since"),
    ],
)
def test_a_search_on_this_data_says_what_came_of_it(
    settings: Settings, workspace: Workspace, found: dict[str, float] | None, verdict: Any, said: str
) -> None:
    searched(workspace, "mine", found or tuned(workspace), verdict)
    assert learned_on_this_data(settings, workspace)
    assert said in weights_lines(tuned(workspace), workspace, settings)[1]
