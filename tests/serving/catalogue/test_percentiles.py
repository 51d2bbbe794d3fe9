"""Percentiles that follow changes are those that a sort of everything gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import percentiles
from serving.catalogue.percentiles import NO_GROUP, Percentiles
from tests.serving.catalogue.plain import plain_percentiles

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 1.5, 7.0]), st.sampled_from([NO_GROUP, 0, 1, 5])), max_size=9
)


def test_percentiles_share_ranks_among_equals() -> None:
    assert Percentiles.of(np.array([5.0, 1.0, 5.0]), np.zeros(3, dtype=np.int32)).ranks().tolist() == [
        0.75,
        0.0,
        0.75,
    ]


@given(st.lists(ROWS, min_size=1, max_size=5), st.sampled_from([0, 1, 8]))
def test_percentiles_follow_changes(days: list[list[tuple[float, int]]], few: int) -> None:
    kept: Percentiles | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles, "_MOVED_ONE_BY_ONE", few)
        for rows in sorted(days, key=len):  # there may be more of them the next day
            values = np.array([value if group != NO_GROUP else np.nan for value, group in rows])
            groups = np.array([group for _, group in rows], dtype=np.int32)
            kept = Percentiles.of(values, groups, kept)
            assert kept.ranks().tolist() == pytest.approx(plain_percentiles(values.tolist(), groups.tolist()))
            assert np.array_equal(kept.ranks(), Percentiles.of(values, groups).ranks())


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 2**16, 2**16 + 1])), min_size=1))
def test_groups_are_kept_apart_however_many_there_are(rows: list[tuple[int, int]]) -> None:
    """Sixteen bits are not enough for the categories of every shop."""
    values = np.array([value for value, _ in rows], dtype=np.float64)
    groups = np.array([group for _, group in rows], dtype=np.int32)
    wanted = plain_percentiles(values.tolist(), groups.tolist())
    assert Percentiles.of(values, groups).ranks().tolist() == pytest.approx(wanted)
