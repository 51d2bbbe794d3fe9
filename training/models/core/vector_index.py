"""The FAISS index over the items' vectors: exact while it is small, then inverted lists of short codes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.models.core.rounding import rounding_bound
from training.models.core.types import FloatArray, IntArray

TRAINED_ON = 64
"""Vectors a centroid that the inverted lists are trained on (FAISS asks for 30 to 256)."""
RECALL_QUERIES = 500
RERANKED = 4
"""Times as many are taken from inverted lists as are asked for: codes are rounded, the vectors decide."""

_CODE_BITS = 4
"""Of two dimensions: a sixteenth of the bytes of float32. Four, since AVX2 looks up 32 such codes at once:
Andre, Kermarrec, Le Scouarnec, "Cache locality is not enough", VLDB 2015."""

_ENOUGH = 0.97
"""Share of the ten nearest that short codes must find: how much they lose depends on the encoder."""
_SHORT = "ivf_pq4"
_KINDS = {
    "IndexFlatIP": "flat",
    "IndexIVFPQFastScan": _SHORT,
    "IndexIVFScalarQuantizer": "ivf_sq8",
}

_CODES_FROM = 128
"""Dimensions from which two share a code; in fewer dimensions that loses too much."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was built, and how well it finds what exact search finds."""

    kind: str
    vectors: int
    recall_at_10: float


def build_index(
    vectors: FloatArray, flat_below: int, nprobe: int, seed: int, *, short_codes: bool = True
) -> Any:
    """An inner-product index; an item's number in it is its row.

    Args:
        vectors: float32[n, d], L2-normalised.
        flat_below: up to so many vectors the index is exact.
        nprobe: inverted lists read for each query.
        seed: for the training of the lists.
        short_codes: whether a larger index of long vectors may hold 4-bit codes; else it holds 8-bit ones.
    """
    from threadpoolctl import threadpool_limits

    # One thread: the last bits of the centroids do not depend on the machine, and k-means of many small
    # parts keeps the other cores waiting more than it gains by them.
    with threadpool_limits(limits=1):
        return _build(np.ascontiguousarray(vectors), flat_below, nprobe, seed, short_codes)


def _build(vectors: FloatArray, flat_below: int, nprobe: int, seed: int, short_codes: bool) -> Any:
    import faiss

    count, dimension = vectors.shape
    index: Any
    if count <= flat_below:
        index = faiss.IndexFlatIP(dimension)
    else:
        lists = centroids(count)
        quantiser = faiss.IndexFlatIP(dimension)
        short = short_codes and dimension >= _CODES_FROM and dimension % 2 == 0
        index = _inverted_lists(quantiser, dimension, lists, short)
        index.cp.seed = seed
        # k-means on a sample: more vectors a centroid cost time and hardly move the centroids.
        sample = np.random.default_rng(seed).permutation(count)[: lists * TRAINED_ON]
        index.train(vectors[np.sort(sample)])
        index.nprobe = min(nprobe, lists)
    index.add(vectors)
    return index


def _inverted_lists(quantiser: Any, dimension: int, lists: int, short: bool) -> Any:
    import faiss

    metric = faiss.METRIC_INNER_PRODUCT
    if short:
        return faiss.IndexIVFPQFastScan(quantiser, dimension, lists, dimension // 2, _CODE_BITS, metric)
    return faiss.IndexIVFScalarQuantizer(quantiser, dimension, lists, faiss.ScalarQuantizer.QT_8bit, metric)


def centroids(count: int) -> int:
    """Inverted lists for so many vectors: four times the root, as a power of two."""
    return int(2 ** np.round(np.log2(max(4.0 * np.sqrt(count), 1.0))))


def build_measured(vectors: FloatArray, flat_below: int, nprobe: int, seed: int) -> tuple[Any, IndexReport]:
    """The index of the shortest codes that find enough, and how well it finds. See `build_index`."""
    index = build_index(vectors, flat_below, nprobe, seed)
    report = evaluate_index(index, vectors, seed)
    if report.kind != _SHORT or report.recall_at_10 >= _ENOUGH:
        return index, report
    index = build_index(vectors, flat_below, nprobe, seed, short_codes=False)
    return index, evaluate_index(index, vectors, seed)


def evaluate_index(index: Any, vectors: FloatArray, seed: int) -> IndexReport:
    """Compare the index with exact search: the share of the true 10 nearest that it finds.

    Of items with the same text any will do: one that is as near as the tenth counts, whichever it is.

    Args:
        index: of `build_index`.
        vectors: float32[n, d], what it was built of.
        seed: draws the queries from them.
    """

    # Items without a text have zero vectors: all of them are equally near to nothing.
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    queries = np.random.default_rng(seed).permutation(known)[:RECALL_QUERIES]
    kind = _KINDS[type(index).__name__]
    if not len(queries):
        return IndexReport(kind, len(vectors), 1.0)
    depth = min(10, len(vectors))
    _, best = exact(vectors, vectors[queries], depth)
    enough = best[:, -1] - np.float32(rounding_bound(vectors.shape[1]))
    found = [nearest(index, vectors, vectors[query], depth)[1] for query in queries]
    near = [int((products >= least).sum()) for products, least in zip(found, enough, strict=True)]
    return IndexReport(kind, len(vectors), float(np.mean(near)) / depth)


def nearest(index: Any, vectors: FloatArray, query: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """The k nearest vectors of a query: their rows int32[<=k] and inner products float32[<=k], best first.

    Args:
        index: of `build_index`, over `vectors`.
        vectors: float32[n, d].
        query: float32[d].
        k: at most n; fewer come where the inverted lists that are read hold fewer.
    """
    import faiss

    codes = not isinstance(index, faiss.IndexFlat)
    scores, found = index.search(query[None, :], min(RERANKED * k, len(vectors)) if codes else k)
    rows = found[0][found[0] >= 0].astype(np.int32)
    if not codes:
        return rows, scores[0][: len(rows)]
    products: FloatArray = vectors[rows] @ query
    order = np.argsort(-products, kind="stable")[:k]
    return rows[order], products[order]


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
    """Open an index: memory-mapped, so that workers share its pages, save for four-bit codes.

    FAISS reads those into memory: 0.1 GB for a million vectors of 384 dimensions, in each process.
    """
    import faiss

    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    if hasattr(index, "nprobe"):
        index.nprobe = nprobe
    return index
