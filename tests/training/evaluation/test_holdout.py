"""Who is tested on what, and what is kept of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from database.settings import REPOSITORY
from tests.training.pipeline.small_shop import shop
from training.data.split import DAY
from training.data.workspace import Workspace
from training.evaluation.holdout import (
    HoldoutFacts,
    evaluate_ranker,
    headline,
    load_metrics,
    load_per_user,
    open_holdout,
    save_evaluation,
)
from training.models.core.types import Csr, FloatArray
from training.params import load_params
from training.params.learning import SplitParams

PARAMS = load_params(REPOSITORY / "params.yaml")
EVALUATION = PARAMS.evaluation.model_copy(
    update={"cutoffs": (1, 5), "bootstrap_samples": 50, "batch_users": 16}
)


def by_time(days: int) -> SplitParams:
    return PARAMS.split.model_copy(update={"protocol": "time", "validation_days": 2, "test_days": days})


class Oracle:
    """Knows the right answers of those who are tested, in order."""

    def __init__(self, truth: Csr) -> None:
        self._truth, self._next = truth, 0

    def score_batch(self, histories: Csr) -> FloatArray:
        start, self._next = self._next, self._next + histories.shape[0]
        found: FloatArray = self._truth[start : self._next].toarray().astype(np.float32)
        return found + np.float32(1e-3)


def test_nothing_that_is_learned_from_is_later_than_the_test() -> None:
    prepared = shop()
    holdout = open_holdout(prepared, by_time(2), 1)
    assert holdout.cut is not None
    assert (
        prepared.events.time[holdout.learned].max()
        < holdout.cut
        <= prepared.events.time[~holdout.learned].min()
    )
    data = holdout.training_data(prepared)
    assert len(data.events) == holdout.learned.sum()
    # Ten users come on the last day only: nothing is known of them.
    assert (~holdout.warm).sum() == 10
    assert holdout.facts.users == len(holdout.warm) and holdout.facts.warm_users == holdout.warm.sum()
    assert 0 < holdout.facts.days <= 2


def test_where_nothing_can_be_held_out_everything_is_learned_from_and_nobody_tested() -> None:
    whole = shop()
    first = replace(whole, events=whole.events.where(whole.events.time < DAY))
    holdout = open_holdout(first, by_time(2), 1)
    assert holdout.learned.all() and holdout.cut is None and holdout.facts.users == 0
    found = evaluate_ranker(Oracle(holdout.test.truth), holdout, EVALUATION, 1)
    assert headline(found) == {}


def test_who_knows_the_answers_has_the_best_metrics_and_they_are_kept_by_user(tmp_path: Path) -> None:
    holdout = open_holdout(shop(), by_time(2), 1)
    evaluation = evaluate_ranker(Oracle(holdout.test.truth), holdout, EVALUATION, 1)
    flat = headline(evaluation)
    assert flat["ndcg@5"] == pytest.approx(1.0) and flat["ndcg@5 cold_users"] == pytest.approx(1.0)
    workspace = Workspace(tmp_path)
    folder = workspace.evaluation / "oracle"
    folder.mkdir(parents=True)
    save_evaluation(evaluation, holdout, folder)
    stored: dict[str, Any] = load_metrics(workspace, "oracle")
    assert stored["headline"] == pytest.approx(flat)
    every, warm, cold = (load_per_user(workspace, "oracle", "ndcg@5", who) for who in ("all", "warm", "cold"))
    assert len(every) == len(warm) + len(cold) == holdout.facts.users and len(cold) == 10
    assert every.mean() == pytest.approx(flat["ndcg@5"])
    assert not len(load_per_user(workspace, "oracle", "of a metric that nobody measured"))


def test_a_test_without_one_beginning_has_no_length() -> None:
    assert HoldoutFacts("leave_last_out", None, 100 * DAY, 5, 5).days == 0
    assert HoldoutFacts("time", 98 * DAY + 1, 100 * DAY, 5, 5).days == 2
