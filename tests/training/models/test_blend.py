import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.models.blend import LEAST_SPREAD, Blend, combine, normalise, weights_by_model
from training.models.core.base import Config
from training.models.core.data import TrainingData
from training.models.registry import fit_model


def test_the_unit_of_a_models_scores_does_not_matter() -> None:
    one = np.array([0, 1, 2, 3], dtype=np.float32)
    other = np.array([3, 0, 1, 0], dtype=np.float32)
    again = combine([(1000 * one, 1.0), (other / np.float32(7), 0.5)])
    np.testing.assert_allclose(combine([(one, 1.0), (other, 0.5)]), again, rtol=1e-5)


def test_no_opinion_stays_none() -> None:
    scores = normalise(np.array([[0, 2, 4], [0, 0, 0]], dtype=np.float32))
    assert scores[0, 0] == 0.0
    assert scores[1].tolist() == [0, 0, 0]
    assert scores.dtype == np.float32


def test_a_model_without_opinion_leaves_the_others_alone() -> None:
    some = np.array([1, 2, 0], dtype=np.float32)
    np.testing.assert_array_equal(
        np.argsort(combine([(some, 0.1), (np.zeros(3, np.float32), 5.0)])), np.argsort(some)
    )


def test_models_that_contradict_each_other_leave_no_opinion_but_rounding() -> None:
    """.1 + .2 - .3 is not 0 in floating point: the processor decided whether such an item is in the list."""
    scores = np.random.default_rng(1).normal(size=(5, 40)).astype(np.float32)
    against = [(scores, 0.1), (scores, 0.2), (-scores, 0.3)]
    assert not combine(against).any()
    kept = combine([*against, (np.eye(5, 40, dtype=np.float32), 0.1)])
    assert ((kept != 0) == np.eye(5, 40, dtype=np.bool_)).all()


def test_a_blend_without_weights_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^no model of the blend has a weight above zero$"):
        combine([(np.ones(3, dtype=np.float32), 0.0)])
    with pytest.raises(ValueError, match=r"^new_items has a weight, but which items are new is not given$"):
        weights_by_model({"ease": 1.0, "new_items": 0.5})


def test_rows_of_a_batch_are_blended_one_by_one(
    checkerboard: TrainingData, configs: dict[str, Config]
) -> None:
    models = {name: fit_model(name, checkerboard, configs[name], 1) for name in ("als", "ease")}
    blend = Blend(models, {"als": 0.5, "ease": 1.0}, np.zeros(checkerboard.n_items, dtype=np.bool_))
    whole = blend.score_batch(checkerboard.interactions)
    np.testing.assert_allclose(whole[[4]], blend.score_batch(checkerboard.interactions[[4]]), rtol=1e-4)


def test_new_items_are_weighed_by_their_words(checkerboard: TrainingData, configs: dict[str, Config]) -> None:
    models = {name: fit_model(name, checkerboard, configs[name], 1) for name in ("tfidf", "ease")}
    new = np.arange(checkerboard.n_items) < 3
    plain = Blend(models, {"ease": 1.0}, new).score_batch(checkerboard.interactions)
    found = Blend(models, {"ease": 1.0, "new_items": 0.5}, new).score_batch(checkerboard.interactions)
    words = normalise(models["tfidf"].score_batch(checkerboard.interactions))
    np.testing.assert_array_equal(found[:, ~new], plain[:, ~new])
    np.testing.assert_allclose(found[:, new], (plain + 0.5 * words)[:, new], rtol=1e-5)
    assert (found[:, new] > plain[:, new]).any()


def test_scores_that_hardly_differ_are_not_blown_up() -> None:
    flat = np.full(100, 0.5, dtype=np.float32)
    flat[3] += 1e-6
    opinion = np.zeros(100, dtype=np.float32)
    opinion[7] = 1.0
    assert np.abs(normalise(flat)).max() <= 1001
    assert combine([(flat, 1.0), (opinion, 1.0)]).argmax() == 7
    single = np.zeros(200_000, dtype=np.float32)
    single[9] = 3.0
    assert normalise(single)[9] == np.float32(3.0) / single.std()


@given(
    st.lists(st.sampled_from([1e-6, 1.0, 300.0, 1e6]), min_size=1, max_size=4),
    st.lists(st.sampled_from([0.0, 0.999, 1.0, 1.0001, -2.0]), min_size=1, max_size=30),
)
def test_the_scores_of_one_user_are_scaled_by_themselves_whoever_else_is_in_the_batch(
    sizes: list[float], scores: list[float]
) -> None:
    batch = np.array([[size * score for score in scores] for size in sizes], dtype=np.float32)
    for found, alone in zip(normalise(batch), batch, strict=True):
        assert np.array_equal(found, normalise(alone))


def test_scores_that_hardly_differ_are_not_blown_up_beside_a_user_with_large_ones() -> None:
    small = np.full(1000, 1.0, dtype=np.float32)
    small[0] = 1.01
    large = np.zeros(1000, dtype=np.float32)
    large[0] = 1e6
    found = normalise(np.stack([small, large]))
    assert found[0].max() - found[0].min() == pytest.approx(0.01 / (1.01 * LEAST_SPREAD), rel=0.02)


@pytest.mark.parametrize("shape", [(0,), (1, 0), (3, 0), (0, 3)])
def test_scores_of_no_items_or_of_no_users_keep_their_shape(shape: tuple[int, ...]) -> None:
    found = normalise(np.zeros(shape, dtype=np.float32))
    assert found.shape == shape and found.dtype == np.float32
