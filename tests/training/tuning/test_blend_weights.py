import numpy as np
from scipy import sparse

from training.evaluation.ranking import Ranker, TestSet, rank
from training.models.blend import Blend
from training.models.core.types import Csr, FloatArray
from training.tuning.blend_weights import Fold, Objective, learn_weights
from training.tuning.candidate_scores import CandidateScores
from training.tuning.file_benchmark import validate

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
    learned = learn_weights([(models, test)], Objective(5, coverage_margin=1.0), seed=0)
    assert learned.weights.keys() == {"even", "odd"}
    assert learned.accuracy > max(learned.single_accuracy.values()) + 0.2
    assert learn_weights([(models, test)], Objective(5, coverage_margin=1.0), seed=0) == learned


def test_what_is_learned_is_never_worse_than_what_is_shipped() -> None:
    _, test = one_right_item()
    generator = np.random.default_rng(3)
    tables = [generator.random(test.truth.shape) + 0.3 * test.truth.toarray() for _ in range(5)]
    models: dict[str, Ranker] = {f"m{place}": Table(table) for place, table in enumerate(tables)}
    bare = learn_weights([(models, test)], Objective(5), seed=0)
    shipped = {name: generator.choice([0.1, 0.6, 1.4]) for name in models} | {bare.best_single: 1.0}
    candidates = CandidateScores(models, test, 5)
    gains, _ = candidates.evaluate(candidates.weighted(shipped), ("ndcg",))
    learned = learn_weights([(models, test)], Objective(5), seed=0, shipped=shipped)
    assert learned.accuracy >= np.nanmean(gains)
    assert len(learned.searches) == len(bare.searches) + 1


def test_coverage_may_not_fall_below_the_best_single_models() -> None:
    right = np.arange(40)[None, :] == np.arange(100)[:, None] % 40
    right[::2, 0] = True
    truth = sparse.csr_array(right.astype(np.float32))
    test = TestSet.build(sparse.csr_array((100, 40), dtype=np.float32), truth, None)
    models: dict[str, Ranker] = {"knows": Knows(truth, 1), "same": Same()}
    learned = learn_weights([(models, test)], Objective(1, coverage_margin=MARGIN), seed=0)
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
    learned = learn_weights(
        [(models, test)], Objective(1, coverage_margin=1.5), seed=0, shipped={"guesses": 1.8}
    )
    assert any(found.floor_ratio >= 1.0 for found in learned.searches), "a blend reaches the floor"
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
    learned = learn_weights(folds, Objective(2, coverage_margin=1.0), seed=0)
    assert len(learned.coverage) == len(learned.floors) == 2
    assert all(coverage >= floor for coverage, floor in zip(learned.coverage, learned.floors, strict=True))


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
    learned = learn_weights([(models, test)], Objective(5), seed=0)
    assert learned.weights["new_items"] > 0
    assert learned.best_single in models and learned.single_accuracy.keys() == models.keys()


def test_recall_and_ndcg_may_be_the_aim_and_noise_gets_no_weight() -> None:
    """One model knows the first right answer of each user, one the second, one neither."""
    users = np.arange(40)
    right = np.zeros((40, 30))
    right[users, (users + 1) % 30] = right[users, (users + 2) % 30] = 1.0
    test = TestSet.build(sparse.csr_array((40, 30), dtype=np.float32), sparse.csr_array(right), None)
    noise = np.random.default_rng(2).random((3, 40, 30)) * 0.2
    for place in (0, 1):
        noise[place][users, (users + 1 + place) % 30] = 1.0
    models: dict[str, Ranker] = {
        name: Table(table) for name, table in zip(("one", "two", "noise"), noise, strict=True)
    }
    learned = learn_weights([(models, test)], Objective(2, ("recall", "ndcg")), seed=0)
    assert learned.weights.keys() == {"one", "two"}
    assert learned.accuracy == validate(Blend(models, learned.weights), test, 2) == 1.0
    assert learned.floors == [0.0]
