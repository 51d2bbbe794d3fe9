"""What a model learns from: one snapshot's training part, as arrays."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import sparse

from training.models.core.types import BoolArray, Csr, DoubleArray, FloatArray, IntArray, LongArray
from training.models.core.vocabulary import Vocabulary

Strength = Literal["linear", "log1p", "binary"]
"""How a model reads the strength of an interaction: as it is, its log(1 + x), or 1."""


EVENT_COLUMNS = ("user", "item", "weight", "time")
"""The arrays of `Events`, in this order; the names of their files."""

NOTHING = 1e-9
"""A sum of strengths below this is rounding: less than any weight of params.yaml, more than float64 leaves of
a sum that is zero."""


@dataclass(frozen=True)
class Events:
    """The interactions one by one, equally long arrays, in order of time."""

    user: IntArray
    item: IntArray
    weight: FloatArray
    """Signed strength of the event (a skip is negative)."""
    time: LongArray
    """Seconds since 1970, UTC."""

    @classmethod
    def empty(cls) -> "Events":
        """No event at all."""
        none = np.zeros(0, dtype=np.int32)
        return cls(none, none, np.zeros(0, np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.user)

    def where(self, chosen: BoolArray) -> "Events":
        """The events where `chosen` (bool[len(self)]) is true."""
        return Events(*(getattr(self, column)[chosen] for column in EVENT_COLUMNS))


@dataclass(frozen=True)
class Catalogue:
    """The items' words, aligned with the item vocabulary; an empty string where nothing is known."""

    titles: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sub_categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrainingData:
    """Everything that `fit` may use. Nothing in it is later than the cut."""

    items: Vocabulary
    users: Vocabulary
    interactions: Csr
    """float32[n_users, n_items], strengths above zero only (`net_strengths`)."""
    events: Events = field(default_factory=Events.empty)
    catalogue: Catalogue = field(default_factory=Catalogue)
    baskets: Csr | None = None
    """float32[n_baskets, n_items] of ones: one row a session or invoice, anonymous ones included."""
    vectors: FloatArray | None = None
    """float32[n_items, d], L2-normalised; a zero row is an item without a text."""
    anonymous: Events = field(default_factory=Events.empty)
    """The events of nobody known, in order of time; `user` is -1."""

    @property
    def n_items(self) -> int:
        """Items in the vocabulary, known by interactions or not."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Users in the vocabulary."""
        return len(self.users)


def net_strengths(user: IntArray, item: IntArray, weight: FloatArray, shape: tuple[int, int]) -> Csr:
    """Sum the signed strengths of each (user, item) pair and keep the pairs above zero.

    This is where a skip's -1 is spent: it takes back part of what the pair's other events say.
    A pair at or below zero becomes an unobserved pair, which ALS and NMF both model as "predict
    nothing here". Neither could use a value below zero: NMF has none, and to ALS a negative
    strength would be a negative confidence.

    Returns:
        csr float32[shape], canonical (sorted, no duplicates, no stored zeros).
    """
    # float64 while signs cancel: 0.1 + 0.2 - 0.3 must not leave a pair behind.
    pairs = sparse.coo_array((weight.astype(np.float64), (user, item)), shape=shape).tocsr()
    pairs.sum_duplicates()
    pairs.data[pairs.data < NOTHING] = 0.0
    pairs.eliminate_zeros()
    return pairs.astype(np.float32)


def transform(weights: FloatArray, strength: Strength) -> FloatArray:
    """Strengths (float32[n]) as a model reads them, float32[n]."""
    if strength == "binary":
        return np.ones_like(weights)
    # log1p damps many repeats of one pair, and keeps 0 at 0: no pair appears.
    return np.log1p(weights) if strength == "log1p" else weights


def transform_matrix(interactions: Csr, strength: Strength) -> Csr:
    """The same csr matrix with its strengths, as float32, as a model reads them; shares its structure."""
    data = transform(interactions.data, strength).astype(np.float32, copy=False)
    return sparse.csr_array((data, interactions.indices, interactions.indptr), shape=interactions.shape)


def positive_power(values: DoubleArray, exponent: float) -> DoubleArray:
    """Values above zero to a power, float64[n]; zeros stay zeros whatever the power."""
    wide = values.astype(np.float64)
    result: DoubleArray = np.power(wide, exponent, out=np.zeros_like(wide), where=wide > 0)
    return result
