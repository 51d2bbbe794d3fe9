"""Vector search over all live items: the bundle's FAISS index, corrected by an overlay, merged exactly."""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.steps.scores import kth_largest
from serving.types import Mask, Rows, Vector
from training.models.core.products import products, products_at
from training.models.core.vector_index import RERANKED

EXACT_BELOW = 20_000
"""Allowed vectors up to which all are compared: an inverted list may hold none of a few among many."""

_MOST_COMPARED = 1000
"""Vectors that are compared for hundreds of nearest; twice as many as are asked for, where that is more."""

_MORE = 3
"""Where one of so many rows is allowed, at least, so many times as many are looked for among all, in so many
times as many lists."""

_ENOUGH = 0.75
"""Share of them that must be allowed in a search of all vectors, so that there are still some to spare."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class VectorBase:
    """A bundle's vectors, by the bundle's item indexes."""

    vectors: NDArray[np.float32]
    """float32[n, d], memory-mapped, normalised; a row of zeros is an item without a vector."""
    index: Any
    """Their FAISS index (inner product), whose ids are those indexes."""
    rows: Rows
    """int32[n], the catalogue row of each."""
    present: Mask
    """bool[n], which have a vector."""


class VectorIndex:
    """Vectors by catalogue row.

    A row's vector is the overlay's if it has one there, else the base's unless that is masked (the item
    was edited since). `dimension` is that of all vectors; a vector of another is refused (ValueError).
    """

    def __init__(self, dimension: int, base: VectorBase | None = None) -> None:
        self.dimension = dimension
        self._base = base if base is not None and len(base.rows) else None
        self._overlay = np.zeros((256, dimension), dtype=np.float32)
        self._overlay_rows = np.zeros(256, dtype=np.int32)
        self._slots: dict[int, int] = {}
        self._base_places = _inverse(np.zeros(0, np.int32) if self._base is None else self._base.rows)
        self._base_valid: Mask = np.zeros(0, np.bool_) if self._base is None else self._base.present.copy()

    def __len__(self) -> int:
        return int(self._base_valid.sum()) + len(self._slots)

    def count(self, allowed: Mask) -> int:
        """How many of the allowed rows (bool[n_rows] over catalogue rows) have a vector."""
        base = 0 if self._base is None else int((self._base_valid & allowed[self._base.rows]).sum())
        return base + int(allowed[self._overlay_rows[: len(self._slots)]].sum())

    def held(self, n_rows: int) -> Mask:
        """bool[n_rows], which of the catalogue's rows have a vector."""
        held: Mask = np.zeros(n_rows, dtype=np.bool_)
        if self._base is not None:
            held[self._base.rows[self._base_valid]] = True
        held[self._overlay_rows[: len(self._slots)]] = True
        return held

    @property
    def overlaid(self) -> int:
        """How many vectors are in the overlay."""
        return len(self._slots)

    def put(self, row: int, vector: Vector) -> None:
        """Set a row's vector (float32[d], normalised), over what it had. Raises ValueError for another d."""
        if vector.shape != (self.dimension,):
            raise ValueError(f"a vector of {vector.shape} in an index of dimension {self.dimension}")
        self._mask_base(row)
        slot = self._slots.get(row)
        if slot is None:
            slot = len(self._slots)
            if slot == len(self._overlay):
                self._overlay = np.concatenate([self._overlay, np.zeros_like(self._overlay)])
                self._overlay_rows = np.concatenate([self._overlay_rows, np.zeros_like(self._overlay_rows)])
            self._slots[row] = slot
            self._overlay_rows[slot] = row
        self._overlay[slot] = vector

    def remove(self, row: int) -> None:
        """Drop a row's vector, if it has one."""
        self._mask_base(row)
        slot = self._slots.pop(row, None)
        if slot is None:
            return
        last = len(self._slots)  # the slots stay dense: the last one moves into the gap
        if slot != last:
            moved = int(self._overlay_rows[last])
            self._overlay[slot] = self._overlay[last]
            self._overlay_rows[slot] = moved
            self._slots[moved] = slot

    def get(self, row: int) -> Vector | None:
        """A row's vector, float32[d]; None when it has none."""
        slot = self._slots.get(row)
        if slot is not None:
            kept: Vector = self._overlay[slot].copy()
            return kept
        place = self._place(row)
        if self._base is None or place < 0 or not self._base_valid[place]:
            return None
        vector: Vector = np.array(self._base.vectors[place], dtype=np.float32)
        return vector

    def gather(self, rows: Rows) -> NDArray[np.float32]:
        """float32[len(rows), d]; zeros where a row has no vector."""
        places = self._places(rows)
        valid = places >= 0
        found: NDArray[np.float32]
        if self._base is not None and valid.all():
            # The rule, of thousands of candidates: one copy rather than two.
            found = np.take(self._base.vectors, places, axis=0).astype(np.float32, copy=False)
        else:
            found = np.zeros((len(rows), self.dimension), dtype=np.float32)
            if self._base is not None:
                found[valid] = self._base.vectors[places[valid]]
        if self._slots:
            for place, row in enumerate(rows.tolist()):
                if row in self._slots:
                    found[place] = self._overlay[self._slots[row]]
        return found

    def cosines(self, query: Vector, n_rows: int) -> NDArray[np.float32]:
        """Cosine of every row, float32[n_rows]; 0 where there is no vector."""
        found = np.zeros(n_rows, dtype=np.float32)
        if self._base is not None:
            # Edited rows get 0: a product over all is quicker than a copy of the others.
            found[self._base.rows] = products(self._base.vectors, query) * self._base_valid
        count = len(self._slots)
        found[self._overlay_rows[:count]] = products_at(self._overlay, np.arange(count), query)
        return found

    def cosines_of(self, query: Vector, rows: Rows) -> NDArray[np.float32]:
        """Cosine of these rows, float32[len(rows)]; 0 where there is no vector.

        A row's does not depend on which others are asked about.
        """
        found = np.zeros(len(rows), dtype=np.float32)
        if self._base is not None:
            places = self._places(rows)
            valid = places >= 0
            found[valid] = products_at(self._base.vectors, places[valid], query)
        if self._slots:
            own = [place for place, row in enumerate(rows.tolist()) if row in self._slots]
            slots = np.array([self._slots[row] for row in rows[own].tolist()], dtype=np.int64)
            found[own] = products_at(self._overlay, slots, query)
        return found

    def search(self, query: Vector, k: int, allowed: Mask) -> tuple[Rows, NDArray[np.float32]]:
        """The k nearest allowed rows: rows int32[m], cosines float32[m], best first.

        m may be less than k, and more where others are as near as the last: who asks decides between them by
        what is the same on every worker. `allowed` is bool[n_rows] over catalogue rows.
        """
        parts = [self._search_base(query, k, allowed), self._search_overlay(query, k, allowed)]
        rows = np.concatenate([part[0] for part in parts])
        cosines = np.concatenate([part[1] for part in parts])
        best = _nearest(cosines, k)
        order = best[np.argsort(-cosines[best], kind="stable")]
        return rows[order], cosines[order]

    def _search_base(self, query: Vector, k: int, allowed: Mask) -> tuple[Rows, NDArray[np.float32]]:
        if self._base is None:
            return _nothing()
        places = self._search_unfiltered(self._base, query, k, allowed)
        if places is None:
            places = self._search_filtered(self._base, query, k, allowed)
        cosines = products_at(self._base.vectors, places, query)
        best = _nearest(cosines, k)
        return self._base.rows[places[best]], cosines[best]

    def _search_unfiltered(self, base: VectorBase, query: Vector, k: int, allowed: Mask) -> Places | None:
        """Places of candidates for the k nearest; None where too few of the nearest of all are allowed.

        Most lists allow nearly everything: a mask over all vectors would take longer than the search.
        """
        wanted, count = _compared(k), int(np.count_nonzero(allowed))
        # An exact index compares all of them anyway.
        if not hasattr(base.index, "nprobe") or count < _ENOUGH * wanted:
            return None
        among = len(allowed) if len(allowed) <= _MORE * count else count
        faiss: Any = importlib.import_module("faiss")  # its type stubs describe an older interface
        parameters = faiss.SearchParametersIVF(nprobe=_probes(base.index, among, count))
        asked = wanted * among // count
        nearest: Places = base.index.search(query.reshape(1, -1), asked, params=parameters)[1][0]
        nearest = nearest[nearest >= 0]
        kept = nearest[self._base_valid[nearest] & allowed[base.rows[nearest]]][:wanted]
        return kept if len(kept) >= _ENOUGH * wanted else None

    def _search_filtered(self, base: VectorBase, query: Vector, k: int, allowed: Mask) -> Places:
        """Places of candidates for the k nearest among the allowed vectors, int64[m]."""
        places = self._base_places[np.flatnonzero(allowed[: len(self._base_places)])].astype(np.int64)
        places = places[places >= 0]
        places = places[self._base_valid[places]]
        count = min(k, len(places))
        if len(places) > EXACT_BELOW:
            valid = np.zeros(len(base.rows), dtype=np.bool_)
            valid[places] = True
            parameters = _parameters(base.index, valid, len(places))
            nearest = base.index.search(query.reshape(1, -1), _compared(count), params=parameters)[1][0]
            if (nearest[:count] >= 0).all():  # else the lists that were read held too few
                places = nearest[nearest >= 0]
        return places

    def _search_overlay(self, query: Vector, k: int, allowed: Mask) -> tuple[Rows, NDArray[np.float32]]:
        count = len(self._slots)
        if count == 0:
            return _nothing()
        rows = self._overlay_rows[:count]
        places = np.flatnonzero(allowed[rows])
        cosines = products_at(self._overlay, places, query)
        best = _nearest(cosines, k)
        return rows[places[best]], cosines[best]

    def _mask_base(self, row: int) -> None:
        place = self._place(row)
        if place >= 0:
            self._base_valid[place] = False

    def _places(self, rows: Rows) -> Rows:
        """The base's place of each row, -1 where it has no vector of it that holds."""
        if self._base is None:
            return np.full(len(rows), -1, dtype=np.int32)
        known = rows < len(self._base_places)
        places = np.where(known, self._base_places[np.where(known, rows, 0)], np.int32(-1))
        holds = (places >= 0) & self._base_valid[np.maximum(places, 0)]
        return np.where(holds, places, np.int32(-1))

    def _place(self, row: int) -> int:
        return int(self._base_places[row]) if row < len(self._base_places) else -1


