"""The scores of users of whom little is known."""

import numpy as np
import pytest

from serving.steps.scorers.cold_start import cold_scores, interpolated


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_interests_and_popularity_share_a_cold_list() -> None:
    cold = cold_scores(floats(0.5, 0.9, 0), floats(0, 0, 1), 0.8)
    assert np.argsort(-cold).tolist() == [1, 0, 2]
    assert cold_scores(floats(0, 0, 0), floats(1, 3, 2), 0.8).argmax() == 1


def test_history_takes_over_with_each_event() -> None:
    cold, warm = floats(1, 0), floats(0, 1)
    total = {events: np.sum(interpolated(warm, cold, events, 5), axis=0).tolist() for events in (0, 2, 9)}
    assert total[0] == [1, 0] and total[9] == [0, 1]
    assert total[2] == pytest.approx([0.6, 0.4])
    assert np.sum(interpolated(floats(0, 0), cold, 4, 5), axis=0).tolist() == [1, 0]
