"""Lists of neighbours: TF-IDF against its dense definition, and what is kept of each row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from training.models import tfidf
from training.models.core.data import Catalogue, TrainingData
from training.models.core.neighbours import keep_top
from training.models.core.vocabulary import Vocabulary


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
