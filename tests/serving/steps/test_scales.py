"""What a blend divides by."""

from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue.catalogue import Catalogue
from serving.steps import context as contexts
from serving.steps.context import Context
from serving.steps.scales import scale_of_column
from tests.worlds.world import world
from training.models.blend import LEAST_SPREAD, normalise


@pytest.fixture
def asked() -> Context:
    return world(0).context()


def test_in_a_small_catalogue_it_is_the_deviation_over_the_live_items(asked: Context) -> None:
    random = np.random.default_rng(0)
    rows = random.permutation(asked.n_rows)[:60].astype(np.int32)
    values = random.normal(size=60).astype(np.float32)
    dense = np.zeros(asked.n_rows, dtype=np.float32)
    dense[rows] = values
    wanted = float(dense[asked.live].std())
    for found in (
        scale_of_column(asked, values, rows),
        scale_of_column(asked, dense, None),
        # What the bundle tells is not needed where every item is looked at.
        scale_of_column(asked, values, rows, deviation=9.0),
    ):
        assert found == pytest.approx(wanted, rel=1e-5)


def test_in_a_large_one_it_is_what_the_bundle_tells(asked: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", 10)
    best, rows = np.array([0.5, 4.0], dtype=np.float32), np.array([3, 1], dtype=np.int32)
    assert scale_of_column(asked, best, rows, deviation=0.25) == 0.25
    # Scores that hardly differ are not blown up, as in evaluation.
    assert scale_of_column(asked, best, rows, deviation=1e-9) == pytest.approx(4 * LEAST_SPREAD)
    assert scale_of_column(asked, best[:0], rows[:0], deviation=0.0) == 1.0


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5, -0.5]), max_size=12))
def test_of_neighbours_it_is_the_same_in_a_large_one(values: list[float]) -> None:
    asked = world(0).context()
    scores = np.array(values, dtype=np.float32)
    rows = np.flatnonzero(asked.live)[: len(values)].astype(np.int32)
    dense = np.zeros(int(asked.live.sum()), dtype=np.float32)
    dense[: len(values)] = scores
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contexts, "WHOLE_CATALOGUE", 10)
        found = scale_of_column(asked, scores, rows)
    assert dense / np.float32(found) == pytest.approx(normalise(dense), rel=1e-4)


@given(st.lists(st.floats(-5, 5, width=32), min_size=150, max_size=150), st.integers(0, 150))
def test_where_every_row_holds_an_item_it_is_the_same_as_by_a_look_at_which_do(
    values: list[float], count: int
) -> None:
    made = world(0)
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    catalogue = Catalogue()
    for number, row in enumerate(live.tolist()):
        catalogue.put(made.index.catalogue.item(row), number)
    whole = replace(made.context(), index=Mock(catalogue=catalogue))
    scores = np.array(values, dtype=np.float32)[: min(count, len(live))]
    assert whole.n_rows == catalogue.n_live >= len(scores)
    asked = scale_of_column(made.context(), scores, live[: len(scores)])
    assert scale_of_column(whole, scores, np.arange(len(scores), dtype=np.int32)) == asked
