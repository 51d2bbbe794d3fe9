"""Maximal marginal relevance."""

import numpy as np

from serving.steps.rerankers.diversity import mmr


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_mmr_avoids_a_repeat_and_keeps_the_order_when_told_to() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = floats(1.0, 0.99, 0.7)
    assert mmr(scores, vectors, 2, 0.5).tolist() == [0, 2]
    assert mmr(scores, vectors, 2, 1.0).tolist() == [0, 1]
    assert mmr(scores[:0], vectors[:0], 2, 0.5).tolist() == []
