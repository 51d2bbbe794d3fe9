"""Products of one vector with many: long rows are multiplied another way than short ones."""

import numpy as np
import pytest

from training.models.core.products import products
from training.models.core.rounding import rounding_bound


@pytest.mark.parametrize("width", [1, 50, 63, 64, 65, 128, 384])
def test_each_is_the_product_of_its_row_within_rounding(width: int) -> None:
    random = np.random.default_rng(width)
    rows = random.standard_normal((203, width)).astype(np.float32)
    rows[7] = 0
    vector = random.standard_normal(width).astype(np.float32)
    found = products(rows, vector)
    exact, sizes = rows.astype(np.float64) @ vector, np.abs(rows).astype(np.float64) @ np.abs(vector)
    assert found.dtype == np.float32 and found.shape == (203,)
    assert np.all(np.abs(found - exact) <= rounding_bound(width) * sizes)
    assert products(rows[:0], vector).shape == (0,)
