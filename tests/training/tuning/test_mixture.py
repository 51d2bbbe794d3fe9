import numpy as np
import pytest
from scipy import sparse

from training.evaluation.ranking import TestSet
from training.models.core.types import Csr, FloatArray
from training.tuning import mixture
from training.tuning.file_benchmark import validate
from training.tuning.mixture import Mixture, learn_weights

USERS, ITEMS = 40, 30


class Told:
    """A ranker whose scores hang on the one item of a history."""

    def __init__(self, scores: FloatArray) -> None:
        self.said = scores.astype(np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        chosen: FloatArray = self.said[histories.indices]
        return chosen


@pytest.fixture
def test_set() -> TestSet:
    numbers = np.arange(USERS) % ITEMS
    histories = sparse.csr_array((np.ones(USERS), (np.arange(USERS), numbers)), shape=(USERS, ITEMS))
    right = (numbers + 1) % ITEMS, (numbers + 2) % ITEMS
    rows = np.tile(np.arange(USERS), 2)
    truth = sparse.csr_array((np.ones(2 * USERS), (rows, np.concatenate(right))), shape=(USERS, ITEMS))
    return TestSet.build(histories, truth, None)


def knows(distance: int) -> FloatArray:
    """Each user's right answer at `distance` from his item stands first, the rest is noise."""
    scores = np.random.default_rng(distance).random((ITEMS, ITEMS)) * 0.2
    scores[np.arange(ITEMS), (np.arange(ITEMS) + distance) % ITEMS] = 1.0
    return scores.astype(np.float32)


def test_models_that_know_different_things_both_weigh(test_set: TestSet) -> None:
    models = {
        "one": Told(knows(1)),
        "two": Told(knows(2)),
        "none": Told(np.zeros((ITEMS, ITEMS), np.float32)),
    }
    weights = learn_weights(models, test_set, k=2)
    assert weights.keys() == {"one", "two"}
    assert validate(Mixture(models, weights), test_set, 2) == 1.0
    assert validate(models["one"], test_set, 2) < 0.9


def test_noise_gets_no_weight(test_set: TestSet) -> None:
    noise = np.random.default_rng(0).random((ITEMS, ITEMS)).astype(np.float32)
    both = np.maximum(knows(1), knows(2))
    assert learn_weights({"both": Told(both), "noise": Told(noise)}, test_set, k=2) == {"both": 1.0}


def test_what_is_measured_on_candidates_is_what_the_full_ranking_gives(
    test_set: TestSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(4)
    models = {name: Told(generator.normal(size=(ITEMS, ITEMS)).astype(np.float32)) for name in "abc"}
    monkeypatch.setattr(mixture, "SCORE_BYTES", 7 * 4 * ITEMS * 4)  # users come in batches
    found = mixture.gather(models, test_set, 3)
    for weights in ({"a": 1.0, "b": 0.0, "c": 0.0}, {"a": 0.5, "b": 1.0, "c": 2.0}):
        whole = validate(Mixture(models, weights), test_set, 3)
        assert mixture.measure(found, weights, 3) == pytest.approx(whole)
