"""What a small shop is like: a few items that most people buy, texts that are alike, ties, gaps and changes.

All of it follows from a seed. Tests on it find what toy data hides: what happens at ties, edges, below zero.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from database.items import ItemRow, embedding_text
from training.models.core.data import Catalogue, Events, TrainingData
from training.models.core.vocabulary import Vocabulary

Vector = NDArray[np.float32]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENCODER = "words in common"
DIMENSION = 24
SHADES = ("red", "blue", "pale", "dark", "ivory", "gilded", "striped", "plain", "dotted", "rustic")
STUFFS = ("wooden", "glass", "linen", "iron", "paper", "wool", "clay")
THINGS = {
    "kitchen": ("teapot", "mug", "kettle", "bowl", "tray", "whisk"),
    "garden": ("spade", "hose", "lantern", "trowel", "planter"),
    "office": ("stapler", "notebook", "pencil", "folder"),
    "bedroom": ("pillow", "blanket", "lamp"),
    None: ("card", "ribbon"),
}
CATEGORY = {thing: category for category, things in THINGS.items() for thing in things}
NOUNS = tuple(CATEGORY)
_SECONDS = 60 * 86_400


@lru_cache(maxsize=4096)
def direction(word: str) -> Vector:
    """A fixed random direction for each word, float32[DIMENSION]."""
    return np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIMENSION).astype(np.float32)


def encode(text: str) -> Vector | None:
    """A text's vector: shared words are near, and no two texts are far apart, as with a sentence encoder.

    About every fifteenth text is on the other side of all others. None for a text without words.
    """
    words = text.lower().replace(".", " ").replace(",", " ").split()
    if not words:
        return None
    common = direction("what all texts share") * (-1.2 if zlib.crc32(text.encode()) % 15 == 0 else 0.6)
    total = common + np.sum([direction(word) for word in words], axis=0)
    unit: Vector = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


@dataclass(frozen=True)
class Shop:
    """A shop at the time of its snapshot, and what has changed in it since."""

    snapshot: tuple[ItemRow, ...]
    """As they are stored, deleted ones among them; the change numbers are 1, 2, 3, …"""
    changes: tuple[ItemRow, ...]
    """Since: items that are new, edited, hidden or deleted, in order of their change numbers."""
    data: TrainingData
    """What was learned from."""

    @property
    def watermark(self) -> int:
        """The last change that the snapshot contains."""
        return len(self.snapshot)


def build_shop(seed: int, n_items: int, n_users: int) -> Shop:
    """The shop of a seed: of `n_items` at its snapshot, and some ten to fifty changes since."""
    random = np.random.default_rng(seed)
    snapshot = [_item(random, number, seq=number + 1) for number in range(n_items)]
    gone = set(random.choice(n_items, n_items // 20, replace=False).tolist())
    snapshot = [deleted(row, row.change_seq) if n in gone else row for n, row in enumerate(snapshot)]
    return Shop(
        tuple(snapshot),
        tuple(_changes(random, snapshot, seq=n_items + 1)),
        _learned(random, [row for row in snapshot if row.deleted_at is None], n_users),
    )


def deleted(row: ItemRow, seq: int) -> ItemRow:
    """The item, gone."""
    return replace(row, deleted_at=NOW, change_seq=seq, vector=None, vector_model=None)


def _item(random: np.random.Generator, number: int, seq: int) -> ItemRow:
    """Titles repeat, so that texts, vectors and scores are equal; each in ten has no title, or no price."""
    noun = NOUNS[min(int(random.exponential(5)), len(NOUNS) - 1)]
    bare = random.random() < 0.06
    title = None if bare else " ".join((random.choice(SHADES), random.choice(STUFFS), noun))
    odd = random.random()
    reduced = random.random() < 0.2
    rated = random.random() < 0.6
    row = ItemRow(
        item_id=f"I{zlib.crc32(str((number, seq)).encode()):010d}",
        kind=str(random.choice(["product", "product", "product", "article", "content"])),
        title=title,
        category=None if bare else CATEGORY[noun],
        sub_category=str(random.choice(["sale", "gift", "basic"])) if random.random() < 0.5 else None,
        tags=("gift",) if random.random() < 0.2 else (),
        description="made by hand" if random.random() < 0.2 else None,
        price=None if random.random() < 0.1 else float(random.choice([0.0, 1.0, 2.5, 2.5, 10.0, 49.9])),
        discount_ratio=float(random.choice([0.0, 0.1, 0.5])) if reduced else None,
        rating=float(random.choice([1.0, 3.5, 4.0, 5.0])) if rated else None,
        rating_count=int(random.choice([0, 1, 20, 400])) if rated else None,
        hidden=True if odd < 0.04 else None,
        available=False if 0.04 <= odd < 0.08 else None,
        publish_at=NOW + timedelta(days=1) if 0.08 <= odd < 0.11 else None,
        expire_at=NOW - timedelta(days=1) if 0.11 <= odd < 0.14 else None,
        article_id=None,
        text_hash=None,
        created_at=NOW,
        updated_at=NOW,
        deleted_at=None,
        change_seq=seq,
    )
    return with_vector(row, without=random.random() < 0.05)


def with_vector(row: ItemRow, *, without: bool = False) -> ItemRow:
    """The item with the vector of its text."""
    text = embedding_text(row.title, row.category, row.sub_category, row.tags, row.description)
    vector = None if without or row.title is None else encode(text)
    return replace(
        row,
        vector=None if vector is None else vector.astype("<f4").tobytes(),
        vector_model=None if vector is None else ENCODER,
    )


def _changes(random: np.random.Generator, snapshot: Sequence[ItemRow], seq: int) -> list[ItemRow]:
    live = [row for row in snapshot if row.deleted_at is None]
    order = random.permutation(len(live))
    edited, hidden, gone = (order[:12], order[12:15], order[15:22])
    found: list[ItemRow] = []

    def add(row: ItemRow, **changed: Any) -> None:
        row = replace(row, change_seq=seq + len(found), **changed)
        found.append(row if row.deleted_at is not None else with_vector(row))

    for place in edited.tolist():
        noun = str(random.choice(NOUNS))
        add(live[place], title=f"{random.choice(SHADES)} {noun}", category=CATEGORY[noun], sub_category=None)
    for place in hidden.tolist():
        add(live[place], hidden=True)
    for place in gone.tolist():
        add(deleted(live[place], 0))
    for number in range(10):
        add(_item(random, 10_000_000 + number, seq + len(found)))
    return found


def _learned(random: np.random.Generator, items: Sequence[ItemRow], n_users: int) -> TrainingData:
    """Purchases by a few leanings: popular items most, things of one noun together, some that nobody buys."""
    vocabulary, users = Vocabulary.build(row.item_id for row in items), _users(n_users)
    ordered = sorted(items, key=lambda row: row.item_id.encode())
    popularity = 1 / (3.0 + random.permutation(len(ordered)))
    nouns = np.array([zlib.crc32((row.title or "").split(" ")[-1].encode()) % 7 for row in ordered])
    popularity[random.random(len(ordered)) < 0.15] = 0
    user, item, weight = [], [], []
    for number in range(n_users):
        leaning = popularity * np.where(nouns == number % 7, 12.0, 1.0)
        count = min(int(2 + random.lognormal(1.2, 0.8)), int(np.count_nonzero(leaning)))
        chosen = random.choice(len(ordered), count, replace=False, p=leaning / leaning.sum())
        user += [number] * count
        item += chosen.tolist()
        weight += random.choice([0.5, 1.0, 2.0, 5.0, 5.0, 12.0], count).tolist()
    times = np.sort(random.integers(0, _SECONDS, len(user))) + int(NOW.timestamp()) - _SECONDS
    events = Events(
        np.array(user, np.int32),
        np.array(item, np.int32),
        np.array(weight, np.float32),
        times.astype(np.int64),
    )
    shape = (n_users, len(ordered))
    matrix = sparse.csr_array(sparse.coo_array((events.weight, (events.user, events.item)), shape=shape))
    matrix.sort_indices()
    vectors = [np.frombuffer(row.vector, "<f4") if row.vector else np.zeros(DIMENSION) for row in ordered]
    return TrainingData(
        items=vocabulary,
        users=users,
        interactions=matrix,
        events=events,
        catalogue=Catalogue(
            tuple(row.title or "" for row in ordered),
            tuple(row.category or "" for row in ordered),
            tuple(row.sub_category or "" for row in ordered),
        ),
        baskets=sparse.csr_array((matrix > 0).astype(np.float32)),
        vectors=np.array(vectors, dtype=np.float32),
    )


def _users(count: int) -> Vocabulary:
    return Vocabulary.build(f"u{number:04d}" for number in range(count))
