"""Array types that every model shares."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
BytesArray = npt.NDArray[np.bytes_]

Csr = Any
"""A scipy.sparse.csr_array of float32 (scipy ships no types)."""

Report = Callable[[int, dict[str, float]], None]
"""Called after each iteration of a fit with its number and figures, such as the loss (the training curve)."""
