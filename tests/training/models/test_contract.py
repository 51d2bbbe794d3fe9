"""What holds for every model of the registry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from training.models.core.base import Config, Model, Query
from training.models.core.bounds import LARGEST
from training.models.core.data import TrainingData
from training.models.core.storage import ModelFileError
from training.models.core.types import FloatArray
from training.models.registry import REGISTRY, algorithm, fit_model, load_model, sizes

SEED = 7
ALIKE = {"popularity", "trending"}
"""The same for everybody: they have no right answer on the checkerboard."""
PERSONAL = sorted(REGISTRY.keys() - ALIKE)


def query_of(data: TrainingData, user: int) -> Query:
    row = data.interactions[[user]]
    return Query(items=row.indices, weights=row.data, exclude=row.indices)


def assert_alike(one: FloatArray, other: FloatArray) -> None:
    """The same within rounding: where an array lies in memory is enough for BLAS to add in another order."""
    largest = float(np.abs(other).max(initial=0.0))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * largest)


@pytest.fixture(params=sorted(REGISTRY))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Model]:
    """The models that tests have asked for, each fitted once: nothing that is asked of a model changes it."""
    return {}


@pytest.fixture
def model(
    name: str, checkerboard: TrainingData, configs: dict[str, Config], fitted: dict[str, Model]
) -> Model:
    if name not in fitted:
        fitted[name] = fit_model(name, checkerboard, configs[name], SEED)
    return fitted[name]


class TestContract:
    @pytest.mark.parametrize("name", PERSONAL, indirect=True)
    def test_finds_the_one_right_answer_of_nearly_every_user(
        self, model: Model, checkerboard: TrainingData
    ) -> None:
        best = [model.recommend(query_of(checkerboard, user), 1)[0] for user in range(checkerboard.n_users)]
        right = [len(items) == 1 and items[0] == user for user, items in enumerate(best)]
        assert np.mean(right) >= 0.95

    def test_leaves_out_what_was_seen(self, model: Model, checkerboard: TrainingData) -> None:
        for user in range(checkerboard.n_users):
            query = query_of(checkerboard, user)
            items, _ = model.recommend(query, checkerboard.n_items)
            assert not np.isin(items, query.exclude).any()

    @pytest.mark.parametrize("k", [0, 1, 5, 1000])
    def test_gives_at_most_k_distinct_items(self, model: Model, checkerboard: TrainingData, k: int) -> None:
        items, scores = model.recommend(query_of(checkerboard, 0), k)
        assert len(items) == len(scores) <= k
        assert len(set(items.tolist())) == len(items)
        assert items.dtype == np.int32

    def test_scores_are_finite_and_sorted(self, model: Model, checkerboard: TrainingData) -> None:
        _, scores = model.recommend(query_of(checkerboard, 1), 20)
        assert np.isfinite(scores).all()
        assert (np.diff(scores) <= 0).all()

    def test_equal_scores_are_in_order_of_index(self, model: Model, checkerboard: TrainingData) -> None:
        items, scores = model.recommend(query_of(checkerboard, 1), 30)
        tied = np.diff(scores) == 0
        assert (np.diff(items)[tied] > 0).all()

    def test_the_same_seed_gives_the_same_lists(
        self, name: str, model: Model, checkerboard: TrainingData, configs: dict[str, Config]
    ) -> None:
        again = fit_model(name, checkerboard, configs[name], SEED)
        for user in range(checkerboard.n_users):
            query = query_of(checkerboard, user)
            assert_alike(model.scores(query), again.scores(query))
            _, best = model.recommend(query, 10)
            items, _ = again.recommend(query, 10)
            # Items whose scores are a rounding apart may change places, and no others.
            assert_alike(model.scores(query)[items], best)

    def test_comes_back_from_disk_as_it_was(
        self, name: str, model: Model, checkerboard: TrainingData, tmp_path: Path
    ) -> None:
        model.save(tmp_path / name)
        opened = load_model(name, tmp_path / name)
        for array, stored in model.arrays().items():
            np.testing.assert_array_equal(opened.arrays()[array], stored)
        for user in range(checkerboard.n_users):
            query = query_of(checkerboard, user)
            assert_alike(opened.scores(query), model.scores(query))
        assert sizes(opened) == sizes(model)

    def test_nothing_on_disk_is_pickled(self, model: Model, tmp_path: Path) -> None:
        model.save(tmp_path)
        for path in tmp_path.glob("*.npy"):
            np.load(path, allow_pickle=False)
        assert {path.suffix for path in tmp_path.iterdir()} <= {".npy", ".json", ".faiss"}

    def test_another_models_files_are_refused(self, name: str, model: Model, tmp_path: Path) -> None:
        model.save(tmp_path)
        other = "als" if name != "als" else "nmf"
        with pytest.raises(ModelFileError, match=name):
            load_model(other, tmp_path)

    def test_an_unknown_user_is_a_cold_start_and_no_error(self, name: str, model: Model) -> None:
        scores = model.scores(Query())
        assert scores.shape == (model.n_items,)
        assert name in ALIKE or not scores.any()
        items, _ = model.recommend(Query(), 5)
        assert len(items) == (5 if name in ALIKE else 0)

    def test_many_histories_at_once_score_like_one_by_one(
        self, model: Model, checkerboard: TrainingData
    ) -> None:
        scores = model.score_batch(checkerboard.interactions)
        assert scores.dtype == np.float32
        for user in (0, 1, 29):
            np.testing.assert_allclose(
                scores[user], model.scores(query_of(checkerboard, user)), rtol=1e-4, atol=1e-5
            )

    def test_a_batch_may_hold_empty_histories(self, name: str, model: Model) -> None:
        scores = model.score_batch(sparse.csr_array((2, model.n_items), dtype=np.float32))
        assert scores.shape == (2, model.n_items)
        assert np.isfinite(scores).all()
        assert name in ALIKE or not scores.any()

    def test_its_config_refuses_unknown_and_missing_keys(self, name: str, configs: dict[str, Config]) -> None:
        config = algorithm(name).config
        known = configs[name].model_dump()
        with pytest.raises(ValueError, match="extra"):
            config.model_validate({**known, "colour": "red"})
        with pytest.raises(ValueError, match="required"):
            config.model_validate({})


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_any_number_that_its_config_takes_gives_a_model(
    name: str, checkerboard: TrainingData, configs: dict[str, Config]
) -> None:
    """What is out of range is refused when params.yaml is read: no night ends by a number in it."""
    usual = configs[name].model_dump()
    for key in [key for key, value in usual.items() if isinstance(value, int | float)]:
        for number in (0, 0.5, 1, 50, LARGEST):
            try:
                config = type(configs[name]).model_validate(usual | {key: number})
            except ValidationError:
                continue
            model = fit_model(name, checkerboard, config, SEED)
            scores = model.scores(query_of(checkerboard, 1))
            assert np.isfinite(scores).all(), (key, number)


@pytest.mark.parametrize(
    "name", [name for name in sorted(REGISTRY) if algorithm(name).of_catalogue], indirect=True
)
def test_a_model_of_the_catalogue_alone_is_the_same_whatever_people_did(
    name: str, model: Model, checkerboard: TrainingData, configs: dict[str, Config]
) -> None:
    """It is fitted once a night, where others are fitted before the test and on everything."""
    nobody = replace(
        checkerboard,
        interactions=sparse.csr_array(checkerboard.interactions.shape, dtype=np.float32),
        events=checkerboard.events.where(np.zeros(len(checkerboard.events), dtype=bool)),
        baskets=None,
    )
    again = fit_model(name, nobody, configs[name], SEED)
    assert again.settings() == model.settings()
    for array, value in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[array], value)
