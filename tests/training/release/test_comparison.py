"""What the gate compares: each model with its own counterpart, on the users that it may be judged by."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from database.settings import REPOSITORY
from tests.training.release.test_gate import LIMITS
from training.data.workspace import Workspace
from training.evaluation.holdout import Holdout, HoldoutFacts, save_evaluation
from training.evaluation.intervals import compare
from training.evaluation.ranking import Evaluation, TestSet
from training.models.core.types import DoubleArray
from training.params import load_params
from training.release.comparison import ComparisonParams, compare_cold, compare_models
from training.release.measurements import Comparison

METRIC = LIMITS.metric
USERS = 40
MODELS = (*LIMITS.compared, LIMITS.baseline)


def evaluation(seed: int) -> Evaluation:
    """Of one model: its figure for each user, about as good as its number."""
    values = np.random.default_rng(seed).random(USERS) / 10 + seed / 100
    return Evaluation({METRIC: values}, {}, {"all": USERS})


class HalfWarm:
    """Every third test user has no history."""

    warm = np.arange(USERS) % 3 != 0
    facts = HoldoutFacts("time", 1, 2, USERS, int(warm.sum()))
    test: TestSet


HOLDOUT = cast(Holdout, HalfWarm())


@pytest.fixture
def params() -> ComparisonParams:
    shipped = load_params(REPOSITORY / "params.yaml")
    few = shipped.evaluation.model_copy(update={"bootstrap_samples": 200})
    return ComparisonParams(LIMITS, shipped.split, few, 42)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """What the evaluation of tonight's models left: model number m is evaluation m."""
    made = Workspace(tmp_path)
    for number, name in enumerate(MODELS):
        folder = made.evaluation / name
        folder.mkdir(parents=True)
        save_evaluation(evaluation(number), HOLDOUT, folder)
    return made


def values(number: int, who: str) -> DoubleArray:
    chosen = HalfWarm.warm if who == "warm" else ~HalfWarm.warm
    found: DoubleArray = evaluation(number).per_user[METRIC][chosen]
    return found


def same(found: Comparison, mine: DoubleArray, theirs: DoubleArray, params: ComparisonParams) -> None:
    """The difference on these users; the models and the cold users share the error between them."""
    confidence = 1 - (1 - LIMITS.confidence) / (len(LIMITS.compared) + 1)
    wanted = compare(mine, theirs, params.evaluation.bootstrap_samples, params.seed, confidence)
    assert (found.difference, found.low, found.high) == (wanted.difference, wanted.low, wanted.high)
    assert found.users == len(mine) and found.reference == pytest.approx(theirs.mean())


def test_each_model_is_compared_with_the_champions_of_its_name(
    workspace: Workspace, params: ComparisonParams
) -> None:
    theirs = {name: evaluation(10 + number) for number, name in enumerate(MODELS)}
    found = compare_models(workspace, theirs, HOLDOUT, params)
    assert [each.challenger for each in found] == list(LIMITS.compared)
    for number, each in enumerate(found):
        assert each.other == f"champion's {each.challenger}"
        same(each, values(number, "warm"), values(10 + number, "warm"), params)


def test_without_a_champion_every_model_is_compared_with_tonights_baseline(
    workspace: Workspace, params: ComparisonParams
) -> None:
    for number, each in enumerate(compare_models(workspace, None, HOLDOUT, params)):
        assert each.other == LIMITS.baseline
        same(each, values(number, "warm"), values(len(LIMITS.compared), "warm"), params)


def test_a_model_that_the_champion_lacks_has_nobody_to_be_compared_on(
    workspace: Workspace, params: ComparisonParams
) -> None:
    first, *others = compare_models(workspace, {MODELS[1]: evaluation(11)}, HOLDOUT, params)
    assert (first.users, first.difference) == (0, 0.0)
    assert others[0].users == len(values(1, "warm"))


def test_users_without_history_are_judged_by_what_is_popular_here_and_there(
    workspace: Workspace, params: ComparisonParams
) -> None:
    baseline = len(LIMITS.compared)
    theirs = {name: evaluation(10 + number) for number, name in enumerate(MODELS)}
    found = compare_cold(workspace, theirs, HOLDOUT, params)
    assert found is not None
    same(found, values(baseline, "cold"), values(10 + baseline, "cold"), params)
    del theirs[LIMITS.baseline]
    assert compare_cold(workspace, theirs, HOLDOUT, params) is None
    unmeasured = {LIMITS.baseline: replace(evaluation(3), per_user={})}
    nobody = compare_cold(workspace, unmeasured, HOLDOUT, params)
    assert nobody is not None and nobody.users == 0
