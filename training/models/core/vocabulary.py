"""Outside ids (text) to inside indexes (dense int32), made once per snapshot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.models.core.types import BytesArray, IntArray


@dataclass(frozen=True)
class Vocabulary:
    """Sorted, unique ids as UTF-8 bytes; an id's index is its position.

    One array of fixed width: it loads memory-mapped and a look-up is a binary search.
    """

    ids: BytesArray

    @classmethod
    def build(cls, ids: Iterable[str]) -> "Vocabulary":
        """The vocabulary of `ids`, in any order and with repeats."""
        encoded = [value.encode() for value in set(ids)]
        width = max((len(value) for value in encoded), default=1)
        # Bytes sort as UTF-8 does, that is by code point: the same order on every machine and locale.
        return cls(np.sort(np.array(encoded, dtype=f"S{max(width, 1)}")))

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, value: str) -> int:
        """Index of an id, or -1 when it is unknown."""
        key = value.encode()
        # A longer key would be cut to the width by numpy, and could then match another id.
        if len(key) > self.ids.dtype.itemsize or not len(self.ids):
            return -1
        position = int(np.searchsorted(self.ids, np.array(key, dtype=self.ids.dtype)))
        return position if position < len(self.ids) and self.ids[position] == key else -1

    def indexes(self, values: Sequence[str]) -> IntArray:
        """Indexes of many ids, int32[n]; -1 where an id is unknown."""
        found = np.full(len(values), -1, dtype=np.int32)
        width = self.ids.dtype.itemsize
        encoded = [value.encode() for value in values]
        known = np.array([len(key) <= width for key in encoded], dtype=bool)
        if not len(self.ids) or not known.any():
            return found
        keys = np.array([key for key in encoded if len(key) <= width], dtype=self.ids.dtype)
        # searchsorted gives len(ids) for a key behind the last one.
        positions = np.minimum(np.searchsorted(self.ids, keys), len(self.ids) - 1)
        found[known] = np.where(self.ids[positions] == keys, positions, -1)
        return found

    def id(self, index: int) -> str:
        """The id at an index. Raises IndexError when there is no such index."""
        if not 0 <= index < len(self.ids):
            raise IndexError(f"index {index} is outside a vocabulary of {len(self.ids)}")
        return bytes(self.ids[index]).decode()

    def decode(self, indexes: IntArray) -> list[str]:
        """The ids at many indexes, int32[n]."""
        return [value.decode() for value in self.ids[indexes].tolist()]

    def save(self, path: Path) -> None:
        """Write the ids to `path` (.npy)."""
        np.save(path, self.ids, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Open a saved vocabulary memory-mapped."""
        return cls(np.load(path, mmap_mode="r", allow_pickle=False))
