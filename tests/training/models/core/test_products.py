"""Products of one vector with many: long rows are multiplied another way than short ones."""

import numpy as np
import pytest

from training.models.core.products import products, products_at
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


@pytest.mark.parametrize("width", [1, 7, 64, 384])
def test_a_product_depends_on_its_row_alone(width: int) -> None:
    random = np.random.default_rng(width)
    rows = random.standard_normal((203, width)).astype(np.float32)
    rows[7], rows[100:110] = 0, rows[3]
    vector = random.standard_normal(width).astype(np.float32)
    places = random.permutation(203)
    found = products_at(rows, places, vector)
    exact, sizes = rows.astype(np.float64) @ vector, np.abs(rows).astype(np.float64) @ np.abs(vector)
    assert np.all(np.abs(found - exact[places]) <= rounding_bound(width) * sizes[places])
    assert len(set(found[np.isin(places, [3, *range(100, 110)])].tolist())) == 1
    for some in (places[::-1], places[50:61], places[:1], places[:0]):
        expected = [found[places == place][0] for place in some]
        assert products_at(rows, some.astype(np.int32), vector).tolist() == expected


def test_what_does_not_lie_as_it_should_is_refused() -> None:
    with pytest.raises(ValueError, match="contiguous"):
        products_at(np.zeros((4, 6), dtype=np.float32)[:, ::2], np.arange(4), np.zeros(3, dtype=np.float32))


@pytest.mark.parametrize("length", [2, 4])
def test_a_vector_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="rows of 3"):
        products_at(np.zeros((4, 3), dtype=np.float32), np.arange(4), np.zeros(length, dtype=np.float32))
