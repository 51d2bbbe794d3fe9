import json
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from database.settings import REPOSITORY
from tests.training.pipeline.small_shop import shop
from training.evaluation.holdout import open_holdout
from training.evaluation.ranking import BLOCKS_HELD, TestSet, evaluate, rank
from training.models.blend import FEW_INTERACTIONS, NEW_ITEMS, Blend
from training.models.core.base import Model
from training.models.core.data import Catalogue, TrainingData, net_strengths
from training.models.core.types import Csr, FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.registry import fit_model
from training.params import load_params


class Fixed:
    """Gives everybody the same scores."""

    def __init__(self, *scores: float) -> None:
        self.scores = np.array(scores, dtype=np.float32)

    def score_batch(self, histories: Csr) -> FloatArray:
        return np.repeat(self.scores[None, :], histories.shape[0], axis=0)


class FromHistory:
    """Has an opinion only of those whose history it knows."""

    def score_batch(self, histories: Csr) -> FloatArray:
        known = (np.diff(histories.indptr) > 0)[:, None]
        scores: FloatArray = np.where(known, np.arange(1, histories.shape[1] + 1), 0).astype(np.float32)
        return scores


def csr(*rows: list[float]) -> Csr:
    return sparse.csr_array(np.array(rows, dtype=np.float32))


def test_ranks_the_whole_catalogue_without_what_was_seen() -> None:
    lists = rank(Fixed(4, 3, 2, 0), csr([1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]), k=3, batch_users=2)
    assert lists.tolist() == [[1, 2, -1], [0, 1, 2], [-1, -1, -1]]


def fitted(name: str, histories: Csr) -> Model:
    n_users, n_items = histories.shape
    items, users = (Vocabulary.build(f"{each:04d}" for each in range(count)) for count in (n_items, n_users))
    data = TrainingData(items, users, histories, catalogue=Catalogue(("",) * n_items, ("",) * n_items))
    return fit_model(name, data, load_params(REPOSITORY / "params.yaml").model(name), 0)


