"""Data in which every user has one obvious held-out answer, and the models fitted on it."""

import numpy as np
import pytest
from scipy import sparse

from training.models.als import AlsConfig
from training.models.core.base import Config
from training.models.core.data import Catalogue, Events, TrainingData
from training.models.core.types import FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.ease import EaseConfig
from training.models.embeddings import EmbeddingsConfig
from training.models.fpgrowth import FpGrowthConfig
from training.models.gfcf import GfCfConfig
from training.models.itemknn import ItemKnnConfig
from training.models.nmf import NmfConfig
from training.models.popularity import PopularityConfig
from training.models.tfidf import TfidfConfig
from training.models.trending import TrendingConfig

SIZE = 30

CONFIGS: dict[str, Config] = {
    "popularity": PopularityConfig(window_days=0),
    "trending": TrendingConfig(decay_rate=0.95, step_hours=24, window_days=30),
    "als": AlsConfig(
        factors=4,
        regularization=0.1,
        regularization_scale="relative",
        alpha=10.0,
        regularization_power=0.0,
        iterations=10,
        strength="log1p",
    ),
    "nmf": NmfConfig(factors=4, iterations=20, l2=0.1, strength="log1p"),
    "tfidf": TfidfConfig(neighbours=SIZE, min_similarity=0.05),
    "embeddings": EmbeddingsConfig(model="hand-made", flat_below=1000, nprobe=4),
    "fpgrowth": FpGrowthConfig(
        min_support_baskets=1, min_confidence=0.0, max_basket=100, max_rules_per_item=50, lift_power=0.0
    ),
    "itemknn": ItemKnnConfig(neighbours=SIZE, shrink=1.0, strength="binary"),
    "ease": EaseConfig(l2=1.0, max_items=1000, neighbours=SIZE, strength="binary"),
    "gfcf": GfCfConfig(
        rank=4, low_pass=0.3, user_power=0.5, item_power=0.5, neighbours=SIZE, strength="binary"
    ),
}


@pytest.fixture
def configs() -> dict[str, Config]:
    """A small config for every model."""
    return dict(CONFIGS)


@pytest.fixture(scope="session")
def checkerboard() -> TrainingData:
    """Even users have all even items and odd users all odd ones, save the item of their own number.

    That one item is the right answer: user u's only unseen item of his own colour is item u.
    """
    user, item = np.divmod(np.arange(SIZE * SIZE), SIZE)
    same = (user % 2 == item % 2) & (user != item)
    user, item = user[same].astype(np.int32), item[same].astype(np.int32)
    ones = np.ones(len(user), dtype=np.float32)
    vectors = np.zeros((SIZE, 4), dtype=np.float32)
    vectors[np.arange(SIZE), np.arange(SIZE) % 2] = 1.0
    return TrainingData(
        items=Vocabulary.build(f"item{i:02d}" for i in range(SIZE)),
        users=Vocabulary.build(f"user{i:02d}" for i in range(SIZE)),
        interactions=sparse.csr_array((ones, (user, item)), shape=(SIZE, SIZE)),
        events=Events(user, item, ones, np.arange(len(user), dtype=np.int64)),
        catalogue=Catalogue(
            titles=tuple(("ivory tile" if i % 2 else "ebony plate") for i in range(SIZE)),
            categories=("",) * SIZE,
            sub_categories=tuple(("light" if i % 2 else "dark") for i in range(SIZE)),
        ),
        vectors=vectors,
    )


@pytest.fixture(scope="session")
def random_pairs() -> TrainingData:
    """80 users and 25 items, of whose pairs a fifth are interactions, by chance."""
    dense = (np.random.default_rng(3).random((80, 25)) < 0.2).astype(np.float32)
    return TrainingData(
        Vocabulary.build(f"{i:02d}" for i in range(25)),
        Vocabulary.build(f"{i:02d}" for i in range(80)),
        sparse.csr_array(dense),
    )


@pytest.fixture(scope="session")
def vectors() -> FloatArray:
    """2,000 vectors in 100 clusters."""
    generator = np.random.default_rng(0)
    found = np.repeat(generator.normal(size=(100, 32)), 20, axis=0) + 0.2 * generator.normal(size=(2000, 32))
    unit: FloatArray = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit
