"""The words that a misspelt one may stand for, found without a look at each of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from serving.types import Mask

PREFIX = 4
"""Letters that a word and its completion share at least."""


class Vocabulary:
    """Words that come and go, as columns: which letters each has, its length and its first letters.

    A question is a few passes of numpy over the columns (about a millisecond for 300,000 words); only what
    they leave is compared letter by letter. Adding and removing cost the same however many words there are.
    """

    def __init__(self) -> None:
        self._words: list[str] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._letters = np.zeros(1024, dtype=np.uint64)
        self._lengths = np.zeros(1024, dtype=np.int16)
        self._heads = np.zeros(1024, dtype=np.int64)
        self.revision = 0
        """Counts the changes: what was found is good while this stays."""

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, word: str) -> None:
        """Know a word from now on."""
        if word in self._slots:
            return
        slot = self._free.pop() if self._free else self._grown()
        self._slots[word] = slot
        self._words[slot] = word
        self._letters[slot] = _letters(word)
        self._lengths[slot] = len(word)
        self._heads[slot] = hash(word[:PREFIX])
        self.revision += 1

    def discard(self, word: str) -> None:
        """Know a word no longer; nothing happens when it was not known."""
        slot = self._slots.pop(word, None)
        if slot is not None:
            self._words[slot] = ""
            self._lengths[slot] = 0
            self._free.append(slot)
            self.revision += 1

    def beginning(self, start: str, longer: int) -> list[str]:
        """Known words that are `start` (PREFIX letters at least) and 1 to `longer` letters more."""
        lengths, heads = self._lengths[: len(self._words)], self._heads[: len(self._words)]
        fits = (heads == hash(start[:PREFIX])) & (lengths > len(start)) & (lengths <= len(start) + longer)
        return [word for word in self._at(fits) if word.startswith(start)]

    def near(self, word: str, edits: int) -> dict[str, int]:
        """Known words at most so many edits away, with their distance.

        The distance is optimal string alignment: inserted, left out, replaced and swapped letters. An edit
        takes at most one letter away and adds at most one, so that words that lack more letters than
        `edits`, or have more besides, are dropped first.
        """
        count = len(self._words)
        wanted, letters, lengths = np.uint64(_letters(word)), self._letters[:count], self._lengths[:count]
        fits = (lengths > 0) & (np.abs(lengths - len(word)) <= edits)
        # Popcount of the letters that only one of the two has: a lower bound of the edits.
        fits &= np.bitwise_count(wanted & ~letters) <= edits
        fits &= np.bitwise_count(letters & ~wanted) <= edits
        found = process.extract(
            word, self._at(fits), scorer=OSA.distance, score_cutoff=edits, limit=None, processor=None
        )
        return {known: int(distance) for known, distance, _ in found}

    def _at(self, fits: Mask) -> list[str]:
        return [self._words[slot] for slot in np.flatnonzero(fits).tolist()]

    def _grown(self) -> int:
        slot = len(self._words)
        self._words.append("")
        if slot == len(self._letters):
            self._letters = _doubled(self._letters)
            self._lengths = _doubled(self._lengths)
            self._heads = _doubled(self._heads)
        return slot


def _letters(word: str) -> int:
    """Which letters a word has once, and which twice or more, as 2 × 32 bits.

    Letters that share a bit count as one letter, which only lets more words pass.
    """
    once = twice = 0
    for letter in word:
        bit = 1 << (ord(letter) & 31)
        twice |= once & bit
        once |= bit
    return once | twice << 32


def _doubled(column: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([column, np.zeros_like(column)])