def _compared(k: int) -> int:
    """How many of the nearest by their codes are compared for the k nearest.

    Of a thousand that are asked for, the last hundreds leave room for other sources. Those of the first two
    hundred are all among the first 1,200 by codes, or in lists that are not read.
    """
    return max(min(RERANKED * k, _MOST_COMPARED), 2 * k)


def _nearest(cosines: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Places of the k highest cosines and of those that equal the last of them, int64[m]."""
    if k <= 0 or k >= len(cosines):
        return np.arange(len(cosines) if k > 0 else 0)
    # Ties with the k-th are kept, so that who asks can break them.
    return np.flatnonzero(cosines >= kth_largest(cosines, k))


def _inverse(rows: Rows) -> Rows:
    """Position of each row in `rows`, -1 where it has none: int32[max(rows) + 1], at least one long."""
    places = np.full(int(rows.max(initial=0)) + 1, -1, dtype=np.int32)
    places[rows] = np.arange(len(rows), dtype=np.int32)
    return places


def _parameters(index: Any, valid: Mask, count: int) -> Any:
    """FAISS search parameters that let only the `count` valid places through, for the index's own kind.

    The fewer are let through, the more inverted lists are read. Half as many would miss some of the first ten
    where it is a category that is let through, and the query is of another.
    """
    faiss: Any = importlib.import_module("faiss")  # its type stubs describe an older interface
    # FAISS tests bit i & 7 of byte i >> 3: the lowest bit first.
    selector = faiss.IDSelectorBitmap(np.packbits(valid, bitorder="little"))
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(sel=selector, nprobe=_probes(index, len(valid), count))
    return faiss.SearchParameters(sel=selector)


def _probes(index: Any, among: int, count: int) -> int:
    """Inverted lists to read where `count` of `among` vectors are allowed: as many of these are compared."""
    return int(min(index.nlist, -(-index.nprobe * among // count)))  # rounded up


def _nothing() -> tuple[Rows, NDArray[np.float32]]:
    return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
