import numpy as np
from scipy import sparse

from training.evaluation.ranking import Ranker, TestSet, rank
from training.models.blend import Blend
from training.models.core.types import Csr, FloatArray
from training.tuning.blend_weights import Fold, learn_weights
from training.tuning.score_table import ScoredWindow

MARGIN = 1.05


class Knows:
    """Scores the right answers of one half of the users, and noise for the others."""

    def __init__(self, truth: Csr, half: int) -> None:
        noise = np.random.default_rng(half).random(truth.shape)
        mine = (np.arange(truth.shape[0]) % 2 == half)[:, None]
        self.table: FloatArray = (noise + 3.0 * mine * truth.toarray()).astype(np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        return self.table.copy()


class Table:
    """Says what it was given."""

    def __init__(self, table: np.ndarray) -> None:
        self.table: FloatArray = table.astype(np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        return self.table.copy()


class Same:
    """Everybody is shown item 0."""

    def score_batch(self, histories: Csr) -> FloatArray:
        return np.repeat(np.eye(1, histories.shape[1], dtype=np.float32), histories.shape[0], axis=0)


def one_right_item(n_users: int = 100) -> tuple[Csr, TestSet]:
    truth = sparse.csr_array((np.arange(40)[None, :] == np.arange(n_users)[:, None] % 40).astype(np.float32))
    return truth, TestSet.build(sparse.csr_array((n_users, 40), dtype=np.float32), truth, None)


def test_two_models_that_each_know_half_are_blended() -> None:
    truth, test = one_right_item()
    models = {"even": Knows(truth, 0), "odd": Knows(truth, 1)}
    learned = learn_weights([(models, test)], k=5, seed=0, margin=1.0, shipped={})
    assert learned.weights.keys() == {"even", "odd"}
    assert learned.ndcg > max(learned.single_ndcg.values()) + 0.2
    assert learn_weights([(models, test)], k=5, seed=0, margin=1.0, shipped={}) == learned


def test_what_is_learned_is_never_worse_than_what_is_shipped() -> None:
    _, test = one_right_item()
    generator = np.random.default_rng(3)
    tables = [generator.random(test.truth.shape) + 0.3 * test.truth.toarray() for _ in range(5)]
    models: dict[str, Ranker] = {f"m{place}": Table(table) for place, table in enumerate(tables)}
    bare = learn_weights([(models, test)], k=5, seed=0, margin=0.0, shipped={})
    shipped = {name: generator.choice([0.1, 0.6, 1.4]) for name in models} | {bare.best_single: 1.0}
    window = ScoredWindow(models, test, 5, seed=0)
    gains, _ = window.measure(window.weighted(shipped))
    learned = learn_weights([(models, test)], k=5, seed=0, margin=0.0, shipped=shipped)
    assert learned.ndcg >= np.nanmean(gains)
    assert len(learned.ends) == len(bare.ends)


def test_coverage_may_not_fall_below_the_best_single_models() -> None:
    right = np.arange(40)[None, :] == np.arange(100)[:, None] % 40
    right[::2, 0] = True
    truth = sparse.csr_array(right.astype(np.float32))
    test = TestSet.build(sparse.csr_array((100, 40), dtype=np.float32), truth, None)
    models: dict[str, Ranker] = {"knows": Knows(truth, 1), "same": Same()}
    learned = learn_weights([(models, test)], k=1, seed=0, margin=MARGIN, shipped={})
    assert learned.best_single == "knows"
    assert learned.weights == {"knows": 1.0}, "no blend reaches the floor: the single model stays"
    lists = rank(Blend(models, {"knows": 0.1, "same": 5.0}, test.new_items), test.histories, 1, 100)
    assert len(np.unique(lists)) / 40 < learned.floors[0]


def test_a_blend_that_is_worse_than_the_best_single_model_is_not_taken_for_its_coverage() -> None:
    """One model knows what every other user likes, and shows half of the catalogue; one guesses, the rest."""
    users, one = np.arange(100), np.eye(40)
    truth = sparse.csr_array(one[users % 20].astype(np.float32))
    test = TestSet.build(sparse.csr_array((100, 40), dtype=np.float32), truth, None)
    knows = one[(users + users % 2) % 20]
    noise, sure = np.random.default_rng(3).random((100, 40)), np.linspace(0.0, 10.0, 100)[:, None]
    models: dict[str, Ranker] = {"knows": Table(knows), "guesses": Table(noise + sure * one[20 + users % 20])}
    learned = learn_weights([(models, test)], k=1, seed=0, margin=1.5, shipped={"guesses": 1.8})
    assert any(share >= 1.0 for _, share, _ in learned.ends), "a blend reaches the floor"
    assert learned.weights == {"knows": 1.0}


def test_one_window_that_would_lose_coverage_is_enough_to_say_no() -> None:
    """In the first window item 0 is right for everybody, in the second for nobody; both count."""
    truth, test = one_right_item()
    wanted = truth.toarray()
    wanted[:, 0] = 1.0
    popular = TestSet.build(
        sparse.csr_array((100, 40), dtype=np.float32), sparse.csr_array(wanted.astype(np.float32)), None
    )
    folds: list[Fold] = [({"knows": Knows(part.truth, 1), "same": Same()}, part) for part in (popular, test)]
    learned = learn_weights(folds, k=2, seed=0, margin=1.0, shipped={})
    assert len(learned.coverage) == len(learned.floors) == 2
    assert all(coverage >= floor for coverage, floor in zip(learned.coverage, learned.floors, strict=True))


def test_the_candidates_rank_as_the_full_catalogue_does() -> None:
    generator = np.random.default_rng(3)
    truth = sparse.csr_array((generator.random((60, 300)) < 0.02).astype(np.float32))
    train = sparse.csr_array((generator.random((60, 300)) < 0.05).astype(np.float32))
    test = TestSet.build(train, truth, None)
    kept = sparse.csr_array(test.truth)
    models = {"even": Knows(kept, 0), "odd": Knows(kept, 1)}
    weights = {"even": 1.0, "odd": 0.7}
    window = ScoredWindow(models, test, 10, seed=0)
    _, coverage = window.measure(window.weighted(weights))
    lists = rank(Blend(models, weights, test.new_items), test.histories, 10, 100)
    assert coverage == len(np.unique(lists)) / 300


def test_items_that_few_know_get_a_weight_of_their_own_when_that_helps() -> None:
    """Words alone know the new items; all else is known to the other model."""
    generator = np.random.default_rng(5)
    train = sparse.csr_array(
        (generator.random((80, 60)) < np.where(np.arange(60) < 20, 0.01, 0.3)).astype(np.float32)
    )
    wanted = sparse.csr_array((generator.random((80, 60)) < 0.1).astype(np.float32))
    test = TestSet.build(train, wanted, None)
    assert 10 < test.new_items.sum() < 30
    right = test.truth.toarray()
    models: dict[str, Ranker] = {
        "ease": Table(np.where(test.new_items, 0.0, right) + generator.random(right.shape)),
        "tfidf": Table(np.where(test.new_items, right, 0.0) + generator.random(right.shape)),
    }
    learned = learn_weights([(models, test)], k=5, seed=0, margin=0.0, shipped={})
    assert learned.weights["new_items"] > 0
    assert learned.best_single in models and learned.single_ndcg.keys() == models.keys()
