"""Content by meaning: items whose texts are near those of the user's history."""

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from training.models.core.base import Algorithm, Config, Model, Query
from training.models.core.covariance import covariance_of, deviation_along
from training.models.core.data import TrainingData, transform, transform_matrix
from training.models.core.products import products
from training.models.core.rounding import (
    STORED,
    Direction,
    mean_direction,
    rounding_bound,
    zero_below,
    zero_rounding,
)
from training.models.core.storage import Arrays, ModelFileError
from training.models.core.types import Csr, FloatArray, IntArray, Report
from training.models.core.vector_index import (
    IndexReport,
    build_measured,
    nearest,
    open_index,
    save_index,
)

SCORED_WHOLE = 100_000
"""Up to so many items every one is scored for a history, whatever the index."""
CANDIDATES = 1000
"""Items scored for a query when the catalogue is too large to score whole."""
INDEX_FILE = "index.faiss"


class EmbeddingsConfig(Config):
    """Section `embeddings`."""

    model: str
    """Name or folder of a sentence-transformers model."""
    flat_below: int = Field(ge=0)
    """Up to so many vectors the index is exact."""
    nprobe: int = Field(ge=1)
    """Inverted lists read for each query of a larger index."""


class Embeddings(Model):
    """The items' vectors and their index. A query's vector is its history's weighted mean."""

    name: ClassVar[str] = "embeddings"

    def __init__(
        self,
        vectors: FloatArray,
        scalars: dict[str, Any],
        index: Any,
        covariance: FloatArray | None = None,
    ) -> None:
        """Keep the vectors, float32[n_items, d], L2-normalised (zero: no text), and their index.

        `covariance` is float32[d, d], that of the vectors; None, as in bundles that were stored without it:
        computed here.
        """
        self.vectors = vectors
        self.covariance = covariance_of(vectors) if covariance is None else covariance
        self.scalars = scalars
        self.index = index
        self.n_items = len(vectors)
        self._whole = self.n_items <= max(int(scalars["flat_below"]), SCORED_WHOLE)
        self._texted = np.asarray(vectors.any(axis=1), dtype=np.float32)

    @property
    def report(self) -> IndexReport:
        """What was built, and how well it finds what exact search finds."""
        return IndexReport(**self.scalars["index"])

    def profile(self, query: Query) -> Direction | None:
        """Where the query's history points; None for an empty one, and for one whose vectors cancel."""
        # log1p: the tenth purchase of a thing says less of what is liked than the first.
        return mean_direction(transform(query.weights, "log1p"), self.vectors[query.items])

    def deviation(self, profile: Direction) -> float:
        """Standard deviation of all items' cosines with a direction."""
        return deviation_along(self.covariance, profile.vector)

    def search(self, profile: Direction, k: int) -> tuple[IntArray, FloatArray]:
        """The k items (int32[<=k]) nearest to a direction, and their cosines, all above zero."""
        depth = min(k, self.n_items)
        if depth == 0:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
        items, cosines = nearest(self.index, self.vectors, profile.vector, depth)
        near = profile.zero_rounding(cosines) > 0  # at or below zero is no likeness
        return items[near], cosines[near]

    def scores(self, query: Query) -> FloatArray:
        profile = self.profile(query)
        scores = np.zeros(self.n_items, dtype=np.float32)
        if profile is None:
            return scores
        if self._whole:
            return profile.zero_rounding(products(self.vectors, profile.vector))
        # Excluded items take places among the nearest: ask for so many more.
        items, near = self.search(profile, CANDIDATES + len(query.exclude))
        scores[items] = near
        return scores

    def score_batch(self, histories: Csr) -> FloatArray:
        read = transform_matrix(histories, "log1p")
        sums: FloatArray = np.asarray(read @ self._texted, dtype=np.float32)[:, None]
        terms = int(np.diff(histories.indptr).max(initial=0)) + STORED
        totals: FloatArray = (read @ self.vectors).astype(np.float32)
        # Divided by their length at the end: what rounding made of the sums stays small beside their parts.
        lengths = zero_rounding(np.linalg.norm(totals, axis=1, keepdims=True).astype(np.float32), sums, terms)
        noise = lengths * np.float32(rounding_bound(totals.shape[1] + STORED)) + sums * np.float32(
            rounding_bound(terms)
        )
        scores = zero_below(totals @ self.vectors.T, noise)
        return np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)

    def similar(self, item: int, k: int) -> tuple[IntArray, FloatArray]:
        """The k items (int32[<=k]) nearest by cosine, and the cosines; not the item itself."""
        # One more: an item is its own nearest neighbour.
        items, cosines = self.search(Direction(self.vectors[item]), k + 1)
        others = items != item
        return items[others][:k], cosines[others][:k]

    def arrays(self) -> Arrays:
        return {"vectors": self.vectors, "covariance": self.covariance}

    def settings(self) -> dict[str, Any]:
        return self.scalars

    @classmethod
    def restore(cls, arrays: Arrays, settings: dict[str, Any]) -> Self:
        """Not for this model: see `load`. Raises NotImplementedError always."""
        raise NotImplementedError("the index is a separate file: use load")

    def save(self, directory: Path) -> None:
        super().save(directory)
        save_index(self.index, directory / INDEX_FILE)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Open a saved model and its index, memory-mapped.

        Raises ModelFileError when the directory does not hold this model, or no index.
        """
        from training.models.core.storage import read_model

        arrays, settings = read_model(directory, cls.name)
        if not (directory / INDEX_FILE).is_file():
            raise ModelFileError(directory, f"{INDEX_FILE} is missing")
        index = open_index(directory / INDEX_FILE, settings["nprobe"])
        return cls(arrays["vectors"], settings, index, arrays.get("covariance"))


def fit(data: TrainingData, config: EmbeddingsConfig, seed: int, report: Report | None = None) -> Embeddings:
    """Index the items' vectors, which the database made when the items were written.

    Raises ValueError when no item has a vector.
    """
    from threadpoolctl import threadpool_limits

    if data.vectors is None:
        raise ValueError("no item has a vector: run the step `index` first")
    index, found = build_measured(data.vectors, config.flat_below, config.nprobe, seed)
    if report is not None:
        report(0, {"index_recall_at_10": found.recall_at_10})
    scalars: dict[str, Any] = {
        "encoder": config.model,
        "flat_below": config.flat_below,
        "nprobe": config.nprobe,
        "index": {"kind": found.kind, "vectors": found.vectors, "recall_at_10": found.recall_at_10},
    }
    # BLAS shares its work out by the number of threads, and the last bits with it: one gives the same always.
    with threadpool_limits(limits=1, user_api="blas"):
        return Embeddings(data.vectors, scalars, index)


ALGORITHM = Algorithm(
    EmbeddingsConfig,
    fit,
    Embeddings,
    about="Sentence embeddings: items whose texts mean the same.",
    limits="Items without text have no neighbours; user behaviour is ignored.",
    of_catalogue=True,
)
