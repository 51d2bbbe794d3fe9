"""Maximal marginal relevance."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.rerankers.diversity import diversify, diversify_if_asked, may_be_taken, mmr
from tests.worlds.tables import table_of
from tests.worlds.world import changed_params, world


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_mmr_avoids_a_repeat_and_keeps_the_order_when_told_to() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    scores = floats(1.0, 0.99, 0.7)
    assert mmr(scores, vectors, 2, 0.5).tolist() == [0, 2]
    assert mmr(scores, vectors, 2, 1.0).tolist() == [0, 1]
    assert mmr(scores[:0], vectors[:0], 2, 0.5).tolist() == []


@given(st.integers(0, 20), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.sampled_from([None, 0.0, 0.4, 0.9, 1.0]))
@settings(max_examples=25)
def test_variety_is_as_much_as_the_request_wants_else_the_params(
    seed: int, shipped: float, wanted: float | None
) -> None:
    made = world(0)
    asked = made.context(
        8, params=changed_params(made.params, "ranking", relevance=shipped), diversity=wanted
    )
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(asked.live))[:30].tolist()
    table = replace(table_of({"als": [0.0] * 30}, rows=rows), score=np.linspace(1, 0.5, 30, dtype=np.float32))
    relevance = shipped if wanted is None else 1 - wanted
    places = mmr(table.score, asked.index.vectors.gather(table.rows), 8, relevance)
    assert diversify(asked, table).rows.tolist() == table.rows[places].tolist()
    again = diversify_if_asked(asked, table)
    assert again is table if wanted is None else again.rows.tolist() == table.rows[places].tolist()


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40),
    st.integers(0, 12),
    st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.97, 1.0]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_who_cannot_be_taken_need_not_be_looked_at(
    scores: list[float], k: int, relevance: float, seed: int, axes: bool
) -> None:
    random = np.random.default_rng(seed)
    own = np.sort(floats(*scores))[::-1]
    if axes:  # many copies, and cosines of -1, 0 and 1
        vectors = np.eye(3, dtype=np.float32)[random.integers(0, 3, len(own))]
        vectors *= random.choice([-1, 0, 1], (len(own), 1)).astype(np.float32)
    else:
        vectors = random.normal(size=(len(own), 5)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = may_be_taken(own, k, relevance)
    assert min(k, len(own)) <= first <= len(own)
    wanted = mmr(own, vectors, k, relevance).tolist()
    assert mmr(own[:first], vectors[:first], k, relevance).tolist() == wanted


def test_of_the_best_by_far_few_are_looked_at() -> None:
    assert may_be_taken(np.linspace(1, 0, 200, dtype=np.float32), 20, 0.9) == 42
