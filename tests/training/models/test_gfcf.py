"""GF-CF against its dense definition."""

import numpy as np

from training.models import gfcf
from training.models.core.data import TrainingData


def test_gfcf_is_the_sum_of_its_two_filters(random_pairs: TrainingData) -> None:
    config = gfcf.GfCfConfig(
        rank=6, low_pass=0.3, user_power=0.5, item_power=0.4, neighbours=25, strength="binary"
    )
    dense = random_pairs.interactions.toarray().astype(np.float64)
    users, items = np.maximum(dense.sum(axis=1), 1.0), dense.sum(axis=0)
    graph = dense / users[:, None] ** 0.5 / items**0.4
    vectors = np.linalg.svd(graph)[2][:6].T
    linear = graph.T @ graph
    np.fill_diagonal(linear, 0.0)
    expected = dense @ linear
    expected += 0.3 * dense @ np.diag(items**-0.4) @ vectors @ vectors.T @ np.diag(items**0.4)
    model = gfcf.fit(random_pairs, config, 0)
    np.testing.assert_allclose(model.score_batch(random_pairs.interactions), expected, rtol=1e-2, atol=1e-2)
