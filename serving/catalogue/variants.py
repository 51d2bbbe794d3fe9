"""Which items are variants of one another: sizes and colours of one thing."""

from collections import Counter

import numpy as np

from database.items import VARIANT_OF
from serving.types import Identities, Item, Rows


def parent_of(item: Item) -> str | None:
    """What the item says that it is a variant of."""
    named = item.attributes.get(VARIANT_OF)
    return None if named in (None, "", False) or isinstance(named, list | tuple) else str(named)


def title_key(item: Item) -> str | None:
    """What items of one title and kind have in common, whatever the case and blanks; None without a title."""
    return f"{item.kind}\x1f{' '.join(item.title.casefold().split())}" if item.title else None


class Parents:
    """How many live items name each parent: an item that is named is a variant of its own, too."""

    def __init__(self) -> None:
        self._children: Counter[str] = Counter()

    def group_of(self, item: Item) -> str:
        """What stands for an item and its variants: no item's id begins with the marks of the two others."""
        parent = parent_of(item)
        if parent is None and item.item_id in self._children:
            parent = item.item_id
        return f"\x1e{parent}" if parent is not None else title_key(item) or item.item_id

    def add(self, item: Item) -> str | None:
        """Count an item in; the id of its parent if no other item had named that one."""
        parent = parent_of(item)
        if parent is None:
            return None
        self._children[parent] += 1
        return parent if self._children[parent] == 1 else None

    def remove(self, item: Item) -> str | None:
        """Count an item out; the id of its parent if no item names that one any more."""
        parent = parent_of(item)
        if parent is None:
            return None
        self._children[parent] -= 1
        if self._children[parent]:
            return None
        del self._children[parent]
        return parent


_REGROUPED = 1000
"""Rows of another group than at the last sort that are looked through, and one of 64 of all beside them."""


class Groups:
    """Which rows are of a group: sorted once, and rows that changed since are looked through.

    To sort a million takes a tenth of a second, which no list should wait for after each change.
    """

    def __init__(self) -> None:
        self._ordered: Identities | None = None
        self._order: Rows = np.zeros(0, dtype=np.int32)
        self._changed: list[int] = []

    def changed(self, row: int) -> None:
        """Note that a row is of another group now, or new."""
        if self._ordered is not None:
            self._changed.append(row)
            if len(self._changed) > _REGROUPED + len(self._order) // 64:
                self._ordered, self._changed = None, []

    def rows(self, groups: Identities, wanted: Identities) -> Rows:
        """Rows of the wanted groups, int32[m], in no order, each at least once.

        Args:
            groups: uint64[n_rows], the group of each row now.
            wanted: uint64[k]
        """
        if self._ordered is None:
            self._order = np.argsort(groups).astype(np.int32)
            self._ordered = groups[self._order]
        first = np.searchsorted(self._ordered, wanted, side="left")
        lengths = np.searchsorted(self._ordered, wanted, side="right") - first
        # Positions first[0], first[0] + 1, ..., first[1], ...: those of each group after another.
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        rows = np.concatenate(
            [self._order[np.repeat(first, lengths) + within], np.array(self._changed, dtype=np.int32)]
        )
        found: Rows = rows[np.isin(groups[rows], wanted)]
        return found
