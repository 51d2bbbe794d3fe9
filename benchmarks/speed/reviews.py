"""A generated history with the shape of Amazon's Appliances reviews, of any size.

That set has 2,016,674 ratings of 90,276 items by 1,692,877 users, of whom 81 % rated one item; few items have
most of the ratings. Tastes are made: a user rates mostly items of one of a few hundred groups, so that a
model has something to learn.
"""

import numpy as np
from scipy import sparse

from training.models.core.data import TrainingData
from training.models.core.types import Csr, IntArray
from training.models.core.vocabulary import Vocabulary

RATINGS = 2_016_674
_USERS = 1_692_877 / RATINGS
_ITEMS = 90_276 / RATINGS
_ONE_RATING = 0.81
_GROUPS = 300
_OWN_GROUP = 0.8
_SKEW = 2.6
"""Item = n * u^skew of a uniform u: the best-known hundredth of the items has a sixth of the ratings."""


def reviews(ratings: int = RATINGS, seed: int = 0) -> Csr:
    """Who rated what: csr float32[n_users, n_items] of stars, 1 to 5.

    A pair that is drawn twice is one rating, so that there are a few per cent fewer than asked for.
    """
    draw = np.random.default_rng(seed)
    n_users, n_items = max(2, int(ratings * _USERS)), max(2, int(ratings * _ITEMS))
    user = _raters(n_users, ratings, draw)
    groups = min(_GROUPS, n_items)
    group = draw.integers(groups, size=n_users)[user]
    popular = (draw.random(len(user)) ** _SKEW * n_items).astype(np.int64)
    # The nearest item of the user's own group: an item's group is its number's remainder.
    own = np.minimum(popular - popular % groups + group, n_items - 1)
    item = np.where(draw.random(len(user)) < _OWN_GROUP, own, popular)
    stars = draw.choice(np.arange(1, 6, dtype=np.float32), size=len(user), p=(0.1, 0.04, 0.06, 0.14, 0.66))
    made = sparse.csr_array(sparse.coo_array((np.ones_like(stars), (user, item)), shape=(n_users, n_items)))
    made.sum_duplicates()
    made.data[:] = stars[: made.nnz]
    return made


def _raters(n_users: int, ratings: int, draw: np.random.Generator) -> IntArray:
    """The user of each rating, int32: all rate one item, a fifth of them more."""
    more = np.flatnonzero(draw.random(n_users) > _ONE_RATING)
    rest = draw.choice(more, size=ratings - n_users) if len(more) else np.zeros(0, dtype=np.int64)
    return np.concatenate([np.arange(n_users), rest]).astype(np.int32)


def training_data(interactions: Csr) -> TrainingData:
    """The history as a model's input, under made ids."""
    users, items = (
        Vocabulary.build([f"{number:09d}" for number in range(count)]) for count in interactions.shape
    )
    return TrainingData(items=items, users=users, interactions=interactions)
