"""What is evaluated on the candidates is what the full catalogue gives."""

import numpy as np
import pytest
from scipy import sparse

from training.evaluation.ranking import TestSet, accuracy, rank
from training.models.blend import Blend
from training.models.core.types import Csr, FloatArray
from training.tuning import candidate_scores
from training.tuning.candidate_scores import CandidateScores

USERS, ITEMS, K = 60, 300, 10


class ByHistory:
    """Scores that hang on the items of a history, and zeros where it has no opinion."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.table = generator.normal(size=(ITEMS, ITEMS)).astype(np.float32)
        self.table[generator.random((ITEMS, ITEMS)) < 0.1] = 0.0

    def score_batch(self, histories: Csr) -> FloatArray:
        scores: FloatArray = histories @ self.table
        return scores


@pytest.fixture
def test_set() -> TestSet:
    generator = np.random.default_rng(3)
    truth = sparse.csr_array((generator.random((USERS, ITEMS)) < 0.02).astype(np.float32))
    train = sparse.csr_array((generator.random((USERS, ITEMS)) < 0.05).astype(np.float32))
    return TestSet.build(train, truth, None)


@pytest.mark.parametrize("batch", [7, USERS])
@pytest.mark.parametrize(
    "weights", [{"a": 1.0}, {"a": 1.0, "b": 0.7}, {"a": 0.5, "b": 1.0, "tfidf": 0.3, "new_items": 2.0}]
)
def test_lists_of_candidates_are_those_of_the_full_catalogue(
    test_set: TestSet, weights: dict[str, float], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"a": ByHistory(1), "b": ByHistory(2), "tfidf": ByHistory(3)}
    monkeypatch.setattr(candidate_scores, "SCORE_BYTES", batch * 4 * ITEMS * (len(models) + 2))
    candidates = CandidateScores(models, test_set, K)
    found, coverage = candidates.evaluate(candidates.weighted(weights), ("recall", "ndcg"))

    lists = rank(Blend(models, weights, test_set.new_items), test_set.histories, K, USERS)
    expected = accuracy(lists, test_set.truth, [K])
    np.testing.assert_allclose(found, (expected[f"recall@{K}"] + expected[f"ndcg@{K}"]) / 2)
    assert coverage == len(np.unique(lists)) / ITEMS
