"""Item-kNN against its dense definition."""

import numpy as np

from training.models import itemknn
from training.models.core.data import TrainingData


def test_item_knn_is_the_shrunk_cosine(random_pairs: TrainingData) -> None:
    model = itemknn.fit(random_pairs, itemknn.ItemKnnConfig(neighbours=25, shrink=5.0, strength="binary"), 0)
    dense = random_pairs.interactions.toarray()
    common = dense.T @ dense
    norms = np.sqrt(np.diag(common))
    expected = common / (np.outer(norms, norms) + 5.0)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(model.matrix.toarray(), expected, rtol=1e-5)


def test_item_knn_keeps_the_nearest(random_pairs: TrainingData) -> None:
    whole = itemknn.fit(random_pairs, itemknn.ItemKnnConfig(neighbours=25, shrink=0.0, strength="binary"), 0)
    short = itemknn.fit(random_pairs, itemknn.ItemKnnConfig(neighbours=3, shrink=0.0, strength="binary"), 0)
    for item in range(25):
        best, similarity = whole.similar(item, 3)
        assert short.similar(item, 10)[0].tolist() == best.tolist()
        assert (np.diff(similarity) <= 0).all()
