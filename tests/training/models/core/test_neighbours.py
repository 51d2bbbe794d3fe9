"""TF-IDF, item-kNN and EASE against their dense definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.models import ease, gfcf, itemknn, tfidf
from training.models.core.data import Catalogue, TrainingData
from training.models.core.neighbours import keep_top
from training.models.core.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def data() -> TrainingData:
    dense = (np.random.default_rng(3).random((80, 25)) < 0.2).astype(np.float32)
    return TrainingData(
        Vocabulary.build(f"{i:02d}" for i in range(25)),
        Vocabulary.build(f"{i:02d}" for i in range(80)),
        sparse.csr_array(dense),
    )


def test_item_knn_is_the_shrunk_cosine(data: TrainingData) -> None:
    model = itemknn.fit(data, itemknn.ItemKnnConfig(neighbours=25, shrink=5.0, strength="binary"), 0)
    dense = data.interactions.toarray()
    common = dense.T @ dense
    norms = np.sqrt(np.diag(common))
    expected = common / (np.outer(norms, norms) + 5.0)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(model.matrix.toarray(), expected, rtol=1e-5)


def test_item_knn_keeps_the_nearest(data: TrainingData) -> None:
    whole = itemknn.fit(data, itemknn.ItemKnnConfig(neighbours=25, shrink=0.0, strength="binary"), 0)
    short = itemknn.fit(data, itemknn.ItemKnnConfig(neighbours=3, shrink=0.0, strength="binary"), 0)
    for item in range(25):
        best, similarity = whole.similar(item, 3)
        assert short.similar(item, 10)[0].tolist() == best.tolist()
        assert (np.diff(similarity) <= 0).all()


def test_ease_is_its_closed_form(data: TrainingData) -> None:
    dense = data.interactions.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 10.0 * np.eye(25))
    expected = inverse / -np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(ease.weights(data.interactions, 10.0), expected, atol=1e-4)


def test_ease_of_a_large_catalogue_knows_the_items_with_the_most_users(data: TrainingData) -> None:
    users = np.bincount(data.interactions.indices, minlength=25)
    head = np.sort(np.argsort(-users, kind="stable")[:10])
    part = ease.fit(data, ease.EaseConfig(l2=1.0, max_items=10, neighbours=25, strength="binary"), 0)
    found = part.matrix.toarray()
    np.testing.assert_allclose(
        found[np.ix_(head, head)], ease.weights(data.interactions[:, head], 1.0), rtol=1e-5
    )
    others = np.setdiff1d(np.arange(25), head)
    assert not found[others].any() and not found[:, others].any()


def test_ease_fills_and_mirrors_its_buffer_block_by_block(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ease.fit(data, ease.EaseConfig(l2=3.0, max_items=99, neighbours=12, strength="binary"), 0)
    monkeypatch.setattr(ease, "BLOCK", 7)
    blocks = ease.fit(data, ease.EaseConfig(l2=3.0, max_items=99, neighbours=12, strength="binary"), 0)
    np.testing.assert_allclose(blocks.matrix.toarray(), whole.matrix.toarray(), rtol=1e-5)


def test_gfcf_is_the_sum_of_its_two_filters(data: TrainingData) -> None:
    config = gfcf.GfCfConfig(
        rank=6, low_pass=0.3, user_power=0.5, item_power=0.4, neighbours=25, strength="binary"
    )
    dense = data.interactions.toarray().astype(np.float64)
    users, items = np.maximum(dense.sum(axis=1), 1.0), dense.sum(axis=0)
    graph = dense / users[:, None] ** 0.5 / items**0.4
    vectors = np.linalg.svd(graph)[2][:6].T
    linear = graph.T @ graph
    np.fill_diagonal(linear, 0.0)
    expected = dense @ linear
    expected += 0.3 * dense @ np.diag(items**-0.4) @ vectors @ vectors.T @ np.diag(items**0.4)
    model = gfcf.fit(data, config, 0)
    np.testing.assert_allclose(model.score_batch(data.interactions), expected, rtol=1e-2, atol=1e-2)


def test_the_served_form_of_ease_loses_little(data: TrainingData) -> None:
    histories = data.interactions
    whole = ease.fit(data, ease.EaseConfig(l2=5.0, max_items=99, neighbours=25, strength="binary"), 0)
    short = ease.fit(data, ease.EaseConfig(l2=5.0, max_items=99, neighbours=15, strength="binary"), 0)
    one, other = whole.score_batch(histories), short.score_batch(histories)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95
    assert len(short.data) < len(whole.data) * 0.65


def words(*titles: str, subs: tuple[str, ...] | None = None) -> TrainingData:
    items = Vocabulary.build(f"{i:02d}" for i in range(len(titles)))
    empty = sparse.csr_array((0, len(titles)), dtype=np.float32)
    catalogue = Catalogue(titles, titles, subs or ("",) * len(titles))
    return TrainingData(items, Vocabulary.build([]), empty, catalogue=catalogue)


def test_tfidf_neighbours_are_the_full_matrix_cut_short() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    generator = np.random.default_rng(0)
    titles = tuple(" ".join(generator.choice(list("abcdefghij"), 4)) for _ in range(60))
    model = tfidf.fit(words(*titles), tfidf.TfidfConfig(neighbours=59, min_similarity=0.3), 0)
    rows = TfidfVectorizer(dtype=np.float32, sublinear_tf=True, token_pattern=r"\w+").fit_transform(titles)
    expected = (rows @ rows.T).toarray()
    np.fill_diagonal(expected, 0.0)
    expected[expected <= 0.3] = 0.0
    np.testing.assert_allclose(model.matrix.toarray(), expected, atol=1e-5)


def test_tfidf_knows_the_sub_category_from_the_name() -> None:
    data = words("red lamp", "blue lamp", "lamps", "chair", subs=("lamps", "lamps", "", ""))
    model = tfidf.fit(data, tfidf.TfidfConfig(neighbours=3, min_similarity=0.01), 0)
    assert model.similar(0, 1)[0].tolist() == [1]
    assert 2 not in model.similar(0, 3)[0]
    assert len(model.similar(3, 3)[0]) == 0


def test_tfidf_of_items_without_words_has_no_opinion() -> None:
    model = tfidf.fit(words("", "", ""), tfidf.TfidfConfig(neighbours=3, min_similarity=0.01), 0)
    assert len(model.data) == 0


@given(seed=st.integers(0, 2**20), count=st.integers(1, 8))
def test_what_is_kept_of_each_row_is_what_sorting_it_keeps(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(-3, 4, size=draw.integers(1, 30, size=2)) * draw.choice([1.0, 0.1, 1e-30])
    kept = keep_top(sparse.csr_array(values.astype(np.float32)), count).toarray()
    for row, found in zip(values.astype(np.float32), kept, strict=True):
        best = sorted(np.flatnonzero(row), key=lambda column: (-abs(row[column]), column))[:count]
        assert np.flatnonzero(found).tolist() == sorted(best)
        assert (found[best] == row[best]).all()


def test_keeping_the_largest_entries_of_each_row() -> None:
    matrix = sparse.csr_array(np.array([[1, -5, 3, 0], [2, 2, 2, 0], [0, 0, 0, 0]], dtype=np.float32))
    assert keep_top(matrix, 2).toarray().tolist() == [[0, -5, 3, 0], [2, 2, 0, 0], [0, 0, 0, 0]]
