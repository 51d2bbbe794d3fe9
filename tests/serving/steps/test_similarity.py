"""Cosines with the items: exact in a small catalogue, of the nearest and the candidates in a large one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps import context as contexts
from serving.steps.similarity import cosines_to, direction, nearest
from serving.steps.table import EMPTY_COLUMN
from tests.worlds.plain_lists import Plain, alike, said
from tests.worlds.world import changed_params, texts, world


@given(st.integers(0, 60), st.sampled_from([1, 7, 40]))
@settings(max_examples=25)
def test_in_a_large_catalogue_candidates_have_the_cosines_of_a_small_one(seed: int, count: int) -> None:
    made = world(0)
    ((_, vector),) = texts(seed, 1)
    towards = direction(vector)
    asked = made.context()
    allowed = made.index.catalogue.listed(None)
    rows = np.flatnonzero(asked.live)[:: max(1, 60 // count)].astype(np.int32)
    small = cosines_to(asked, towards, allowed)
    assert alike(said(made, small), Plain(made, asked).near(vector))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, "WHOLE_CATALOGUE", 10)
        large = cosines_to(asked, towards, allowed)
        assert np.allclose(large.at(rows, asked.n_rows), small.at(rows, asked.n_rows), atol=1e-6)
        # Whatever else is asked about, a row has the same cosine to the last bit: workers agree on ties.
        assert large.at(rows[-1:], asked.n_rows).tolist() == large.at(rows, asked.n_rows)[-1:].tolist()
        best = nearest(asked, towards, count, allowed)
    if towards is not None:
        assert best.rows is not None and len(best.rows) >= min(count, 1) and allowed[best.rows].all()


def test_nothing_is_near_no_direction() -> None:
    asked = world(0).context()
    assert direction(None) is None
    assert (
        cosines_to(asked, None, asked.live) is EMPTY_COLUMN
        and nearest(asked, None, 5, asked.live) is EMPTY_COLUMN
    )


def test_five_times_as_many_are_brought_as_are_put_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many that filters and other sources leave room: the nearest, and no others."""
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", 0)
    made = world(0, "small")
    asked = made.context(params=changed_params(made.params, "ranking", candidates=10))
    vector = next(iter(made.vectors.values()))
    brought = cosines_to(asked, direction(vector), np.ones(asked.n_rows, dtype=np.bool_))
    assert brought.rows is not None and len(brought.rows) == 50 < len(made.vectors)
    cosines = sorted((float(vector @ other) for other in made.vectors.values()), reverse=True)
    np.testing.assert_allclose(
        sorted(brought.values.tolist(), reverse=True), np.maximum(cosines[:50], 0), atol=1e-5
    )
