"""Inverted lists of a large catalogue: a kind that is rare, or far from what is asked, is found too."""

from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.vectors import index as vector_index
from serving.vectors.index import EXACT_BELOW, VectorBase, VectorIndex
from training.models.core.vector_index import build_index

DIMENSION, PROBES, NEAREST, QUERIES = 16, 32, 20, 50
COUNTS = {"product": 60_000, "article": 25_000, "content": 50}

Vectors = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> Vectors:
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Of all items: products about 300 topics, articles about 40 others far from them, content anywhere."""
    random = np.random.default_rng(0)
    topics = random.normal(size=(340, DIMENSION))
    topics[300:, 0] = 6.0
    topics[:300, 0] = -6.0
    about = np.concatenate(
        [random.integers(0, 300, COUNTS["product"]), random.integers(300, 340, COUNTS["article"])]
    )
    near = topics[about] + 0.5 * random.normal(size=(len(about), DIMENSION))
    return unit(np.concatenate([near, random.normal(size=(COUNTS["content"], DIMENSION))]))


@pytest.fixture(scope="module")
def index(vectors: Vectors) -> VectorIndex:
    count = len(vectors)
    faiss_index = build_index(vectors, 1000, PROBES, 42)
    rows = np.random.default_rng(1).permutation(count).astype(np.int32)
    return VectorIndex(DIMENSION, VectorBase(vectors, faiss_index, rows, np.ones(count, dtype=np.bool_)))


@pytest.fixture(scope="module")
def kinds() -> NDArray[np.str_]:
    return np.repeat(list(COUNTS), list(COUNTS.values()))


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least"), [("content", 1.0), ("article", 0.9), ("product", 0.9)])
@pytest.mark.parametrize("asked", list(COUNTS))
def test_the_nearest_of_a_kind_are_found_whatever_is_asked(
    index: VectorIndex, vectors: Vectors, kinds: NDArray[np.str_], kind: str, least: float, asked: str
) -> None:
    base = index._base
    assert base is not None
    allowed = np.zeros(len(vectors), dtype=np.bool_)
    allowed[base.rows[kinds == kind]] = True
    places = np.random.default_rng(2).choice(np.flatnonzero(kinds == asked), QUERIES)
    recalls = []
    for query in vectors[places]:
        rows, cosines = index.search(query, NEAREST, allowed)
        exact = np.zeros(len(vectors), dtype=np.float32)
        exact[base.rows] = vectors @ query
        assert len(rows) == NEAREST and allowed[rows].all()
        assert cosines == pytest.approx(exact[rows], abs=1e-6)
        assert (np.diff(cosines) <= 0).all()
        best = np.sort(exact[allowed])[-NEAREST]
        recalls.append(float((cosines >= best - 1e-6).mean()))
    assert np.mean(recalls) >= least


@pytest.mark.slow
@pytest.mark.parametrize("axis", [1, 2])
def test_the_nearest_are_found_where_all_that_is_allowed_lies_elsewhere(
    index: VectorIndex, vectors: Vectors, axis: int
) -> None:
    """As in a category beside the one that is asked about: few of the nearest lists hold any of it."""
    base = index._base
    assert base is not None
    there = vectors[:, axis] > np.quantile(vectors[:, axis], 0.75)
    allowed = np.zeros(len(vectors), dtype=np.bool_)
    allowed[base.rows[there]] = True
    recalls = []
    for query in vectors[np.random.default_rng(2).choice(np.flatnonzero(~there), QUERIES)]:
        _, cosines = index.search(query, NEAREST, allowed)
        recalls.append(float((cosines >= np.sort(vectors[there] @ query)[-NEAREST] - 1e-6).mean()))
    assert np.mean(recalls) >= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.35])
def test_the_nearest_to_several_items_are_found_where_some_of_all_are_allowed(
    index: VectorIndex, vectors: Vectors, share: float
) -> None:
    """Not fewer than without a filter: the lists that are read hold as many allowed ones."""
    base = index._base
    assert base is not None
    random = np.random.default_rng(7)
    allowed = random.random(len(vectors)) < share
    recalls = []
    for query in unit(vectors[random.integers(len(vectors), size=(QUERIES, 3))].sum(axis=1)):
        _, cosines = index.search(query, NEAREST, allowed)
        best = np.sort((vectors @ query)[allowed[base.rows]])[-NEAREST]
        recalls.append(float((cosines >= best - 1e-6).mean()))
    assert np.mean(recalls) >= 0.98


def test_a_kind_that_is_compared_whole_is_smaller_than_one_that_is_not() -> None:
    assert COUNTS["content"] < EXACT_BELOW < COUNTS["article"]


@pytest.fixture(scope="module")
def long_vectors() -> Vectors:
    """In clusters, and of so many dimensions that the index holds codes of them."""
    random = np.random.default_rng(4)
    topics = random.normal(size=(400, 128))
    return unit(
        topics[random.integers(400, size=EXACT_BELOW + 4000)] + random.normal(size=(EXACT_BELOW + 4000, 128))
    )


@pytest.fixture(scope="module")
def long_index(long_vectors: Vectors) -> VectorIndex:
    count = len(long_vectors)
    rows = np.random.default_rng(5).permutation(count).astype(np.int32)
    base = VectorBase(
        long_vectors, build_index(long_vectors, 1000, PROBES, 42), rows, np.ones(count, dtype=np.bool_)
    )
    return VectorIndex(128, base)


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.97, 0.8, 0.3, 0.01], ids=str)
def test_what_is_not_allowed_is_never_found_and_what_is_left_is(
    long_index: VectorIndex, long_vectors: Vectors, share: float
) -> None:
    base = long_index._base
    assert base is not None
    random = np.random.default_rng(6)
    allowed = random.random(len(long_vectors)) < share
    edited = random.choice(len(long_vectors), 40, replace=False)
    for place in edited.tolist():
        long_index.remove(int(base.rows[place]))
    exact = np.zeros(len(long_vectors), dtype=np.float32)
    recalls = []
    for place in edited.tolist():
        query = long_vectors[place]
        exact[base.rows] = long_vectors @ query
        left = allowed.copy()
        left[base.rows[edited]] = False
        rows, cosines = long_index.search(query, NEAREST, allowed)
        assert left[rows].all()
        assert cosines == pytest.approx(exact[rows], abs=1e-5)
        recalls.append(float((cosines >= np.sort(exact[left])[-NEAREST] - 1e-6).mean()))
    assert np.mean(recalls) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5, 0.35], ids=str)
def test_the_first_of_many_that_are_asked_for_are_as_near_as_those_of_all_candidates(
    long_index: VectorIndex, long_vectors: Vectors, share: float
) -> None:
    """Of a thousand, of which fewer candidates are compared than four times as many."""
    allowed = np.random.default_rng(7).random(len(long_vectors)) < share
    shared = []
    for query in long_vectors[::1000]:
        rows, cosines = long_index.search(query, 1000, allowed)
        with patch.multiple(vector_index, _compared=lambda _: len(long_vectors), _ENOUGH=0):
            _, best = long_index.search(query, 1000, allowed)
        assert allowed[rows].all()
        shared.append(float((cosines[:200] >= best[199] - 1e-6).mean()))
    assert np.mean(shared) >= 0.97


def test_a_bundle_without_items_is_searched_like_any() -> None:
    none = np.zeros((0, 4), dtype=np.float32)
    base = VectorBase(none, build_index(none, 10, PROBES, 42), np.zeros(0, np.int32), np.zeros(0, np.bool_))
    index = VectorIndex(4, base)
    index.put(2, np.array([1, 0, 0, 0], dtype=np.float32))
    rows, cosines = index.search(np.array([1, 0, 0, 0], dtype=np.float32), 3, np.ones(3, dtype=np.bool_))
    assert rows.tolist() == [2] and cosines.tolist() == [1]
    asked = np.arange(4, dtype=np.int32)
    assert index.cosines_of(np.array([1, 0, 0, 0], dtype=np.float32), asked).tolist() == [0, 0, 1, 0]
    assert index.gather(asked).tolist() == [[0] * 4, [0] * 4, [1, 0, 0, 0], [0] * 4]
    assert index.get(1) is None and len(index) == 1 and index.held(4).tolist() == [False, False, True, False]


@pytest.mark.parametrize("dimension", [3, 16, 385])
def test_a_few_of_the_overlay_have_the_cosines_that_they_have_among_all(dimension: int) -> None:
    random = np.random.default_rng(0)
    index = VectorIndex(dimension)
    for row, vector in enumerate(unit(random.normal(size=(200, dimension)))):
        index.put(row, vector)
    query = unit(random.normal(size=(1, dimension)))[0]
    rows, cosines = index.search(query, 200, np.ones(200, dtype=np.bool_))
    among_all = dict(zip(rows.tolist(), cosines.tolist(), strict=True))
    few = np.zeros(200, dtype=np.bool_)
    few[[3, 50, 77, 199]] = True
    rows, cosines = index.search(query, 3, few)
    best = sorted((3, 50, 77, 199), key=lambda row: -among_all[row])[:3]
    assert rows.tolist() == best
    assert cosines.tolist() == [among_all[row] for row in best]


@pytest.mark.parametrize("dimension", [3, 16, 385])
@pytest.mark.parametrize("share", [0.9, 0.3, 0.1])
def test_a_bundles_vectors_have_the_same_cosines_whatever_is_let_through_and_equal_ones_equal(
    dimension: int, share: float
) -> None:
    random = np.random.default_rng(1)
    some = unit(random.normal(size=(150, dimension)))
    vectors = np.concatenate([some, some[random.permutation(150)]])
    rows = random.permutation(400)[:300].astype(np.int32)
    index = VectorIndex(
        dimension, VectorBase(vectors, build_index(vectors, 1000, 8, 0), rows, np.ones(300, dtype=np.bool_))
    )
    query = unit(random.normal(size=(1, dimension)))[0]
    found, cosines = index.search(query, 400, np.ones(400, dtype=np.bool_))
    among_all = dict(zip(found.tolist(), cosines.tolist(), strict=True))
    assert len(among_all) == 300
    assert len(set(among_all.values())) <= 150
    allowed = random.random(400) < share
    wanted = sorted((row for row in among_all if allowed[row]), key=lambda row: -among_all[row])

    found, cosines = index.search(query, 7, allowed)

    assert set(wanted[:7]) <= set(found.tolist()) <= set(wanted)
    assert cosines.tolist() == [among_all[row] for row in found.tolist()]
    assert cosines.min() == among_all[wanted[6]]
    assert index.cosines_of(query, found).tolist() == cosines.tolist()
