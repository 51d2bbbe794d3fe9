"""Association rules from a basket."""

import numpy as np

from serving.steps.context import NOBODY, User
from serving.steps.history import History
from serving.steps.sources.baskets import bought_together
from tests.worlds.world import world
from training.models.core.base import Query

ALLOWED = np.ones(0, dtype=np.bool_)


def test_the_rules_are_asked_with_what_the_bundle_knows_of_the_basket() -> None:
    made = world(0)
    assert made.placed is not None
    known = made.placed.rows[[2, 5, 9]]
    new = np.flatnonzero(made.context().changed_rows() & made.index.catalogue.column("alive"))[:1]
    rows = np.concatenate([known, new]).astype(np.int32)
    basket = History(liked=rows, weights=np.ones(len(rows), dtype=np.float32))
    column = bought_together(made.context(user=User(history=basket)), ALLOWED)["fpgrowth"]
    indexes = made.placed.indexes(rows)
    asked = Query(indexes[indexes >= 0], np.ones(int((indexes >= 0).sum()), dtype=np.float32))
    assert column.values.tolist() == made.placed.models.fpgrowth.basket_scores(asked).tolist()
    assert column.values.any()


def test_an_empty_basket_says_nothing() -> None:
    for which, bundle in ((0, True), (2, False)):
        asked = world(which, bundle=bundle).context(user=NOBODY)
        assert not bought_together(asked, ALLOWED)["fpgrowth"].values.any()
