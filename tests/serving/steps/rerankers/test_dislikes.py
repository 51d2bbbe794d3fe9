"""What a user dislikes pushes down what is like it."""

from dataclasses import replace

import numpy as np
import pytest

from serving.steps.rerankers.dislikes import penalise_disliked, penalised
from tests.worlds.tables import table_of
from tests.worlds.world import user, world


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_dislikes_push_down_what_is_near_and_nothing_else() -> None:
    vectors = np.eye(3, dtype=np.float32)
    pushed = penalised(floats(1.0, 0.9, 0.8), vectors, vectors[:1], 0.5)
    assert pushed == pytest.approx([0.5, 0.9, 0.8])
    assert penalised(floats(1.0), vectors[:1], vectors[:0], 0.5).tolist() == [1.0]


def test_the_penalty_is_a_step_of_its_own_and_the_order_is_that_of_what_is_left() -> None:
    made = world(0, "small")
    seen = made.context(user=user(made, 3, events=20))
    rows = np.flatnonzero(made.index.catalogue.column("alive"))[:50].astype(np.int32)
    asked = replace(seen, user=replace(seen.user, history=replace(seen.history, disliked=rows[:2])))
    scores = np.linspace(1, 0.5, len(rows), dtype=np.float32)
    before = replace(table_of({"als": scores.tolist()}, rows=rows.tolist()), score=scores)
    found = penalise_disliked(asked, before)
    own = dict(zip(before.rows.tolist(), scores.tolist(), strict=True))
    assert sorted(found.rows.tolist()) == sorted(rows.tolist())
    assert found.steps["dislikes"] == pytest.approx(
        [score - own[row] for row, score in zip(found.rows.tolist(), found.score.tolist(), strict=True)]
    )
    assert found.steps["dislikes"].min() < 0
    assert found.score.tolist() == sorted(found.score.tolist(), reverse=True)
