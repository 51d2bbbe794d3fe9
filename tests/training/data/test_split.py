import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.data.split import (
    DAY,
    SplitError,
    holdout_cut,
    leave_last_out,
    new_pairs,
    time_split,
    truth_of,
)
from training.models.core.data import Events


def events(*rows: tuple[int, int, float, int]) -> Events:
    user, item, weight, day = (np.array(column) for column in zip(*rows, strict=True))
    return Events(
        user.astype(np.int32), item.astype(np.int32), weight.astype(np.float32), day.astype(np.int64) * DAY
    )


def test_time_cuts_everybody_at_one_moment() -> None:
    table = events((0, 0, 1, 0), (1, 0, 1, 5), (0, 1, 1, 8), (1, 1, 1, 9), (0, 2, 1, 10))
    split = time_split(table, validation_days=2, test_days=2)
    assert split.train.tolist() == [True, True, False, False, False]
    assert split.validation.tolist() == [False, False, True, False, False]
    assert split.test.tolist() == [False, False, False, True, True]
    assert table.time[split.before_test].max() < split.test_start <= table.time[split.test].min()


def test_every_event_is_in_exactly_one_part() -> None:
    generator = np.random.default_rng(0)
    table = Events(
        generator.integers(0, 20, 500).astype(np.int32),
        generator.integers(0, 30, 500).astype(np.int32),
        np.ones(500, dtype=np.float32),
        np.sort(generator.integers(0, 100 * DAY, 500)),
    )
    for split in (time_split(table, 10, 10), leave_last_out(table)):
        assert (split.train.astype(int) + split.validation + split.test == 1).all()


def test_leave_last_out_holds_out_the_last_two_items() -> None:
    rows = [(0, item, 1.0, day) for day, item in enumerate([3, 1, 3, 2, 2])] + [
        (1, 0, 1.0, 9),
        (1, 1, 1.0, 9),
    ]
    split = leave_last_out(events(*rows))
    assert split.test.tolist() == [False, False, False, True, True, False, False]
    assert split.validation.tolist() == [True, False, True, False, False, False, False]
    assert split.train.tolist() == [False, True, False, False, False, True, True]


@pytest.mark.parametrize(("validation_days", "test_days"), [(0, 400), (300, 300)])
def test_a_history_that_is_too_short_is_said_so(validation_days: int, test_days: int) -> None:
    table = events((0, 0, 1, 0), (0, 1, 1, 100))
    with pytest.raises(SplitError, match="the train part is empty"):
        time_split(table, validation_days, test_days)


def at(*days: float) -> Events:
    """Events of one user at these days."""
    times = (np.array(days) * DAY).astype(np.int64)
    return Events(
        np.zeros(len(days), np.int32),
        np.arange(len(days), dtype=np.int32),
        np.ones(len(days), np.float32),
        times,
    )


def test_a_long_history_holds_out_the_days_asked_for_and_a_short_one_a_third() -> None:
    long, short = at(*range(300)), at(*range(30))
    assert holdout_cut(long, 28) == 299 * DAY - 28 * DAY + 1
    assert holdout_cut(short, 28) == 20 * DAY
    assert holdout_cut(at(0, 1), 28) == DAY


def test_one_old_order_makes_no_long_history() -> None:
    cut = holdout_cut(at(-400, *range(10)), 28)
    assert (at(-400, *range(10)).time < cut).sum() == 8


def test_events_of_one_moment_cannot_be_split() -> None:
    with pytest.raises(SplitError, match="one moment"):
        holdout_cut(at(3, 3, 3), 28)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=60), st.integers(1, 40))
def test_the_cut_never_moves_back_as_days_go_by(days: list[int], test_days: int) -> None:
    """So a bundle's evaluation models have never seen what a later night tests."""
    days = sorted(days)
    before = None
    for known in range(1, len(days) + 1):
        events = at(*days[:known])
        if days[0] == days[known - 1]:
            continue
        cut = holdout_cut(events, test_days)
        assert 0 < (events.time < cut).sum() < known
        assert before is None or cut >= before
        before = cut


def test_truth_is_what_is_new_and_liked() -> None:
    table = events((0, 0, 1, 0), (0, 0, 1, 9), (0, 1, 1, 9), (0, 2, -1, 9), (1, 2, 1, 9))
    seen = sparse.csr_array(np.array([[1, 0, 0], [0, 0, 0]], dtype=np.float32))
    held_out = np.array([False, True, True, True, True])
    assert truth_of(table, held_out, seen).toarray().tolist() == [[0, 1, 0], [0, 0, 1]]


def test_new_pairs() -> None:
    pairs = sparse.csr_array(np.array([[2, 3, 0]], dtype=np.float32))
    seen = sparse.csr_array(np.array([[0, 7, 1]], dtype=np.float32))
    assert new_pairs(pairs, seen).toarray().tolist() == [[1, 0, 0]]
