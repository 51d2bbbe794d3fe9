"""The carts' table on baskets with a known answer, and cases that hold no item of their own answer."""

import re

import numpy as np
import pytest

from benchmarks.quality.carts import draw_cases, report
from database.settings import REPOSITORY
from training.data.prepared import Prepared
from training.models.core.data import Catalogue, Events
from training.models.core.vocabulary import Vocabulary
from training.params import load_params

BASKETS, KINDS, ITEMS = 400, 4, 40
NUMBER = re.compile(r"[+-]?\d+\.\d+")


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    """Each basket holds six of the ten items of one kind; the last begins with an item never sold before."""
    generator = np.random.default_rng(5)
    items = np.array(
        [generator.permutation(ITEMS // KINDS)[:6] + ITEMS // KINDS * (row % KINDS) for row in range(BASKETS)]
    )
    basket = np.repeat(np.arange(BASKETS, dtype=np.int32), 6)
    item = items.ravel().astype(np.int32)
    item[-6] = ITEMS
    time = basket.astype(np.int64) * 3600
    return Prepared(
        items=Vocabulary.build(f"i{i:02d}" for i in range(ITEMS + 1)),
        users=Vocabulary.build(f"u{i:02d}" for i in range(8)),
        events=Events(basket % 8, item, np.ones(len(item), dtype=np.float32), time),
        basket_item=item,
        basket_row=basket,
        basket_time=time,
        basket_event=np.arange(len(item), dtype=np.int32),
        catalogue=Catalogue(("",) * (ITEMS + 1), ("",) * (ITEMS + 1), ("",) * (ITEMS + 1)),
        vectors=np.zeros((ITEMS + 1, 4), dtype=np.float32),
    )


def test_the_rules_find_the_kind_and_popularity_does_not(prepared: Prepared) -> None:
    rows = [
        line.split(" | ") for line in report(prepared, load_params(REPOSITORY / "params.yaml")).splitlines()
    ]
    # ranker → hit rate, what the served rules have more of it, NDCG and the same; an interval each.
    found = {
        row[0].removeprefix("| "): [[float(n) for n in NUMBER.findall(cell)] for cell in row[1:]]
        for row in rows[4:]
        if len(row) > 1
    }
    served = found["rules of one and two items (served)"]
    assert served[0][0] > 0.9 and found["rules of one item"][0][0] > 0.9
    assert found["popularity"][0][0] < 0.5
    for rate, more, gain, more_gain in found.values():
        assert rate[0] + more[0] == pytest.approx(served[0][0], abs=2e-4)
        assert gain[0] + more_gain[0] == pytest.approx(served[2][0], abs=2e-4)
        for value, low, high in (rate, more, gain, more_gain):
            assert low <= value <= high
    _, low, high = found["popularity"][1]
    assert 0 < low < high, "the same carts: chance between them does not hide so large a difference"
    assert served[1] == served[3] == [0, 0, 0]


def test_a_case_is_of_one_late_basket_and_of_items_that_were_sold(prepared: Prepared) -> None:
    known = np.arange(ITEMS + 1) < ITEMS
    cases = draw_cases(prepared, (BASKETS - 50) * 3600, known, 1)
    assert len(cases) == 50
    for case in cases:
        kinds = {each // (ITEMS // KINDS) for each in [*case.cart.tolist(), case.answer]}
        assert len(kinds) == 1 and case.answer not in case.cart and known[case.answer]
        assert (np.diff(case.cart) > 0).all()
