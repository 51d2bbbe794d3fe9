"""Percentiles among all or within groups, and how they are kept while a few of the values change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.types import Doubles, Groups, Mask

T = TypeVar("T", bound=np.generic)

_MOVED_ONE_BY_ONE = 8
"""Changed values up to which each is moved past the others by itself; with more, their groups are sorted."""
NO_GROUP = -1
"""Group of what is ranked among nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Percentiles:
    """Values in groups, and where each stands in its own."""

    values: Doubles
    """float64[n]"""
    groups: Groups
    """int32[n], 0 and up, or NO_GROUP."""
    places: Doubles
    """float64[n], place of each value in its group, the lowest at 0; equal values share their mean place."""

    @classmethod
    def of(cls, values: Doubles, groups: Groups, before: Percentiles | None = None) -> Percentiles:
        """Percentiles of these values.

        A group that has not changed since `before` is not sorted anew, nor is any where few values have.

        Args:
            values: float64[n], finite where there is a group.
            groups: int32[n].
            before: of the same rows, save that there may be more of them now.
        """
        if before is None:
            return cls(
                values, groups, _sorted_places(values, groups, groups != NO_GROUP, np.zeros(len(values)))
            )
        old_values = extended(before.values, len(values), np.nan)
        old_groups = extended(before.groups, len(values), NO_GROUP)
        moved = old_groups != groups
        differ = np.flatnonzero(moved | ((old_values != values) & (groups != NO_GROUP)))
        places = extended(before.places, len(values), 0.0)
        if len(differ) <= _MOVED_ONE_BY_ONE:
            for row in differ.tolist():
                _move(places, old_values, old_groups, row, (values[row], groups[row]))
            return cls(values, groups, places)
        touched = np.zeros(int(max(groups.max(), old_groups.max())) + 2, dtype=np.bool_)
        touched[old_groups[differ]] = touched[groups[differ]] = True
        touched[NO_GROUP] = False  # the last one, which no group has
        places[moved] = 0.0
        return cls(values, groups, _sorted_places(values, groups, touched[groups], places))

    def ranks(self) -> Doubles:
        """float64[n], the percentile of each in its group, 0..1; 0 for what is in none."""
        grouped = self.groups != NO_GROUP
        last = np.bincount(self.groups[grouped], minlength=1)[self.groups] - 1
        # One value alone stands in the middle.
        ranks = np.where(last > 0, self.places / np.maximum(last, 1), 0.5)
        ranks[~grouped] = 0.0
        return ranks


def _move(places: Doubles, values: Doubles, groups: Groups, row: int, new: tuple[float, int]) -> None:
    """Give one row another value and group, and let the others of both groups move up and down, in place."""
    value, group = new
    if groups[row] != NO_GROUP:
        others = groups == groups[row]
        places -= others & (values > values[row])
        places -= 0.5 * (others & (values == values[row]))
    groups[row] = NO_GROUP
    places[row] = 0.0
    values[row] = value
    if group != NO_GROUP:
        others = groups == group
        equal = others & (values == value)
        places += others & (values > value)
        places += 0.5 * equal
        places[row] = np.count_nonzero(others & (values < value)) + np.count_nonzero(equal) / 2
        groups[row] = group


def _sorted_places(values: Doubles, groups: Groups, wanted: Mask, places: Doubles) -> Doubles:
    """`places` with those of the wanted rows (bool[n], whole groups) found by a sort."""
    rows = np.flatnonzero(wanted)
    if len(rows):
        places[rows] = ranks_within(values[rows], groups[rows])[0]
    return places


def extended(array: NDArray[T], length: int, fill: float) -> NDArray[T]:
    """A copy of the given length, with `fill` for what has come."""
    more = np.full(length - len(array), fill, dtype=array.dtype)
    return np.concatenate([array, more])


def ranks_within(values: Doubles, groups: Groups) -> tuple[Doubles, NDArray[np.int64]]:
    """Place of each value in its group from the lowest, 0; equal values share their mean place. And the sizes
    of the groups: float64[n], int64[n]. There is at least one value."""
    order = _by_group_and_value(values, groups)
    ordered, grouped = values[order], groups[order]
    first = np.diff(grouped, prepend=grouped[0] - 1) != 0
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=len(order))
    # Positions of the first of each run of equal values within a group.
    runs = np.flatnonzero(first | (np.diff(ordered, prepend=np.nan) != 0))
    repeats = np.diff(runs, append=len(order))
    places, sizes = np.empty(len(values)), np.empty(len(values), dtype=np.int64)
    places[order] = np.repeat(runs + (repeats - 1) / 2, repeats) - np.repeat(starts, lengths)
    sizes[order] = np.repeat(lengths, lengths)
    return places, sizes


def _by_group_and_value(values: Doubles, groups: Groups) -> NDArray[np.int64]:
    """The order by group, then value; equals in any order, which numpy sorts several times faster."""
    order = np.argsort(values)
    highest = int(groups.max())
    if highest:
        small = np.uint16 if highest < 2**16 else np.int32  # 16 bits are sorted by counting
        order = order[np.argsort(groups[order].astype(small), kind="stable")]
    return order
