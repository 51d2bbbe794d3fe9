import numpy as np
from scipy import sparse

from training.blending import FLOOR_MARGIN, learn_weights
from training.evaluate import Ranker, TestSet, rank
from training.models.blend import Blend
from training.models.types import Csr, FloatArray


class Knows:
    """Scores the right answers of one half of the users, and noise for the others."""

    def __init__(self, truth: Csr, half: int) -> None:
        noise = np.random.default_rng(half).random(truth.shape)
        mine = (np.arange(truth.shape[0]) % 2 == half)[:, None]
        self.table: FloatArray = (noise + 3.0 * mine * truth.toarray()).astype(np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        return self.table.copy()


def test_two_models_that_each_know_half_are_blended() -> None:
    truth = sparse.csr_array((np.arange(40)[None, :] == np.arange(100)[:, None] % 40).astype(np.float32))
    train = sparse.csr_array((100, 40), dtype=np.float32)
    test = TestSet.build(train, truth, None)
    models = {"even": Knows(truth, 0), "odd": Knows(truth, 1)}
    learned = learn_weights([(models, test)], k=5, seed=0)
    assert learned.weights.keys() == {"even", "odd"}
    assert learned.ndcg > max(learned.single_ndcg.values()) + 0.2
    assert list(learned.history) == sorted(learned.history)


def test_coverage_may_not_fall_below_the_best_single_models() -> None:
    class Same:
        """Everybody is shown item 0, which is right for a few."""

        def score_batch(self, histories: Csr) -> FloatArray:
            return np.repeat(np.eye(1, 40, dtype=np.float32), histories.shape[0], axis=0)

    right = np.arange(40)[None, :] == np.arange(100)[:, None] % 40
    right[::2, 0] = True
    truth = sparse.csr_array(right.astype(np.float32))
    test = TestSet.build(sparse.csr_array((100, 40), dtype=np.float32), truth, None)
    models: dict[str, Ranker] = {"knows": Knows(truth, 1), "same": Same()}
    learned = learn_weights([(models, test)], k=1, seed=0)
    assert learned.best_single == "knows"
    assert learned.coverage >= learned.floor / FLOOR_MARGIN  # no blend reaches it: the single model stays
    lists = rank(Blend(models, {"knows": 0.1, "same": 5.0}), test.histories, 1, 100)
    assert len(np.unique(lists)) / 40 < learned.floor
