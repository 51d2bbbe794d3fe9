"""One vector's products with many stored ones."""

import numpy as np

from training.models.core.types import FloatArray

_LONG = 64
"""Numbers in a row from which a product a row is quicker."""


def products(rows: FloatArray, vector: FloatArray) -> FloatArray:
    """The product of each row (float32[n, d]) with a vector (float32[d]), float32[n].

    Long rows one after the other: `rows @ vector` reads four of them side by side (OpenBLAS), which takes
    twice as long where they come from memory.
    """
    return rows @ vector if rows.shape[1] < _LONG else np.linalg.vecdot(rows, vector)
