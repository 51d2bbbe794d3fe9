"""All live items of the catalogue in memory: objects to show, and columns to rank by."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from itertools import islice, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.catalogue.fields import FieldColumns
from serving.catalogue.id_order import IdOrder
from serving.catalogue.variants import Groups, Parents
from serving.types import KINDS, Identities, Item, Kinds, Mask, Rows

_KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}
_COLUMNS: dict[str, tuple[str, float]] = {
    "kind": ("int8", -1),
    "category": ("int32", -1),
    "alive": ("bool", False),
    "titled": ("bool", False),
    "hidden": ("bool", False),
    "available": ("bool", False),
    "publish_at": ("float64", -np.inf),
    "expire_at": ("float64", np.inf),
    "listed": ("bool", False),
    "price": ("float64", np.nan),
    "discount": ("float32", np.nan),
    "rating": ("float32", np.nan),
    "rating_count": ("int64", 0),
    "change_seq": ("int64", 0),
    "changed": ("int64", 0),
    "identity": ("uint64", 0),
    "variants": ("uint64", 0),
}
_NOT_COUNTED = frozenset({"change_seq", "changed", "variants"})
"""Columns from which no ranking is made: when an item changed, and what it is a variant of."""
_LATEST = 256
"""Changes whose rows are known."""
_NO_ROW = -1


def identity_of(item_id: str) -> int:
    """64 bits that stand for an item on every worker: ties are broken, and random keys drawn, by them."""
    return int.from_bytes(blake2b(item_id.encode(errors="surrogatepass"), digest_size=8).digest())


def _same(old: Any, new: Any) -> bool:
    """Whether two values of a column are equal; unknown (NaN) is the same as unknown."""
    return bool(old == new or (np.isnan(old) and np.isnan(new)))


class Catalogue:
    """Items by id and by row.

    An item keeps its row while it is edited, and when it is deleted until `give_back`. Columns are arrays of
    n_rows entries: `kind` int8 (position in KINDS), `category` int32 (code, -1 unknown), `alive`, `titled`,
    `hidden` and `available` bool, `publish_at` and `expire_at` float64 (seconds since 1970, or infinite),
    `listed` bool (alive and not withdrawn, see `at`), `price` float64 (NaN unknown), `discount`, `rating`
    float32 (NaN unknown), `rating_count` int64, `change_seq` int64 (the sequence number of the item's last
    change), `changed` int64 (the `columns_revision` of its last change), `identity` uint64 (a hash of the
    item's id: rows differ between workers, this does not), `variants` uint64 (a hash that an item has
    in common with its variants alone).
    """

    def __init__(self) -> None:
        self._columns = {name: np.full(1024, fill, dtype=kind) for name, (kind, fill) in _COLUMNS.items()}
        self._items: list[Item | None] = []
        self._ids: list[str] = []
        self._free: list[int] = []
        self._rows: dict[str, int] = {}
        self._id_order = IdOrder()
        self.fields = FieldColumns()
        """What requests' filters ask for."""
        self._articles: dict[int, int] = {}
        self._categories: list[str] = []
        self._category_codes: dict[str, int] = {}
        self._parents = Parents()
        self._now = -np.inf
        self._next_change = -np.inf
        self._together: tuple[int, Rows] | None = None
        self._listed: dict[Kinds, Mask] = {}
        self._listed_at = -1
        self._groups = Groups()
        self._latest: deque[int] = deque(maxlen=_LATEST)
        """The row of each of the latest changes."""
        self.given_back = 0
        """Counts the times that rows of deleted items were given to new ones: rows from before it may lie."""
        self.reserved = 0
        """Counts the rows that were given to items: the `identity` of an item changes with it alone."""
        self.n_live = 0
        """Live items."""
        self.revision = 0
        """Counts the changes: what is derived from the items is good while this stays."""
        self.columns_revision = 0
        """Counts the changes of the columns that rankings are made of: an edit of a text alone is none."""

    @property
    def n_rows(self) -> int:
        """Rows there are: of live and deleted items, and free ones."""
        return len(self._ids)

    @property
    def ids(self) -> list[str]:
        """Item id of each row (a copy)."""
        return list(self._ids)

    @property
    def categories(self) -> list[str]:
        """Category name of each code."""
        return self._categories

    def id_of(self, row: int) -> str:
        """Item id of a row, live or not."""
        return self._ids[row]

    def rows_by_id(self) -> NDArray[np.int32]:
        """Rows that are not free, of live and of deleted items, in order of item id: int32[<=n_rows].

        Not to be changed.
        """
        return self._id_order.rows()

    def changed_at(self, item_id: str) -> int:
        """Sequence number of an item's last change, or of its deletion; 0 when none is known."""
        row = self._rows.get(item_id)
        return 0 if row is None else int(self._columns["change_seq"][row])

    def changed_since(self, columns_revision: int) -> NDArray[np.int32]:
        """Rows whose columns (`listed` apart) have changed since `columns_revision` was that."""
        return np.flatnonzero(self.column("changed") > columns_revision).astype(np.int32)

    def latest(self, revision: int) -> Rows | None:
        """Rows of which anything has changed since `revision` was that, int32[m], each once; None where there
        have been too many changes to tell."""
        changes = self.revision - revision
        if changes > len(self._latest):
            return None
        rows = set(islice(reversed(self._latest), changes)) - {_NO_ROW}
        return np.array(sorted(rows), dtype=np.int32)

    def column(self, name: str) -> NDArray[Any]:
        """View of one column, n_rows long; good until the next change."""
        return self._columns[name][: self.n_rows]

    def put(self, item: Item, change_seq: int) -> int:
        """Add an item or replace the one of the same id; gives its row."""
        row = self.reserve(item.item_id)
        self._forget_article(row)
        old, self._items[row] = self._items[row], item
        self._regroup(None if old is None else self._parents.remove(old), self._parents.add(item))
        if item.article_id is not None:
            self._articles[item.article_id] = row
        values = {
            "kind": _KIND_CODES[item.kind],
            "category": self._code(item.category),
            "alive": True,
            "titled": bool(item.title),
            "hidden": item.hidden,
            "available": item.available,
            "publish_at": -np.inf if item.publish_at is None else item.publish_at.timestamp(),
            "expire_at": np.inf if item.expire_at is None else item.expire_at.timestamp(),
            "price": np.nan if item.price is None else item.price,
            "discount": np.nan if item.discount_ratio is None else item.discount_ratio,
            "rating": np.nan if item.rating is None else item.rating,
            "rating_count": item.rating_count or 0,
            "change_seq": change_seq,
        }
        before = {name: self._columns[name][row] for name in _COLUMNS}
        self._group(row, identity_of(self._parents.group_of(item)))
        self.n_live += not before["alive"]
        self.fields.put(row, item, fresh=not before["alive"])
        for name, value in values.items():
            self._columns[name][row] = value
        self._columns["listed"][row] = self._is_listed(slice(row, row + 1))[0]
        self._next_change = min(self._next_change, self._changes_after(slice(row, row + 1)))
        if not before["alive"] or any(
            not _same(old, self._columns[name][row])
            for name, old in before.items()
            if name not in _NOT_COUNTED
        ):
            self._count(row)
        else:
            self._note(row)
        return row

    def remove(self, item_id: str, change_seq: int) -> int | None:
        """Take an item out; gives its row, None when it never had one."""
        row = self._rows.get(item_id)
        if row is None:
            return None
        self._forget_article(row)
        old, self._items[row] = self._items[row], None
        self._regroup(None if old is None else self._parents.remove(old))
        self.n_live -= int(self._columns["alive"][row])
        self.fields.clear(row)
        self._columns["alive"][row] = self._columns["listed"][row] = False
        self._columns["change_seq"][row] = change_seq
        self._count(row)
        return row

    def reserve(self, item_id: str) -> int:
        """The row of an id; a new, dead one when it has none yet."""
        row = self._rows.get(item_id)
        if row is not None:
            return row
        if self._free:
            row = self._free.pop()
            self._ids[row] = item_id
        else:
            row = len(self._ids)
            self._ids.append(item_id)
            self._items.append(None)
        self._rows[item_id] = row
        self.reserved += 1
        if row >= len(self._columns["kind"]):
            self._grow()
        self._columns["identity"][row] = identity_of(item_id)
        self._id_order.add(item_id, row)
        self._count(row)
        return row

    def give_back(self, held: Iterable[NDArray[np.int32]]) -> None:
        """Let new items have the rows of deleted ones, but for those that are still held (by bundles)."""
        gone = ~self.column("alive")
        for rows in (*held, np.array(self._free, dtype=np.int32)):
            gone[rows] = False
        if not gone.any():
            return
        self.given_back += 1
        self._together = None
        self._groups = Groups()
        self._id_order.remove(gone)
        for name, (_, fill) in _COLUMNS.items():
            self.column(name)[gone] = fill
        for row in np.flatnonzero(gone)[::-1].tolist():
            del self._rows[self._ids[row]]
            self._ids[row] = ""
            self._free.append(row)
            self._count(row)

    def row(self, item_id: str) -> int:
        """Row of a live item, -1 when there is none."""
        row = self._rows.get(item_id, -1)
        return row if row >= 0 and self._items[row] is not None else -1

    def rows(self, item_ids: Collection[str]) -> Rows:
        """Rows of live items, int32[len(item_ids)], -1 where there is none."""
        known = map(self._rows.get, item_ids, repeat(-1))
        rows = np.fromiter(known, dtype=np.int32, count=len(item_ids))
        live = rows >= 0
        live[live] = self.column("alive")[rows[live]]
        return np.where(live, rows, np.int32(-1))

    def get(self, item_id: str) -> Item | None:
        """The live item of an id."""
        row = self._rows.get(item_id)
        return None if row is None else self._items[row]

    def article(self, article_id: int) -> Item | None:
        """The live article of a number."""
        row = self._articles.get(article_id)
        return None if row is None else self._items[row]

    def item(self, row: int) -> Item:
        """The live item of a row; LookupError when it is dead."""
        item = self._items[row]
        if item is None:
            raise LookupError(f"row {row} holds no live item")
        return item

    def after(
        self, item_id: str | None, limit: int, wanted: Callable[[Item], bool]
    ) -> tuple[list[Item], bool]:
        """Up to `limit` wanted live items in order of id, after one; and whether there may be more."""
        rows = self.rows_by_id()
        place = 0 if item_id is None else bisect_right(rows, item_id, key=lambda row: self._ids[row])
        found: list[Item] = []
        for row in rows[place:].tolist():
            item = self._items[row]
            if item is None or not wanted(item):
                continue
            if len(found) == limit:
                return found, True
            found.append(item)
        return found, False

    def live(self) -> Iterator[tuple[int, Item]]:
        """Rows and items, in row order."""
        return ((row, item) for row, item in enumerate(self._items) if item is not None)

    def category_code(self, category: str) -> int:
        """Code of a category, -2 when no item ever had it."""
        return self._category_codes.get(category, -2)

    def mask(self, kinds: Kinds) -> Mask:
        """bool[n_rows]: live items of these kinds."""
        alive: Mask = self._columns["alive"][: self.n_rows]
        if kinds is None:
            return alive.copy()
        table = np.array([kind in kinds for kind in KINDS] + [False])
        wanted: Mask = alive & table[self._columns["kind"][: self.n_rows]]
        return wanted

    def listed(self, kinds: Kinds) -> Mask:
        """bool[n_rows]: items of these kinds that may be in lists: what is not withdrawn. Not to be changed.

        Items without a title are left out, save where no item has one: a shop that sent interactions alone.
        Kept until a column changes.
        """
        if self._listed_at != self.columns_revision:
            self._listed.clear()
            self._listed_at = self.columns_revision
        if kinds not in self._listed:
            live = self.mask(kinds)
            titled = live & self._columns["titled"][: self.n_rows]
            shown: Mask = titled if titled.any() else live
            shown &= self._columns["listed"][: self.n_rows]
            shown.flags.writeable = False
            self._listed[kinds] = shown
        return self._listed[kinds]

    def variants_of(self, groups: Identities) -> Rows:
        """The rows whose `variants` are among these, int32[m], in no order."""
        return self._groups.rows(self.column("variants"), groups)

    def together(self) -> Rows:
        """The rows whose item is a variant of another row's, int32[m], ascending. Not to be changed.

        Kept until an item comes or its variants change: it takes a sort of the catalogue. A deleted one
        counts as if it were there.
        """
        if self._together is None or self._together[0] != self.n_rows:
            groups = self.column("variants")
            order = np.argsort(groups).astype(np.int32)
            ordered = groups[order]
            same = np.zeros(len(groups) + 1, dtype=np.bool_)
            same[1:-1] = ordered[1:] == ordered[:-1]
            together = np.sort(order[same[1:] | same[:-1]])
            together.flags.writeable = False
            self._together = self.n_rows, together
        return self._together[1]

    def at(self, moment: datetime) -> None:
        """Bring `listed` to a moment: items are published, and expire, without a change of theirs."""
        now = moment.timestamp()
        if not self._now <= now < self._next_change:
            self._now = now
            rows = slice(0, self.n_rows)
            before = self._columns["listed"][rows].copy()
            self._columns["listed"][rows] = self._is_listed(rows)
            self._next_change = self._changes_after(rows)
            if (before != self._columns["listed"][rows]).any():
                self._count()
        self._now = now

    @property
    def next_change(self) -> float:
        """When an item is next published or expires, in seconds; infinite when none will. See `at`."""
        return self._next_change

    def _regroup(self, *parents: str | None) -> None:
        """Bring `variants` of items up to date that others have begun, or ceased, to name as their parent."""
        for item_id in parents:
            item = None if item_id is None else self.get(item_id)
            if item is not None:
                self._group(self._rows[item.item_id], identity_of(self._parents.group_of(item)))

    def _group(self, row: int, variants: int) -> None:
        if self._columns["variants"][row] != variants:
            self._columns["variants"][row] = variants
            self._together = None
            self._groups.changed(row)

    def _count(self, row: int | None = None) -> None:
        """Count a change of the columns, of one row or (None) of `listed` alone."""
        self._note(_NO_ROW if row is None else row)
        self.columns_revision += 1
        if row is not None:
            self._columns["changed"][row] = self.columns_revision

    def _note(self, row: int) -> None:
        """Count a change."""
        self.revision += 1
        self._latest.append(row)

    def _is_listed(self, rows: slice) -> Mask:
        columns = {name: values[rows] for name, values in self._columns.items()}
        published = (columns["publish_at"] <= self._now) & (self._now < columns["expire_at"])
        listed: Mask = columns["alive"] & columns["available"] & ~columns["hidden"] & published
        return listed

    def _changes_after(self, rows: slice) -> float:
        """When the next of these rows is published or expires, in seconds; infinite when none will."""
        moments = np.concatenate([self._columns[name][rows] for name in ("publish_at", "expire_at")])
        return float(moments[moments > self._now].min(initial=np.inf))

    def _code(self, category: str | None) -> int:
        if not category:
            return -1
        if category not in self._category_codes:
            self._category_codes[category] = len(self._categories)
            self._categories.append(category)
        return self._category_codes[category]

    def _forget_article(self, row: int) -> None:
        old = self._items[row]
        if old is not None and old.article_id is not None:
            self._articles.pop(old.article_id, None)

    def _grow(self) -> None:
        for name, (kind, fill) in _COLUMNS.items():
            column = np.full(2 * len(self._columns[name]), fill, dtype=kind)
            column[: len(self._columns[name])] = self._columns[name]
            self._columns[name] = column
