"""Validation windows lie before the test, and after all that they are predicted from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from database.settings import REPOSITORY
from tests.training.pipeline.small_shop import shop
from training.data.prepared import Prepared
from training.data.split import DAY, SplitError
from training.evaluation.windows import open_windows
from training.params import load_params
from training.params.learning import SplitParams, TuneParams

PARAMS = load_params(REPOSITORY / "params.yaml")


def days(first: int, end: int) -> Prepared:
    """The shop, of whose twelve days only some have happened."""
    whole = shop()
    day = whole.events.time // DAY
    baskets = {
        name: getattr(whole, name)[:0]
        for name in ("basket_item", "basket_row", "basket_time", "basket_event")
    }
    return replace(whole, events=whole.events.where((day >= first) & (day < end)), **baskets)


def split_of(protocol: str, validation: int, test: int) -> SplitParams:
    return PARAMS.split.model_copy(
        update={"protocol": protocol, "validation_days": validation, "test_days": test}
    )


def tune_of(windows: int, users: int = 1000) -> TuneParams:
    return PARAMS.tune.model_copy(update={"windows": windows, "max_users": users})


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6))
@settings(max_examples=25)
def test_each_is_predicted_from_what_came_before_it_alone(validation: int, test: int, count: int) -> None:
    prepared = days(0, 12)
    windows = open_windows(prepared, split_of("time", validation, test), tune_of(count), 1)
    possible = (11 - test) // validation
    assert len(windows) == min(count, max(possible, 1))
    for back, window in enumerate(windows):
        begin = 12 - test - (back + 1) * validation
        assert window.data.events.time.max() // DAY == begin - 1
        assert window.test.histories.shape[0] > 0
        # No right answer was seen before.
        assert not window.test.truth.multiply(window.test.histories).count_nonzero()


def test_a_history_of_one_day_has_none() -> None:
    with pytest.raises(SplitError):
        open_windows(days(0, 1), split_of("time", 2, 2), tune_of(2), 1)


def test_where_each_users_last_items_are_left_out_there_is_one_window() -> None:
    (window,) = open_windows(days(0, 12), split_of("leave_last_out", 1, 1), tune_of(4), 1)
    # One item of each of the 50 users who have three, unless it was theirs before.
    assert 0 < window.test.histories.shape[0] <= 50
    assert (np.diff(window.test.truth.indptr) == 1).all()


def test_no_more_users_than_are_asked_for() -> None:
    for seed in (1, 2):
        (window,) = open_windows(days(0, 12), split_of("time", 2, 2), tune_of(1, users=7), seed)
        assert window.test.histories.shape[0] == 7
