"""The deviation of a model's scores, from what it stores, is that of the scores themselves."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.world import world
from training.models.bundle import Bundle
from training.models.core.base import Query
from training.models.core.covariance import BLOCK, covariance_of, deviation_along
from training.models.core.storage import Arrays
from training.models.embeddings import Embeddings


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 1000), st.sampled_from([0.0, 1.0, 50.0]))
@settings(max_examples=40)
def test_it_is_the_deviation_of_the_products(n_items: int, width: int, seed: int, mean: float) -> None:
    random = np.random.default_rng(seed)
    vectors = (random.normal(size=(n_items, width)) + mean).astype(np.float32)
    asked = random.normal(size=width).astype(np.float32)
    products = vectors.astype(np.float64) @ asked.astype(np.float64)
    rounding = 1e-3 * float(np.abs(asked).sum())
    assert deviation_along(covariance_of(vectors), asked) == pytest.approx(
        products.std(), rel=1e-3, abs=rounding
    )


def test_more_items_than_a_block_and_none_at_all() -> None:
    vectors = np.random.default_rng(0).normal(size=(BLOCK + 5, 3)).astype(np.float32)
    asked = np.array([1, -2, 0.5], dtype=np.float32)
    found = deviation_along(covariance_of(vectors), asked)
    assert found == pytest.approx(float((vectors @ asked).std()), rel=1e-5)
    assert deviation_along(covariance_of(vectors[:0]), asked) == 0.0


def bundle() -> Bundle:
    placed = world(0).placed
    assert placed is not None
    return placed.bundle


@pytest.mark.parametrize("name", ["als", "nmf", "popularity"])
@pytest.mark.parametrize("history", [(), (3,), (1, 4, 9, 20)])
def test_a_stored_model_knows_the_deviation_of_its_scores(name: str, history: tuple[int, ...]) -> None:
    items = np.array(history, dtype=np.int32)
    query = Query(items, np.linspace(1, 3, len(items), dtype=np.float32))
    scores, deviation = bundle().models[name].scores_and_deviation(query)
    assert scores.tolist() == bundle().models[name].scores(query).tolist()
    assert deviation == pytest.approx(float(scores.std(dtype=np.float64)), rel=1e-3, abs=1e-6)


class Older(Embeddings):
    """As a release stored them that knew of no covariance."""

    def arrays(self) -> Arrays:
        return {"vectors": self.vectors}


@pytest.mark.parametrize("name", ["ease", "tfidf", "fpgrowth"])
def test_lists_of_neighbours_tell_none(name: str) -> None:
    assert bundle().models[name].scores_and_deviation(Query())[1] is None


def test_embeddings_stored_without_a_covariance_get_it_when_they_are_opened(tmp_path: Path) -> None:
    model = bundle().models["embeddings"]
    assert isinstance(model, Embeddings)
    model.save(tmp_path / "new")
    Older(model.vectors, model.scalars, model.index).save(tmp_path / "older")
    assert not (tmp_path / "older" / "covariance.npy").exists()
    opened = [Embeddings.load(tmp_path / which) for which in ("new", "older")]
    assert np.allclose(opened[0].covariance, opened[1].covariance, atol=1e-7)
    profile = opened[0].profile(Query(np.array([0, 5], dtype=np.int32), np.ones(2, dtype=np.float32)))
    assert profile is not None
    cosines = model.vectors @ profile.vector
    assert opened[1].deviation(profile) == pytest.approx(float(cosines.std()), rel=1e-3)
