"""The index over the items' vectors: exact while it is small, then inverted lists."""

from pathlib import Path

import numpy as np
import pytest

from training.models.core.types import FloatArray
from training.models.core.vector_index import (
    build_index,
    build_measured,
    centroids,
    evaluate_index,
    exact,
    nearest,
    open_index,
    save_index,
)


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


def test_codes_that_find_too_little_give_way_to_longer_ones() -> None:
    """Nothing is alike: the nearest are hardly nearer than others, and four bits cannot tell."""
    drawn = np.random.default_rng(5).normal(size=(3000, 128))
    vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    short = evaluate_index(build_index(vectors, 100, 1000, 0), vectors, 0)
    _, report = build_measured(vectors, flat_below=100, nprobe=1000, seed=0)
    assert short.kind == "ivf_pq4" and short.recall_at_10 < 0.97
    assert report.kind == "ivf_sq8" and report.recall_at_10 > short.recall_at_10


@pytest.mark.parametrize("copies", [1, 6, 40])
def test_items_of_the_same_text_are_as_good_as_one_another(copies: int) -> None:
    """Sizes and packings share a title, and so a vector: which of them is found says nothing of the index."""
    generator = np.random.default_rng(4)
    clusters = generator.normal(size=(60, 128)).astype(np.float32)
    drawn = clusters[generator.integers(60, size=1200)] + 0.6 * generator.normal(size=(1200, 128))
    texts = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    vectors = texts[generator.permutation(np.arange(1200 * copies) % 1200)]
    _, report = build_measured(vectors, flat_below=1000, nprobe=1000, seed=0)
    assert report.recall_at_10 > 0.95


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


def test_what_is_exact_is_what_sorting_all_products_gives(vectors: FloatArray) -> None:
    found, scores = exact(vectors, vectors[:4], 3)
    products = vectors[:4] @ vectors.T
    np.testing.assert_allclose(scores, np.sort(products, axis=1)[:, ::-1][:, :3], atol=1e-5)
    assert found[:, 0].tolist() == [0, 1, 2, 3]


def test_an_index_of_items_without_text_misses_nothing() -> None:
    nothing = np.zeros((5, 4), dtype=np.float32)
    assert evaluate_index(build_index(nothing, 10, 1, 0), nothing, 0).recall_at_10 == 1.0