@pytest.mark.parametrize("name", ["als", "ease"])
def test_a_model_s_users_of_one_history_have_the_list_that_each_has_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made once, however many they are."""
    draw = np.random.default_rng(2)
    few = draw.integers(0, 3, size=(6, 9)) * (draw.random((6, 9)) < 0.5)
    histories = csr(*few[draw.integers(6, size=80)].astype(float).tolist())
    model = fitted(name, histories)
    asked: list[int] = []
    scored = model.score_batch

    def counted(part: Csr) -> FloatArray:
        asked.append(part.shape[0])
        return scored(part)

    monkeypatch.setattr(model, "score_batch", counted)
    lists = rank(model, histories, 4, batch_users=4)
    assert sum(asked) == len(np.unique(histories.toarray(), axis=0))
    for user in range(80):
        assert lists[user].tolist() == rank(model, histories[[user]], 4, 1)[0].tolist()


@pytest.mark.parametrize("name", ["als", "nmf", "ease", "popularity"])
def test_a_model_s_lists_are_the_same_on_any_number_of_cores(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(3)
    histories = csr(*(draw.random((300, 60)) < 0.1).astype(float).tolist())
    model = fitted(name, histories)
    made = []
    for cores in (1, 2, 16):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        made.append(rank(model, histories, 10, batch_users=20))
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


def test_what_fails_in_one_block_of_users_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = csr(*np.eye(40, 50).tolist())
    model = fitted("popularity", histories)
    scored = model.score_batch

    def fail_at_one(part: Csr) -> FloatArray:
        if 30 in part.indices:
            raise MemoryError("no room for the scores")
        return scored(part)

    monkeypatch.setattr(model, "score_batch", fail_at_one)
    with pytest.raises(MemoryError, match="no room"):
        rank(model, histories, 3, batch_users=4)


def test_whoever_tells_users_apart_by_more_than_their_history_is_asked_for_each() -> None:
    class ByRow:
        def score_batch(self, histories: Csr) -> FloatArray:
            return np.eye(*histories.shape, dtype=np.float32)

    assert rank(ByRow(), csr([0, 0, 0], [0, 0, 0], [0, 0, 0]), 1, 3).tolist() == [[0], [1], [2]]


def test_the_batch_size_changes_nothing() -> None:
    histories = sparse.random_array(
        (50, 20), density=0.2, rng=np.random.default_rng(0), dtype=np.float32
    ).tocsr()
    scores = np.random.default_rng(1).random(20)
    one = rank(Fixed(*scores), histories, 5, batch_users=1)
    np.testing.assert_array_equal(one, rank(Fixed(*scores), histories, 5, batch_users=64))


@pytest.fixture
def test_set() -> TestSet:
    train = csr([1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6, [1, 1, 1, 1, 1, 0])
    truth = csr([0, 0, 1, 0, 0, 0], [0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1], [0] * 6)
    return TestSet.build(train, truth, None)


def test_users_without_an_answer_are_no_test_users(test_set: TestSet) -> None:
    assert test_set.histories.shape == (3, 6)
    assert test_set.item_users.tolist() == [3, 2, 1, 1, 1, 0]
    assert test_set.n_train_users == 3


def test_cold_users_are_counted_and_not_dropped(test_set: TestSet) -> None:
    lists = rank(FromHistory(), test_set.histories, 6, batch_users=10)
    found = evaluate(lists, test_set, [6], samples=100, seed=0)
    assert found.users == {
        "all": 3,
        "warm_users": 2,
        "cold_users": 1,
        "few_interactions_users": 2,
        "few_interactions_items": 3,
    }
    assert found.metric("recall@6", "cold_users") == 0.0
    assert found.metric("recall@6", "warm_users") == 1.0
    assert found.metric("recall@6") == pytest.approx(2 / 3)


def test_every_metric_has_its_interval(test_set: TestSet) -> None:
    lists = rank(Fixed(6, 5, 4, 3, 2, 1), test_set.histories, 3, batch_users=10)
    found = evaluate(lists, test_set, [1, 3], samples=100, seed=0)
    names = {"recall", "ndcg", "map", "mrr", "hit_rate", "novelty", "popularity", "coverage", "gini"}
    for part in ("all", "warm_users", "cold_users", "few_interactions_users"):
        assert set(found.slices[part]) == {f"{name}@{k}" for name in names for k in (1, 3)}
    of_items = {"recall", "ndcg", "map", "mrr", "hit_rate", "coverage", "share"}
    assert set(found.slices["few_interactions_items"]) == {f"{name}@{k}" for name in of_items for k in (1, 3)}
    for table in found.slices.values():
        for estimate in table.values():
            assert estimate.low <= estimate.value <= estimate.high


def test_coverage_and_gini_are_of_the_slice_s_own_lists(test_set: TestSet) -> None:
    lists = rank(FromHistory(), test_set.histories, 2, batch_users=10)
    found = evaluate(lists, test_set, [2], samples=100, seed=0)
    assert lists.tolist() == [[5, 4], [5, 4], [-1, -1]]
    assert found.metric("coverage@2") == found.metric("coverage@2", "warm_users") == pytest.approx(2 / 6)
    assert found.metric("gini@2", "warm_users") == pytest.approx(4 / 6)
    assert found.metric("coverage@2", "cold_users") == 0.0
    assert np.isnan(found.metric("gini@2", "cold_users")), "no list, so nothing is uneven"
    assert "gini@2" not in found.as_dict()["slices"]["cold_users"]
    assert "NaN" not in json.dumps(found.as_dict())


def test_accuracy_is_there_for_every_length_of_the_list(test_set: TestSet) -> None:
    lists = rank(Fixed(6, 5, 4, 3, 2, 1), test_set.histories, 3, batch_users=10)
    found = evaluate(lists, test_set, [1, 3], samples=100, seed=0)
    for name in ("ndcg", "recall"):
        curve = found.by_k[name]
        assert [curve[0], curve[2]] == [found.slices["all"][f"{name}@{k}"] for k in (1, 3)]
        assert [point["k"] for point in found.as_dict()["by_k"][name]] == [1, 2, 3]


def test_a_slice_without_users_is_left_out_of_the_json() -> None:
    train, truth = csr([1, 0, 0]), csr([0, 1, 0])
    test = TestSet.build(train, truth, None)
    found = evaluate(rank(Fixed(1, 2, 3), test.histories, 2, 10), test, [2], samples=100, seed=0)
    assert found.as_dict()["slices"]["cold_users"] == {}
    assert found.as_dict()["users"]["cold_users"] == 0


def test_tail_items_are_measured_by_themselves() -> None:
    train = sparse.vstack([csr(*[[1.0, 0.0, 0.0]] * 6), csr([0, 0, 0])], format="csr")
    truth = sparse.vstack([sparse.csr_array((6, 3), dtype=np.float32), csr([1, 0, 1])], format="csr")
    test = TestSet.build(train, truth, None)
    found = evaluate(rank(Fixed(3, 2, 1), test.histories, 2, 10), test, [2], samples=100, seed=0)
    assert found.metric("recall@2") == 0.5
    items = found.slices["few_interactions_items"]
    assert items["recall@2"].value == 0.0
    assert items["coverage@2"].value == 0.5, "one of the two stands in a list"
    assert items["share@2"].value == 0.5


def test_the_same_seed_gives_the_same_evaluation(test_set: TestSet) -> None:
    lists = rank(Fixed(6, 5, 4, 3, 2, 1), test_set.histories, 3, batch_users=10)
    one = evaluate(lists, test_set, [3], samples=100, seed=3)
    assert one.as_dict() == evaluate(lists, test_set, [3], samples=100, seed=3).as_dict()


def test_users_ranked_in_batches_get_the_lists_that_they_get_at_once() -> None:
    generator = np.random.default_rng(0)
    histories = sparse.random_array((1000, 200), density=0.05, rng=generator, dtype=np.float32).tocsr()
    at_once = rank(FromHistory(), histories, 20, batch_users=1000)
    np.testing.assert_array_equal(rank(FromHistory(), histories, 20, batch_users=7), at_once)


def test_of_many_users_the_same_few_are_tested_by_every_model() -> None:
    split = load_params().split.model_copy(update={"validation_days": 2, "test_days": 2})
    everybody = open_holdout(shop(), split, 1)
    assert everybody.facts.users > 20
    few = split.model_copy(update={"max_test_users": 20})
    first, again, other = (open_holdout(shop(), few, seed) for seed in (1, 1, 2))
    for holdout in (first, again, other):
        assert holdout.facts.users == holdout.test.histories.shape[0] == holdout.test.truth.shape[0] == 20
        assert holdout.facts.warm_users == int(holdout.warm.sum())
        # What is learned from, and what is known of items, does not depend on who is tested.
        assert holdout.learned.tolist() == everybody.learned.tolist()
        assert holdout.test.item_users.tolist() == everybody.test.item_users.tolist()
        assert holdout.test.vectors is not None
    assert (first.test.truth != again.test.truth).nnz == 0
    assert (first.test.histories != again.test.histories).nnz == 0
    assert (first.test.truth != other.test.truth).nnz > 0


def test_a_blend_holds_as_many_blocks_of_scores_as_the_forecast_of_memory_counts() -> None:
    """EASE alone takes more than half: its sums of weights, and their sizes."""
    users, items, params = 900, 2000, load_params(REPOSITORY / "params.yaml")
    draw = np.random.default_rng(0)
    user = np.repeat(np.arange(users, dtype=np.int32), 15)
    item = (draw.random(len(user)) ** 2 * items).astype(np.int32)
    vectors = draw.normal(size=(items, 16)).astype(np.float32)
    titles = tuple(" ".join(f"word{n}" for n in draw.integers(0, 99, 4)) for _ in range(items))
    data = TrainingData(
        Vocabulary.build(f"i{n:04d}" for n in range(items)),
        Vocabulary.build(f"u{n:04d}" for n in range(users)),
        net_strengths(user, item, np.ones(len(user), dtype=np.float32), (users, items)),
        catalogue=Catalogue(titles, titles, titles),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
    )
    names = [name for name in params.blend.tuned if name != NEW_ITEMS]
    shorter = {name: params.model(name) for name in names}
    shorter |= {name: shorter[name].model_copy(update={"iterations": 1}) for name in ("als", "nmf")}
    models = {name: fit_model(name, data, shorter[name], 1) for name in names}
    few = np.bincount(data.interactions.indices, minlength=items) < FEW_INTERACTIONS
    blend = Blend(models, params.blend.tuned, few)
    tracemalloc.start()
    blend.score_batch(data.interactions)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert BLOCKS_HELD / 2 < peak / (4 * users * items) < BLOCKS_HELD
