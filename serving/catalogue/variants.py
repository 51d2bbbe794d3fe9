"""Which items are variants of one another: sizes and colours of one thing."""

from collections import Counter

from database.items import VARIANT_OF
from serving.types import Item


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
