"""Percentiles that follow changes are those that a sort of everything gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.catalogue import percentiles
from serving.catalogue.percentiles import NO_GROUP, Percentiles

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 1.5, 7.0]), st.sampled_from([NO_GROUP, 0, 1, 5])), max_size=9
)


def plain(rows: list[tuple[float, int]]) -> list[float]:
    """Each value's percentile in its group, one by one."""
    found = []
    for value, group in rows:
        others = [each for each, own in rows if own == group]
        below, equal = sum(each < value for each in others), sum(each == value for each in others)
        mean_place = below + (equal - 1) / 2
        found.append(0.0 if group == NO_GROUP else mean_place / (len(others) - 1) if len(others) > 1 else 0.5)
    return found


@given(st.lists(ROWS, min_size=1, max_size=5), st.sampled_from([0, 1, 8]))
def test_percentiles_follow_changes(days: list[list[tuple[float, int]]], few: int) -> None:
    kept: Percentiles | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentiles, "_FEW", few)
        for rows in sorted(days, key=len):  # there may be more of them the next day
            values = np.array([value if group != NO_GROUP else np.nan for value, group in rows])
            groups = np.array([group for _, group in rows], dtype=np.int32)
            kept = Percentiles.of(values, groups, kept)
            assert kept.ranks().tolist() == pytest.approx(plain(rows))
            assert np.array_equal(kept.ranks(), Percentiles.of(values, groups).ranks())
