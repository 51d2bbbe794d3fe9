"""EASE against its closed form."""

import numpy as np
import pytest

from training.models import ease
from training.models.core.data import TrainingData


def test_ease_is_its_closed_form(random_pairs: TrainingData) -> None:
    dense = random_pairs.interactions.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 10.0 * np.eye(25))
    expected = inverse / -np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(ease.weights(random_pairs.interactions, 10.0), expected, atol=1e-4)


def test_ease_of_a_large_catalogue_knows_the_items_with_the_most_users(random_pairs: TrainingData) -> None:
    users = np.bincount(random_pairs.interactions.indices, minlength=25)
    head = np.sort(np.argsort(-users, kind="stable")[:10])
    part = ease.fit(random_pairs, ease.EaseConfig(l2=1.0, max_items=10, neighbours=25, strength="binary"), 0)
    found = part.matrix.toarray()
    np.testing.assert_allclose(
        found[np.ix_(head, head)], ease.weights(random_pairs.interactions[:, head], 1.0), rtol=1e-5
    )
    others = np.setdiff1d(np.arange(25), head)
    assert not found[others].any() and not found[:, others].any()


def test_ease_fills_and_mirrors_its_buffer_block_by_block(
    random_pairs: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ease.fit(random_pairs, ease.EaseConfig(l2=3.0, max_items=99, neighbours=12, strength="binary"), 0)
    monkeypatch.setattr(ease, "BLOCK", 7)
    blocks = ease.fit(
        random_pairs, ease.EaseConfig(l2=3.0, max_items=99, neighbours=12, strength="binary"), 0
    )
    np.testing.assert_allclose(blocks.matrix.toarray(), whole.matrix.toarray(), rtol=1e-5)


def test_the_served_form_of_ease_loses_little(random_pairs: TrainingData) -> None:
    histories = random_pairs.interactions
    whole = ease.fit(random_pairs, ease.EaseConfig(l2=5.0, max_items=99, neighbours=25, strength="binary"), 0)
    short = ease.fit(random_pairs, ease.EaseConfig(l2=5.0, max_items=99, neighbours=15, strength="binary"), 0)
    one, other = whole.score_batch(histories), short.score_batch(histories)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95
    assert len(short.data) < len(whole.data) * 0.65
