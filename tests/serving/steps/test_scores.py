"""Arithmetic on scores."""

import numpy as np

from serving.steps.scores import contrast, scaled, spread


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_scaling_keeps_order_and_drops_what_is_negative() -> None:
    assert scaled(floats(-1, 2, 4)).tolist() == [0.0, 0.5, 1.0]
    assert scaled(floats(0, -3)).tolist() == [0.0, 0.0]


def test_spreading_drops_rows_that_are_not_known() -> None:
    assert spread(floats(1, 2), np.array([-1, 2], dtype=np.int32), 3).tolist() == [0, 0, 2]


def test_contrast_is_above_the_least_of_what_is_allowed() -> None:
    allowed = np.array([True, True, False])
    assert contrast(floats(3, 1, -5), allowed).tolist() == [2, 0, 0]
