"""One vector's products with many stored ones."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.core.types import FloatArray

_LONG = 64
"""Numbers in a row from which a product a row is quicker."""


def products(rows: FloatArray, vector: FloatArray) -> FloatArray:
    """The product of each row (float32[n, d]) with a vector (float32[d]), float32[n].

    Long rows one after the other: `rows @ vector` reads four of them side by side (OpenBLAS), which takes
    twice as long where they come from memory.
    """
    return rows @ vector if rows.shape[1] < _LONG else np.linalg.vecdot(rows, vector)


def products_at(rows: FloatArray, places: NDArray[np.integer], vector: FloatArray) -> FloatArray:
    """The product of the rows (float32[n, d]) at some places (each below n) with a vector (float32[d]),
    float32[len(places)]; a row's does not depend on its place, nor on the others.

    Where they lie: a copy takes half as long again. Raises ValueError for a vector of another length, which
    FAISS would read, or the rows, beyond their end.
    """
    if vector.shape != (rows.shape[1],):
        raise ValueError(f"a vector of {vector.shape} beside rows of {rows.shape[1]}")
    faiss: Any = importlib.import_module("faiss")  # its type stubs describe an older interface
    found = np.empty(len(places), dtype=np.float32)
    ids = np.ascontiguousarray(places, dtype=np.int64)
    vector = np.ascontiguousarray(vector, dtype=np.float32)
    pointers = [faiss.swig_ptr(each) for each in (found, vector, rows, ids)]  # which refuse all but float32
    faiss.fvec_inner_products_by_idx(*pointers, rows.shape[1], 1, len(ids))
    return found
