"""A snapshot as arrays, kept as files between the stage that makes them and those that learn from them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from training.models.core.data import EVENT_COLUMNS, Catalogue, Events, TrainingData, net_strengths
from training.models.core.types import BoolArray, Csr, FloatArray, IntArray, LongArray
from training.models.core.vocabulary import Vocabulary

BASKET_COLUMNS = ("basket_item", "basket_row", "basket_time", "basket_event")
"""Arrays of the baskets' lines; the names of their files."""


@dataclass(frozen=True)
class Prepared:
    """A snapshot as arrays, over all of its time."""

    items: Vocabulary
    users: Vocabulary
    events: Events
    """Known users' events with known items, in order of time; weights are signed."""
    basket_item: IntArray
    """Item of each line of a basket, int32[l]."""
    basket_row: IntArray
    """Basket of each line, int32[l]; baskets are numbered in order of their first line."""
    basket_time: LongArray
    """Seconds since 1970 of each line, int64[l]."""
    basket_event: IntArray
    """Event of each line, int32[l]: its place in `events`; -1 in a basket of nobody known."""
    catalogue: Catalogue
    vectors: FloatArray
    """float32[n_items, d], L2-normalised; a zero row is an item without a text."""
    anonymous: Events = field(default_factory=Events.empty)
    """Events of nobody known with known items, in order of time; `user` is -1."""

    def training_data(self, events: BoolArray | None = None, before: int | None = None) -> TrainingData:
        """What models may learn from.

        Args:
            events: bool[len(events)], the events to learn from, in baskets too; None for all.
            before: seconds since 1970; anonymous events, and baskets' lines, from then on are left out. None
                for all.
        """
        chosen = self.events if events is None else self.events.where(events)
        early = np.full(len(self.anonymous), True) if before is None else self.anonymous.time < before
        shape = (len(self.users), len(self.items))
        return TrainingData(
            items=self.items,
            users=self.users,
            interactions=net_strengths(chosen.user, chosen.item, chosen.weight, shape),
            events=chosen,
            catalogue=self.catalogue,
            baskets=self._baskets(events, before),
            vectors=self.vectors,
            anonymous=self.anonymous.where(early),
        )

    def _baskets(self, events: BoolArray | None, before: int | None) -> Csr:
        kept = np.ones(len(self.basket_row), dtype=bool) if before is None else self.basket_time < before
        if events is not None:
            known = self.basket_event >= 0
            kept[known] &= events[self.basket_event[known]]
        rows, items = self.basket_row[kept], self.basket_item[kept]
        baskets, compact = np.unique(rows, return_inverse=True)
        lines = (np.ones(len(rows), dtype=np.float32), (compact, items))
        matrix = sparse.coo_array(lines, shape=(len(baskets), len(self.items))).tocsr()
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    def save(self, folder: Path) -> None:
        """Write one .npy file an array, and catalogue.json."""
        self.items.save(folder / "items.npy")
        self.users.save(folder / "users.npy")
        for name in EVENT_COLUMNS:
            np.save(folder / f"event_{name}.npy", getattr(self.events, name))
            np.save(folder / f"anonymous_{name}.npy", getattr(self.anonymous, name))
        for name in BASKET_COLUMNS:
            np.save(folder / f"{name}.npy", getattr(self, name))
        np.save(folder / "vectors.npy", self.vectors)
        words = {
            "titles": self.catalogue.titles,
            "categories": self.catalogue.categories,
            "sub_categories": self.catalogue.sub_categories,
        }
        (folder / "catalogue.json").write_text(json.dumps(words, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Prepared":
        """Read what `save` wrote; the arrays are memory-mapped."""

        def array(name: str) -> Any:
            return np.load(folder / f"{name}.npy", mmap_mode="r")

        def events(kind: str) -> Events:
            return Events(*(array(f"{kind}_{name}") for name in EVENT_COLUMNS))

        words = json.loads((folder / "catalogue.json").read_text())
        return cls(
            items=Vocabulary.load(folder / "items.npy"),
            users=Vocabulary.load(folder / "users.npy"),
            events=events("event"),
            **{name: array(name) for name in BASKET_COLUMNS},
            catalogue=Catalogue(**{name: tuple(values) for name, values in words.items()}),
            vectors=array("vectors"),
            anonymous=events("anonymous"),
        )
