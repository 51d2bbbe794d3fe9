import numpy as np
import pytest
from scipy import sparse

from training.data.split import DAY, SplitError, leave_last_out, new_pairs, split_events, time_split, truth_of
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
    for protocol in ("time", "leave_last_out"):
        split = split_events(table, protocol, 10, 10)
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


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="coin toss"):
        split_events(events((0, 0, 1, 0)), "coin toss", 1, 1)


def test_truth_is_what_is_new_and_liked() -> None:
    table = events((0, 0, 1, 0), (0, 0, 1, 9), (0, 1, 1, 9), (0, 2, -1, 9), (1, 2, 1, 9))
    seen = sparse.csr_array(np.array([[1, 0, 0], [0, 0, 0]], dtype=np.float32))
    held_out = np.array([False, True, True, True, True])
    assert truth_of(table, held_out, seen).toarray().tolist() == [[0, 1, 0], [0, 0, 1]]


def test_new_pairs() -> None:
    pairs = sparse.csr_array(np.array([[2, 3, 0]], dtype=np.float32))
    seen = sparse.csr_array(np.array([[0, 7, 1]], dtype=np.float32))
    assert new_pairs(pairs, seen).toarray().tolist() == [[1, 0, 0]]
