"""Models of 1,900 items, more than they work on at a time: blocks join without a seam."""

import numpy as np
import pytest

from tests.worlds.world import world
from training.models import embeddings, fpgrowth, itemknn, tfidf
from training.models.core.data import TrainingData
from training.models.core.neighbours import BLOCK


@pytest.fixture(scope="module")
def data() -> TrainingData:
    found = world(0, "large").shop.data
    assert found.n_items > BLOCK
    return found


@pytest.mark.slow
def test_neighbours_of_many_items_are_those_of_the_whole_matrix(data: TrainingData) -> None:
    model = itemknn.fit(data, itemknn.ItemKnnConfig(neighbours=2000, shrink=2.0, strength="binary"), 0)
    held = (data.interactions.toarray() > 0).astype(np.float64)
    common = held.T @ held
    lengths = np.sqrt(np.diag(common))
    expected = common / (np.outer(lengths, lengths) + 2.0)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(model.matrix.toarray(), expected, atol=1e-6)


@pytest.mark.slow
def test_rules_of_many_items_are_those_of_the_whole_matrix(data: TrainingData) -> None:
    config = fpgrowth.FpGrowthConfig(
        min_support_baskets=2, min_confidence=0.0, max_basket=1000, max_rules_per_item=2000, lift_power=0.0
    )
    model = fpgrowth.fit(data, config, 0)
    held = (data.interactions.toarray() > 0).astype(np.float64)
    both = held.T @ held
    single = np.diag(both).copy()
    both[both < 2] = 0
    np.fill_diagonal(both, 0)
    expected = np.divide(both, single[:, None], out=np.zeros_like(both), where=single[:, None] > 0)
    np.testing.assert_allclose(model.matrix.toarray(), expected, atol=1e-6)


@pytest.mark.slow
def test_no_item_of_many_is_named_like_itself(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the cosines are held some hundred rows at a time."""
    config = tfidf.TfidfConfig(neighbours=50, min_similarity=0.05)
    whole = tfidf.fit(data, config, 0).matrix
    monkeypatch.setattr(tfidf, "BLOCK_ENTRIES", 300 * data.n_items)
    parted = tfidf.fit(data, config, 0).matrix
    np.testing.assert_allclose(parted.toarray(), whole.toarray(), atol=1e-6)
    assert not whole.diagonal().any() and not parted.diagonal().any()


@pytest.mark.slow
def test_a_catalogue_too_large_to_score_whole_scores_its_nearest_items(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inverted lists find most of what comparing all finds, with the same cosines; never a bare item."""
    from training.models.core.base import Query

    monkeypatch.setattr(embeddings, "SCORED_WHOLE", 1000)
    model = embeddings.fit(data, embeddings.EmbeddingsConfig(model="made", flat_below=1000, nprobe=16), 0)
    exact = embeddings.fit(data, embeddings.EmbeddingsConfig(model="made", flat_below=5000, nprobe=16), 0)
    texted = np.flatnonzero(data.vectors.any(axis=1)) if data.vectors is not None else np.zeros(0, np.int64)
    query = Query(texted[:5].astype(np.int32), np.ones(5, np.float32))
    near, whole = model.scores(query), exact.scores(query)
    scored = np.flatnonzero(near)
    assert 0 < len(scored) <= embeddings.CANDIDATES and set(scored) <= set(texted)
    np.testing.assert_allclose(near[scored], whole[scored], atol=1e-5)
    best = set(np.argsort(-whole)[:50].tolist())
    assert len(best & set(scored.tolist())) >= 35  # titles repeat, so which of equals is best is chance
