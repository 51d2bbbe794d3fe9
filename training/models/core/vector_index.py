"""The FAISS index over the items' vectors: exact while it is small, then inverted lists of 8-bit codes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.models.core.types import FloatArray

TRAINED_ON = 64
"""Vectors a centroid that the inverted lists are trained on (FAISS asks for 30 to 256)."""
RECALL_QUERIES = 500


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was built, and how well it finds what exact search finds."""

    kind: str
    vectors: int
    recall_at_10: float


def build_index(vectors: FloatArray, flat_below: int, nprobe: int, seed: int) -> Any:
    """An inner-product index; an item's number in it is its row.

    Args:
        vectors: float32[n, d], L2-normalised.
        flat_below: up to so many vectors the index is exact.
        nprobe: inverted lists read for each query.
        seed: for the training of the lists.
    """
    import faiss

    count, dimension = vectors.shape
    index: Any
    if count <= flat_below:
        index = faiss.IndexFlatIP(dimension)
    else:
        lists = centroids(count)
        quantiser = faiss.IndexFlatIP(dimension)
        # 8 bits a dimension: a quarter of the memory; recall is measured below and judged by the gate.
        index = faiss.IndexIVFScalarQuantizer(
            quantiser, dimension, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        index.cp.seed = seed
        # k-means on a sample: more vectors a centroid cost time and hardly move the centroids.
        sample = np.random.default_rng(seed).permutation(count)[: lists * TRAINED_ON]
        index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
        index.nprobe = min(nprobe, lists)
    index.add(np.ascontiguousarray(vectors))
    return index


def centroids(count: int) -> int:
    """Inverted lists for so many vectors: four times the root, as a power of two."""
    return int(2 ** np.round(np.log2(max(4.0 * np.sqrt(count), 1.0))))


def evaluate_index(index: Any, vectors: FloatArray, seed: int) -> IndexReport:
    """Compare the index with exact search: the share of the true 10 nearest that it finds.

    Args:
        index: of `build_index`.
        vectors: float32[n, d], what it was built of.
        seed: draws the queries from them.
    """
    import faiss

    # Items without a text have zero vectors: all of them are equally near to nothing.
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    queries = np.random.default_rng(seed).permutation(known)[:RECALL_QUERIES]
    kind = "flat" if isinstance(index, faiss.IndexFlat) else "ivf_sq8"
    if not len(queries):
        return IndexReport(kind, len(vectors), 1.0)
    depth = min(10, len(vectors))
    truth, _ = exact(vectors, vectors[queries], depth)
    _, found = index.search(np.ascontiguousarray(vectors[queries]), depth)
    shared = [len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True)]
    return IndexReport(kind, len(vectors), float(np.mean(shared)) / depth)


def exact(vectors: FloatArray, queries: FloatArray, k: int) -> tuple[Any, FloatArray]:
    """The true k nearest of each query by inner product: indexes int64[q, k] and scores float32[q, k]."""
    import faiss

    scores, found = faiss.knn(queries, np.ascontiguousarray(vectors), k, metric=faiss.METRIC_INNER_PRODUCT)
    return found, scores


def save_index(index: Any, path: Path) -> None:
    """Write the index to a file."""
    import faiss

    faiss.write_index(index, str(path))


def open_index(path: Path, nprobe: int) -> Any:
    """Open an index memory-mapped, so that workers share its pages."""
    import faiss

    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    if hasattr(index, "nprobe"):
        index.nprobe = nprobe
    return index
