"""The values of params.yaml serve a small shop too: what one large history bears, another may not."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from database.settings import REPOSITORY
from training.models.data import TrainingData
from training.models.registry import fit_model
from training.models.types import Csr
from training.models.vocabulary import Vocabulary
from training.params import load_params

USERS, ITEMS, KINDS, BOUGHT = 300, 120, 3, 5


@pytest.fixture(scope="module")
def purchases() -> Csr:
    """csr float32: each user bought five of the forty items of one kind."""
    generator = np.random.default_rng(0)
    bought = np.zeros((USERS, ITEMS), dtype=np.float32)
    for user in range(USERS):
        kind = user % KINDS * (ITEMS // KINDS)
        bought[user, kind + generator.choice(ITEMS // KINDS, BOUGHT, replace=False)] = 5.0
    return sparse.csr_array(bought)


@pytest.mark.parametrize("name", ["als", "nmf", "ease", "itemknn"])
def test_a_small_shops_users_are_shown_their_kind(name: str, purchases: Csr) -> None:
    params = load_params(REPOSITORY / "params.yaml")
    items = Vocabulary.build(f"i{number:03d}" for number in range(ITEMS))
    users = Vocabulary.build(f"u{number:03d}" for number in range(USERS))
    config: Any = getattr(params, name)
    model = fit_model(name, TrainingData(items, users, purchases), config, params.seed)
    scores = model.score_batch(purchases)
    scores[purchases.toarray() > 0] = -np.inf
    first = np.argsort(-scores, axis=1)[:, :BOUGHT]
    kind = first // (ITEMS // KINDS)
    assert (kind == (np.arange(USERS) % KINDS)[:, None]).mean() > 0.9
    assert np.take_along_axis(scores, first, axis=1).min() > 1e-3
