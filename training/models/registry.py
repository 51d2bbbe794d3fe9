"""The models by name: their config, their fit, their class."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.models import (
    als,
    ease,
    embeddings,
    fpgrowth,
    gfcf,
    itemknn,
    nmf,
    popularity,
    rp3beta,
    tfidf,
    trending,
)
from training.models.core.base import Config, Model
from training.models.core.data import TrainingData
from training.models.core.types import Report


@dataclass(frozen=True)
class Algorithm:
    """One algorithm: what params.yaml's section holds, how it is fitted, what it becomes."""

    config: type[Config]
    fit: Callable[..., Model]
    model: type[Model]


ALGORITHMS: dict[str, Algorithm] = {
    "popularity": Algorithm(popularity.PopularityConfig, popularity.fit, popularity.Popularity),
    "trending": Algorithm(trending.TrendingConfig, trending.fit, trending.Trending),
    "als": Algorithm(als.AlsConfig, als.fit, als.Als),
    "nmf": Algorithm(nmf.NmfConfig, nmf.fit, nmf.Nmf),
    "tfidf": Algorithm(tfidf.TfidfConfig, tfidf.fit, tfidf.Tfidf),
    "embeddings": Algorithm(embeddings.EmbeddingsConfig, embeddings.fit, embeddings.Embeddings),
    "fpgrowth": Algorithm(fpgrowth.FpGrowthConfig, fpgrowth.fit, fpgrowth.FpGrowth),
    "itemknn": Algorithm(itemknn.ItemKnnConfig, itemknn.fit, itemknn.ItemKnn),
    "ease": Algorithm(ease.EaseConfig, ease.fit, ease.Ease),
    "rp3beta": Algorithm(rp3beta.Rp3BetaConfig, rp3beta.fit, rp3beta.Rp3Beta),
    "gfcf": Algorithm(gfcf.GfCfConfig, gfcf.fit, gfcf.GfCf),
}


MODELS = ("als", "nmf", "tfidf", "embeddings", "fpgrowth")
"""The five algorithms that the service answers from."""
BASELINES = ("popularity", "itemknn", "ease")
"""Baselines and challengers: always in the table, and in the bundle."""
LEARNED = MODELS + BASELINES
MEASURED = ("trending", "blend")
"""In the table too, but no part of a bundle: the service reads what is trending from the database."""


def fit_model(
    name: str, data: TrainingData, config: Config, seed: int, report: Report | None = None
) -> Model:
    """Fit the model called `name`.

    Raises:
        KeyError: there is no such model.
    """
    return ALGORITHMS[name].fit(data, config, seed, report)


def load_model(name: str, directory: Path) -> Model:
    """Open the model called `name` from a directory that its `save` wrote.

    Raises:
        KeyError: there is no such model.
        ModelFileError: the directory does not hold it.
    """
    return ALGORITHMS[name].model.load(directory)


def sizes(model: Model) -> dict[str, Any]:
    """What a model weighs: bytes of its arrays and the shape of each."""
    arrays = model.arrays()
    return {
        "bytes": int(sum(array.nbytes for array in arrays.values())),
        "arrays": {name: list(array.shape) for name, array in arrays.items()},
    }
