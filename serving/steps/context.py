"""What the steps of one list read: who asks for what, by which bundle and params, at which moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random
from typing import Literal

import numpy as np

from serving.bundle.loading import PlacedBundle
from serving.catalogue.index import LiveIndex
from serving.catalogue.rankings import Rankings
from serving.steps.history import History
from serving.steps.table import NO_ROWS, NO_SCORES
from serving.text.matches import WordMatches
from serving.types import Identities, Item, Kinds, Mask, Rows, Scores, Vector
from training.models.core.base import Query
from training.params import Params

WHOLE_CATALOGUE = 20_000
"""Live items up to which every one is a candidate: that is quicker than to choose."""

Texts = Sequence[tuple[str, Vector | None]]
"""Texts with their vectors (None where one could not be encoded), the most important first."""


@dataclass(frozen=True, slots=True, eq=False)
class User:
    """Who asks, and what is known of them."""

    user_id: str = ""
    history: History = field(default_factory=History)
    searches: Texts = ()
    """The latest searches, the newest first."""
    interests: Texts = ()
    """What they said they care for."""
    day: date = date.min
    """Today: what is drawn for a user stays for a day."""
    known: bool = True
    """Whether there is any event of theirs."""
    trained: int = -1
    """Index among the bundle's users, for one whose history is out of reach."""
    assigned_as: str | None = None
    """The id whose arm in experiments is theirs, in place of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """What has happened in the last hours, row by row."""

    hours: int = 0
    rows: Rows = field(default_factory=lambda: NO_ROWS)
    """int32[m], of the items that trend, each once."""
    scores: Scores = field(default_factory=lambda: NO_SCORES)
    """float32[m], above 0."""
    events: Mapping[int, int] = field(default_factory=dict)
    """How many events each of them has."""

    def events_of(self, rows: Rows) -> list[int]:
        """How many events each of these rows has."""
        return [self.events.get(row, 0) for row in rows.tolist()]


NOBODY = User()
"""For lists that are the same for every user."""


@dataclass(frozen=True, slots=True)
class Sort:
    """A field by whose numbers a list is put in order; items without one come last."""

    field: str
    """As the catalogue's columns name it."""
    kind: Literal["number", "time"]
    descending: bool


@dataclass(frozen=True, slots=True)
class Exploration:
    """How a list is explored: with probability `epsilon` it is drawn from its `pool` best candidates."""

    epsilon: float
    pool: int
    random: Random


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """One list that is asked for. Index, bundle and rankings belong to one moment; nothing here waits."""

    index: LiveIndex
    bundle: PlacedBundle | None
    rankings: Rankings
    params: Params
    weights: Mapping[str, float]
    """Weights of the models in the blend for home, by their names in params.yaml: see `Policy`."""
    n: int
    """How many items are wanted."""
    kinds: Kinds = None
    user: User = NOBODY
    item: int = -1
    """Catalogue row of the item that is asked about."""
    query: str = ""
    vector: Vector | None = None
    """The query's, float32[d]; None when it could not be encoded."""
    category: int | None = None
    """Code of the only category that is wanted."""
    exclude: Rows = field(default_factory=lambda: NO_ROWS)
    """Rows that are in no case in the list."""
    hide_seen: bool = True
    """Whether what the user has seen is left out."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Weights that the request gives to sources."""
    exploration: Exploration | None = None
    reasons: bool = True
    """Whether the answer carries reasons: to word them takes a fifth of a home page's time."""
    explain: bool = False
    """Whether the answer carries the columns."""
    permitted: Mask | None = None
    """bool[n_rows], what the request's own filter lets through; None: everything."""
    earlier_pages: Rows = field(default_factory=lambda: NO_ROWS)
    """Rows of their items: of a list that is cut into pages, they count and are not in it again."""
    one_of_variants: bool = False
    """Whether at most one of an item's variants is in the list."""
    no_variants_of: Rows = field(default_factory=lambda: NO_ROWS)
    """With that, rows whose variants are left out too: of earlier pages, or of the list's first part."""
    diversity: float | None = None
    """How much variety the request wants, 0..1; None: what the params say."""
    sort: Sort | None = None
    """What a search is put in order by, where that is not how well it fits."""
    recent: Recent = field(default_factory=Recent)
    """What trends in the hours that are asked for."""
    matched: dict[tuple[str, Kinds], WordMatches] = field(default_factory=dict)
    """What the words of a text found: the source and the reasons of a list ask for the same."""

    @property
    def n_rows(self) -> int:
        """Rows of the catalogue."""
        return self.index.catalogue.n_rows

    @property
    def live(self) -> Mask:
        """bool[n_rows], which rows hold an item."""
        live: Mask = self.index.catalogue.column("alive")
        return live

    @property
    def small(self) -> bool:
        """Whether there are so few live items that every one is a candidate.

        Rows that hold none don't count: how many there are depends on what a worker has been through.
        """
        return self.index.catalogue.n_live <= WHOLE_CATALOGUE

    @property
    def identity(self) -> Identities:
        """uint64[n_rows], which item each row holds, on every worker alike."""
        identity: Identities = self.index.catalogue.column("identity")
        return identity

    @property
    def variants(self) -> Identities | None:
        """uint64[n_rows], the same for variants of one another, where one of them is enough; else None."""
        if not self.one_of_variants:
            return None
        variants: Identities = self.index.catalogue.column("variants")
        return variants

    @property
    def length(self) -> int:
        """How many candidates are put in order: more than are shown where the list is explored."""
        return self.n if self.exploration is None else max(self.n, self.exploration.pool)

    @property
    def brought(self) -> int:
        """How many of its best a source brings to the table of a large catalogue."""
        return max(5 * self.params.ranking.candidates, self.n)

    @property
    def reordered(self) -> int:
        """How many of the best a reranker puts in order."""
        return max(self.params.ranking.candidates, 2 * self.length)

    @property
    def history(self) -> History:
        """The user's."""
        return self.user.history

    def model_query(self) -> Query:
        """The history as the bundle's models read it: the items that the bundle knows."""
        if self.bundle is None:
            return Query()
        indexes = self.bundle.indexes(self.history.liked)
        known = indexes >= 0
        return Query(items=indexes[known], weights=self.history.weights[known])

    def changed_rows(self) -> Mask:
        """bool[n_rows]: items that the bundle's text models don't know, or know by an older text. Not to be
        changed."""
        bundle = self.bundle
        if bundle is None:
            return np.ones(self.n_rows, dtype=np.bool_)

        def anew() -> Mask:
            changed: Mask = self.index.catalogue.column("change_seq") > bundle.watermark
            unknown = np.ones(self.n_rows, dtype=np.bool_)
            unknown[bundle.rows] = False
            return changed | unknown

        return self.rankings.remembered(("changed rows", bundle), anew)

    def row_item(self, row: int) -> Item:
        """The item of a catalogue row. Raises LookupError where the row holds none."""
        return self.index.catalogue.item(row)

    def excluding(self, rows: Rows) -> "Context":
        """The same, without these rows, and without their variants where one of them is enough."""
        return replace(
            self,
            exclude=np.concatenate([self.exclude, rows]).astype(np.int32),
            no_variants_of=np.concatenate([self.no_variants_of, rows]).astype(np.int32),
        )
