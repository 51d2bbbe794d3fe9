"""Validation windows: parts before the test, each predicted from what came before it alone."""

import logging
from dataclasses import dataclass

from training.data.prepared import Prepared
from training.data.split import Split, SplitError, leave_last_out, time_split, truth_of
from training.evaluation.ranking import TestSet
from training.models.core.data import TrainingData
from training.params.learning import SplitParams, TuneParams

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """One validation part: what came before it, and its users."""

    data: TrainingData
    test: TestSet


def open_windows(prepared: Prepared, split: SplitParams, tune: TuneParams, seed: int) -> list[Window]:
    """The latest validation windows, each right before the next and all before the test.

    Split by time there are `tune.windows` of them, or as many as the history is long enough for; each is
    predicted from what came before it alone. Leave-last-out has one.

    Raises SplitError when not even one window has something before it.
    """
    if split.protocol == "leave_last_out":
        return [_window(prepared, leave_last_out(prepared.events), tune.max_users, seed)]
    windows: list[Window] = []
    for back in range(tune.windows):
        try:
            later = split.test_days + back * split.validation_days
            part = time_split(prepared.events, split.validation_days, later)
            windows.append(_window(prepared, part, tune.max_users, seed))
        except SplitError:
            if not windows:
                raise
            logger.warning("The history is only long enough for %d validation windows.", back)
            break
    return windows


def _window(prepared: Prepared, split: Split, max_users: int, seed: int) -> Window:
    data = prepared.training_data(split.train, split.validation_start)
    truth = truth_of(prepared.events, split.validation, data.interactions)
    if not truth.nnz:
        raise SplitError("validation", "no user has a right answer in it")
    test = TestSet.build(data.interactions, truth, None)
    return Window(data, test.sample(max_users, seed))
