"""From a deployment to the bundle that answers: found, verified, tried, then swapped in by one reference."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from database.deployments import Deployment
from serving.errors import BundleRefusedError
from serving.types import Mask, Rows
from serving.vectors.index import VectorBase
from training.models.als import Als
from training.models.bundle import Bundle, load_bundle
from training.models.core.base import Model, Query
from training.models.embeddings import Embeddings
from training.models.fpgrowth import FpGrowth
from training.models.nmf import Nmf
from training.models.popularity import Popularity
from training.models.tfidf import Tfidf

_FOLDER = "bundle"  # training.release.bundle stores it so: BentoML writes a file of its own beside it

_PLACED_AT_ONCE = 5000

logger = logging.getLogger(__name__)

Locate = Callable[[str], Path]
"""From a bundle's tag to the folder it lies in; raises LookupError or OSError when it is not there."""


@dataclass(frozen=True, eq=False)
class Models:
    """The models that the service asks; a bundle without one of them is refused."""

    als: Als
    nmf: Nmf
    tfidf: Tfidf
    embeddings: Embeddings
    fpgrowth: FpGrowth
    popularity: Popularity

    @classmethod
    def of(cls, bundle: Bundle) -> "Models":
        """Those of a bundle. ValueError names what it lacks."""
        found: dict[str, Any] = {
            each.name: bundle.models[each.name] for each in fields(cls) if each.name in bundle.models
        }
        if lacking := [each.name for each in fields(cls) if each.name not in found]:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        return cls(**found)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A bundle that passed its smoke test, with what is worked out once."""

    deployment: Deployment
    bundle: Bundle
    models: Models
    present: Mask
    """Which items have a vector."""
    popularity: NDArray[np.float32]
    top_factor: Rows
    """Each item's strongest NMF factor, -1 for none: what stands in for a category that is unknown."""
    weights: Mapping[str, float]
    """Of the models in home's blend, as the gate judged them with this bundle (`blend.tuned`)."""

    def item_ids(self, start: int = 0, end: int | None = None) -> list[str]:
        """Outside ids of the bundle's indexes from `start` to before `end`; the catalogue holds the same."""
        count = len(self.bundle.items)
        last = count if end is None else min(end, count)
        return self.bundle.items.decode(np.arange(start, last, dtype=np.int32))


@dataclass(frozen=True, eq=False)
class PlacedBundle:
    """A bundle in place: the catalogue rows of its items."""

    loaded: Loaded
    rows: Rows
    """int32[n], the catalogue row of each of the bundle's items."""
    dense: Rows
    """int32[m], the bundle's index of each catalogue row below m, -1 for none; later rows have none."""

    @property
    def bundle(self) -> Bundle:
        """As it is stored, memory-mapped."""
        return self.loaded.bundle

    @property
    def models(self) -> Models:
        """Its models."""
        return self.loaded.models

    @property
    def bundle_id(self) -> str:
        """By which the deployment row names it."""
        return self.loaded.deployment.bundle_id

    @property
    def watermark(self) -> int:
        """The catalogue's sequence number that the bundle contains everything up to."""
        return int(self.bundle.manifest.watermark.catalogue_seq)

    @cached_property
    def _in_order(self) -> bool:
        return np.array_equal(self.rows, np.arange(len(self.rows)))

    def places(self, n_rows: int) -> tuple[Rows | None, Rows | None]:
        """`rows` and `dense`; None each where its items are all of the catalogue's rows, in order."""
        every = len(self.rows) == n_rows and self._in_order
        return (None, None) if every else (self.rows, self.dense)

    def indexes(self, rows: Rows) -> Rows:
        """The bundle's index of each row, -1 where it knows none."""
        known = rows < len(self.dense)
        return np.where(known, self.dense[np.where(known, rows, 0)], -1).astype(np.int32)

    def index(self, row: int) -> int:
        """The bundle's index of one row, -1 when it knows none."""
        return int(self.dense[row]) if row < len(self.dense) else -1

    def vector_base(self) -> VectorBase:
        """The bundle's vectors, for the live index."""
        embeddings = self.models.embeddings
        return VectorBase(embeddings.vectors, embeddings.index, self.rows, self.loaded.present)


