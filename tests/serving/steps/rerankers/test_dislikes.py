"""What a user dislikes pushes down what is like it."""

import numpy as np
import pytest

from serving.steps.rerankers.dislikes import penalised


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_dislikes_push_down_what_is_near_and_nothing_else() -> None:
    vectors = np.eye(3, dtype=np.float32)
    pushed = penalised(floats(1.0, 0.9, 0.8), vectors, vectors[:1], 0.5)
    assert pushed == pytest.approx([0.5, 0.9, 0.8])
    assert penalised(floats(1.0), vectors[:1], vectors[:0], 0.5).tolist() == [1.0]
