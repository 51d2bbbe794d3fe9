"""How far apart a vector's products with all items' vectors are, without a look at each of them.

The scores of a linear model are products of one vector with every item's. Their variance over the items is
u' C u, where C is the covariance of the items' vectors: d x d numbers stand for all of them.
"""

import numpy as np

from training.models.core.types import DoubleArray, FloatArray

BLOCK = 16_384
"""Rows of which a float64 copy is made at a time."""


def covariance_of(vectors: FloatArray) -> FloatArray:
    """The covariance of the columns of float32[n, d], over all rows: float32[d, d]; zeros without rows."""
    n_items, width = vectors.shape
    products, total = np.zeros((width, width)), np.zeros(width)
    for start in range(0, n_items, BLOCK):
        block = vectors[start : start + BLOCK].astype(np.float64)
        products += block.T @ block
        total += block.sum(axis=0)
    return covariance_from(products, total, n_items)


def covariance_from(products: DoubleArray, total: DoubleArray, n_items: int) -> FloatArray:
    """The same, from the rows' inner products (float64[d, d]) and their sum (float64[d])."""
    mean = total / max(n_items, 1)
    # Taken off in float64: the mean of vectors that point one way is most of their products.
    covariance: FloatArray = (products / max(n_items, 1) - np.outer(mean, mean)).astype(np.float32)
    return covariance


def deviation_along(covariance: FloatArray, vector: FloatArray) -> float:
    """Standard deviation of the products of a vector (float32[d]) with all items' vectors.

    >>> vectors = np.array([[1, 0], [0, 1], [0, 3]], dtype=np.float32)
    >>> asked = np.array([2, 1], dtype=np.float32)
    >>> round(deviation_along(covariance_of(vectors), asked), 4), round(float((vectors @ asked).std()), 4)
    (0.8165, 0.8165)
    """
    exact = vector.astype(np.float64)
    # Rounding puts the variance of products that are all alike slightly under zero.
    variance = float(exact @ covariance.astype(np.float64) @ exact)
    return float(np.sqrt(max(variance, 0.0)))
