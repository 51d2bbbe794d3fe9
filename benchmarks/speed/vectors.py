"""Search for near vectors: the index of a bundle, and FAISS comparing with every one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.speed.compare import Benchmark, Pair
from serving.vectors.index import VectorBase, VectorIndex
from training.models.core.types import FloatArray
from training.models.core.vector_index import build_index
from training.models.embeddings import EmbeddingsConfig
from training.params import load_params

DIMENSION = 384
DEPTH = 10
_QUERIES = 300
_RECALL = 0.97


def _search(size: int) -> Pair:
    import faiss

    config = load_params().section(EmbeddingsConfig)
    vectors = clustered(size + _QUERIES)
    stored, queries = vectors[:size], vectors[size:]
    index = build_index(stored, config.flat_below, config.nprobe, 0)
    rows = np.arange(size, dtype=np.int32)
    everything = np.ones(size, dtype=bool)
    ours_index = VectorIndex(DIMENSION, VectorBase(stored, index, rows, everything))
    flat = faiss.IndexFlatIP(DIMENSION)
    flat.add(stored)

    @one_thread()
    def ours() -> list[Any]:
        return [ours_index.search(query, DEPTH, everything)[0][:DEPTH] for query in queries]

    @one_thread()
    def reference() -> list[Any]:
        return [flat.search(query.reshape(1, -1), DEPTH)[1][0] for query in queries]

    def agree(our: Any, their: Any) -> str:
        shared = [len(np.intersect1d(a, b)) for a, b in zip(our, their, strict=True)]
        recall = float(np.mean(shared)) / DEPTH
        assert recall >= _RECALL, f"recall@{DEPTH} is {recall:.3f}"
        part = len(faiss.serialize_index(index)) / len(faiss.serialize_index(flat))
        return f"recall@{DEPTH} {recall:.3f}, {part:.2f} of the bytes"

    return Pair(f"{size:,} vectors of {DIMENSION} numbers, {_QUERIES} searches", ours, reference, agree)


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and FAISS have one thread meanwhile, as in a worker of the service."""
    import faiss  # noqa: F401 (only what is loaded can be limited)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def clustered(count: int, seed: int = 0) -> FloatArray:
    """Vectors in clusters of clusters, as those of texts are: float32[count, DIMENSION], normalised."""
    draw = np.random.default_rng(seed)
    topics = draw.normal(size=(40, DIMENSION)).astype(np.float32)
    themes = topics[draw.integers(40, size=2000)] + draw.normal(size=(2000, DIMENSION)).astype(np.float32)
    found: FloatArray = themes[draw.integers(2000, size=count)]
    found = found + draw.normal(size=(count, DIMENSION)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


BENCHMARKS = (
    Benchmark("vectors", "the ten nearest vectors", "FAISS, flat, one thread", 1 / 40, _search, 99_000, 9),
)