async def place(loaded: Loaded, row_of: Callable[[str], int]) -> PlacedBundle:
    """Give each of the bundle's items its catalogue row; others are answered meanwhile."""
    rows = np.empty(len(loaded.bundle.items), dtype=np.int32)
    for start in range(0, len(rows), _PLACED_AT_ONCE):
        part = loaded.item_ids(start, start + _PLACED_AT_ONCE)
        rows[start : start + len(part)] = [row_of(item_id) for item_id in part]
        await asyncio.sleep(0)
    dense = np.full(int(rows.max(initial=0)) + 1, -1, dtype=np.int32)
    dense[rows] = np.arange(len(rows), dtype=np.int32)
    return PlacedBundle(loaded, rows, dense)


def bento_folder(tag: str) -> Path:
    """Folder of the bundle in a stored Bento model, which keeps a file of BentoML's own beside it.

    LookupError when this host's store does not hold the model, or can't read what BentoML wrote beside it.
    """
    from bentoml.exceptions import NotFound
    from bentoml.models import get

    try:
        return Path(get(tag).path) / _FOLDER
    except NotFound as error:
        raise LookupError(f"{tag} is not in the Bento store") from error
    except Exception as error:  # an empty or cut model.yaml breaks BentoML in as many ways as YAML has
        raise LookupError(f"the Bento store can't read model.yaml of {tag}: {error}") from error


async def load(deployment: Deployment, locate: Locate, dimension: int, model: str) -> Loaded:
    """Load a deployment's bundle in a thread: hashes verified, every model tried once.

    `dimension` and `model` are the encoder's: a bundle with other vectors could not be searched.
    Raises BundleRefusedError with the reason.
    """
    try:
        return await asyncio.to_thread(_load, deployment, locate, dimension, model)
    except Exception as error:  # the boundary of a bundle: whatever is wrong with it, the one before serves
        logger.debug("bundle %s could not be loaded", deployment.bundle_id, exc_info=True)
        raise BundleRefusedError(deployment.bundle_id, str(error) or type(error).__name__) from error


def _load(deployment: Deployment, locate: Locate, dimension: int, model: str) -> Loaded:
    bundle = load_bundle(locate(deployment.bundle_tag))
    models = Models.of(bundle)
    vectors = models.embeddings.vectors
    if vectors.shape != (len(bundle.items), dimension):
        raise ValueError(
            f"its vectors have shape {vectors.shape}, but the encoder makes {dimension} dimensions"
        )
    made_by = models.embeddings.scalars["encoder"]
    if made_by != model:
        raise ValueError(f"its vectors were made with {made_by}, but the service uses {model}")
    _try(bundle.models, len(bundle.items))
    return Loaded(
        deployment=deployment,
        bundle=bundle,
        models=models,
        present=np.any(vectors != 0, axis=1).astype(np.bool_),
        popularity=models.popularity.scores(Query()),
        top_factor=strongest_factor(models.nmf.item_factors),
        weights=bundle.manifest.params["blend"]["tuned"],
    )


def _try(models: Mapping[str, Model], count: int) -> None:
    """Ask each model once: the smoke test. ValueError names the one that fails."""
    known = min(1, count)
    history = Query(np.arange(known, dtype=np.int32), np.ones(known, dtype=np.float32))
    for name, model in models.items():
        scores = model.scores(history)
        if scores.shape != (count,) or not np.isfinite(scores).all():
            raise ValueError(f"{name} does not give a finite score for all {count} items")


def strongest_factor(item_factors: NDArray[np.float32]) -> Rows:
    """The strongest factor of each item, what kind of shopper buys it; -1 for items without factors.

    Args:
        item_factors: float32[n_items, f].

    Returns:
        int32[n_items].
    """
    if not item_factors.size:
        return np.full(len(item_factors), -1, dtype=np.int32)
    strongest = np.argmax(item_factors, axis=1).astype(np.int32)
    return np.where(np.max(item_factors, axis=1) > 0, strongest, -1).astype(np.int32)
