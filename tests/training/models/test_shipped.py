"""The values of params.yaml serve small shops and large ones: what one history bears, another may not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from database.settings import REPOSITORY
from training.models.core.base import Config
from training.models.core.data import TrainingData
from training.models.core.types import BoolArray, Csr, FloatArray
from training.models.core.vocabulary import Vocabulary
from training.models.registry import fit_model
from training.params import Params, load_params

pytestmark = pytest.mark.slow

USERS, ITEMS, KINDS, BOUGHT = 300, 120, 3, 5
TASTES = 12


@dataclass(frozen=True)
class Shop:
    """Users like two of TASTES tastes, and buy what is popular in them, and now and then something else."""

    bought: Csr
    """csr float32[users, items]."""
    held_out: BoolArray
    """bool[users, items]: a fifth of what each user bought."""


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(REPOSITORY / "params.yaml")


@pytest.fixture(scope="module")
def purchases() -> Csr:
    """csr float32: each user bought five of the forty items of one kind."""
    generator = np.random.default_rng(0)
    bought = np.zeros((USERS, ITEMS), dtype=np.float32)
    for user in range(USERS):
        kind = user % KINDS * (ITEMS // KINDS)
        bought[user, kind + generator.choice(ITEMS // KINDS, BOUGHT, replace=False)] = 5.0
    return sparse.csr_array(bought)


@pytest.fixture(scope="module", params=[(200, 100, 10), (1000, 400, 30)], ids=["small", "large"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """So many users, items, and purchases of each user."""
    users, items, each = request.param
    generator = np.random.default_rng(0)
    popularity = generator.permutation(1.0 / np.arange(1, items + 1) ** 0.7)
    taste = generator.integers(0, TASTES, items)
    bought = np.zeros((users, items), dtype=np.float32)
    held_out = np.zeros((users, items), dtype=bool)
    for user in range(users):
        liked = np.isin(taste, generator.choice(TASTES, 2, replace=False))
        chance = popularity * np.where(liked, 1.0, 0.5 / TASTES)
        drawn = generator.choice(items, each, replace=False, p=chance / chance.sum())
        bought[user, drawn[each // 5 :]] = 5.0
        held_out[user, drawn[: each // 5]] = True
    return Shop(sparse.csr_array(bought), held_out)


def scores_of(name: str, bought: Csr, config: Config, seed: int) -> FloatArray:
    """What the model makes of everyone, what they bought left out."""
    items = Vocabulary.build(f"i{number:04d}" for number in range(bought.shape[1]))
    users = Vocabulary.build(f"u{number:04d}" for number in range(bought.shape[0]))
    scores = fit_model(name, TrainingData(items, users, bought), config, seed).score_batch(bought)
    scores[bought.toarray() > 0] = -np.inf
    return scores


@pytest.mark.parametrize("name", ["als", "nmf", "ease", "itemknn"])
def test_a_small_shops_users_are_shown_their_kind(name: str, purchases: Csr, params: Params) -> None:
    config: Any = getattr(params, name)
    scores = scores_of(name, purchases, config, params.seed)
    first = np.argsort(-scores, axis=1)[:, :BOUGHT]
    kind = first // (ITEMS // KINDS)
    assert (kind == (np.arange(USERS) % KINDS)[:, None]).mean() > 0.9
    assert np.take_along_axis(scores, first, axis=1).min() > 1e-3


@pytest.mark.parametrize(("name", "key"), [("als", "regularization"), ("nmf", "l2")])
def test_no_other_regularisation_is_much_better_for_a_shop_of_any_size(
    name: str, key: str, shop: Shop, params: Params
) -> None:
    def found(times: float) -> float:
        config: Any = getattr(params, name)
        changed = config.model_copy(update={key: times * getattr(config, key)})
        scores = scores_of(name, shop.bought, changed, params.seed)
        first = np.argsort(-scores, axis=1)[:, :10]
        return float(np.take_along_axis(shop.held_out, first, axis=1).mean())

    shipped = found(1.0)
    assert shipped > 0.8 * max(found(0.3), found(2.0))
    popular = np.tile(shop.bought.astype(bool).sum(axis=0), (len(shop.held_out), 1)).astype(np.float64)
    popular[shop.bought.toarray() > 0] = -1.0
    best = np.argsort(-popular, axis=1)[:, :10]
    assert shipped > 1.5 * np.take_along_axis(shop.held_out, best, axis=1).mean()
