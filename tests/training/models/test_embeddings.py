from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from training.models.core.data import TrainingData
from training.models.core.storage import ModelFileError
from training.models.core.types import FloatArray
from training.models.core.vector_index import (
    build_index,
    centroids,
    evaluate_index,
    nearest,
    open_index,
    save_index,
)
from training.models.core.vocabulary import Vocabulary
from training.models.embeddings import Embeddings, EmbeddingsConfig, fit


@pytest.fixture(scope="module")
def vectors() -> FloatArray:
    """2,000 vectors in 100 clusters."""
    generator = np.random.default_rng(0)
    found = np.repeat(generator.normal(size=(100, 32)), 20, axis=0) + 0.2 * generator.normal(size=(2000, 32))
    unit: FloatArray = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def data_of(vectors: FloatArray | None, count: int) -> TrainingData:
    empty = sparse.csr_array((0, count), dtype=np.float32)
    items = Vocabulary.build(f"{i:05d}" for i in range(count))
    return TrainingData(items, Vocabulary.build([]), empty, vectors=vectors)


def test_a_small_index_is_exact(vectors: FloatArray) -> None:
    index = build_index(vectors, flat_below=2000, nprobe=1, seed=0)
    found = evaluate_index(index, vectors, seed=0)
    assert (found.kind, found.recall_at_10) == ("flat", 1.0)


def test_a_large_index_is_inverted_lists_and_its_recall_is_measured(vectors: FloatArray) -> None:
    whole = evaluate_index(build_index(vectors, flat_below=100, nprobe=1000, seed=0), vectors, seed=0)
    few = evaluate_index(build_index(vectors, flat_below=100, nprobe=1, seed=0), vectors, seed=0)
    assert whole.kind == few.kind == "ivf_sq8"
    assert whole.recall_at_10 > 0.95
    assert few.recall_at_10 < whole.recall_at_10


def test_a_large_index_of_long_vectors_is_of_codes_that_the_vectors_correct() -> None:
    generator = np.random.default_rng(3)
    clusters = generator.normal(size=(150, 128)).astype(np.float32)
    drawn = clusters[generator.integers(150, size=4000)] + generator.normal(size=(4000, 128))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    index = build_index(vectors, flat_below=100, nprobe=1000, seed=0)
    report = evaluate_index(index, vectors, seed=0)
    assert report.kind == "ivf_pq4"
    assert report.recall_at_10 > 0.95
    rows, cosines = nearest(index, vectors, vectors[7], 10)
    assert rows[0] == 7
    np.testing.assert_allclose(cosines, vectors[rows] @ vectors[7], rtol=1e-5)
    assert (np.diff(cosines) <= 0).all()
    again = build_index(vectors, flat_below=100, nprobe=1000, seed=0)
    np.testing.assert_array_equal(again.search(vectors[:5], 10)[1], index.search(vectors[:5], 10)[1])


def test_the_number_of_lists_follows_the_size() -> None:
    assert [centroids(n) for n in (100_000, 1_000_000)] == [1024, 4096]


@pytest.mark.parametrize("flat_below", [100, 5000])
def test_an_index_opened_from_its_file_answers_the_same(
    vectors: FloatArray, tmp_path: Path, flat_below: int
) -> None:
    index = build_index(vectors, flat_below, nprobe=8, seed=0)
    save_index(index, tmp_path / "index.faiss")
    opened = open_index(tmp_path / "index.faiss", nprobe=8)
    (scores, found), (again, same) = index.search(vectors[:5], 10), opened.search(vectors[:5], 10)
    np.testing.assert_allclose(again, scores, rtol=1e-5)
    np.testing.assert_array_equal(same, found)


@pytest.mark.parametrize("flat_below", [100, 5000])
def test_similar_items_are_of_the_same_cluster(vectors: FloatArray, flat_below: int) -> None:
    config = EmbeddingsConfig(model="none", flat_below=flat_below, nprobe=16)
    model = fit(data_of(vectors, 2000), config, 0)
    items, cosines = model.similar(45, 5)
    assert 45 not in items
    assert set((items // 20).tolist()) == {2}
    assert (np.diff(cosines) <= 0).all()


def test_items_without_a_text_are_never_near(vectors: FloatArray) -> None:
    some = vectors[:50].copy()
    some[7] = 0.0
    model = fit(data_of(some, 50), EmbeddingsConfig(model="none", flat_below=100, nprobe=1), 0)
    assert 7 not in model.similar(3, 49)[0]
    assert len(model.similar(7, 5)[0]) == 0


def test_recall_is_reported_on_every_build(vectors: FloatArray) -> None:
    measured: dict[str, float] = {}
    config = EmbeddingsConfig(model="none", flat_below=5000, nprobe=1)
    model = fit(data_of(vectors, 2000), config, 0, lambda _, found: measured.update(found))
    assert measured == {"index_recall_at_10": 1.0}
    assert model.report.recall_at_10 == 1.0


def test_data_without_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="no item has a vector"):
        fit(data_of(None, 3), EmbeddingsConfig(model="none", flat_below=10, nprobe=1), 0)


def test_a_missing_index_file_is_named(vectors: FloatArray, tmp_path: Path) -> None:
    fit(data_of(vectors, 2000), EmbeddingsConfig(model="none", flat_below=5000, nprobe=1), 0).save(tmp_path)
    (tmp_path / "index.faiss").unlink()
    with pytest.raises(ModelFileError, match=r"index\.faiss is missing"):
        Embeddings.load(tmp_path)
