"""How good the next item of a cart is guessed: association rules beside what else could answer.

The last tenth of the baskets is the test. Of each, in an order drawn by the seed, the first one to ten items
are the cart and the one after them is the answer; the whole catalogue less the cart is ranked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from training import markdown
from training.data.prepared import Prepared
from training.evaluation.intervals import estimate_means
from training.models.core.base import Query
from training.models.core.data import TrainingData
from training.models.core.types import BoolArray, DoubleArray, FloatArray, IntArray
from training.models.fpgrowth import FpGrowth
from training.models.registry import fit_model
from training.params import Params

TEST_SHARE = 0.1
LARGEST_CART = 10
K = 10
RESAMPLES = 1000

Score = Callable[[Query], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A cart and the item that was bought with it."""

    cart: IntArray
    answer: int


def report(prepared: Prepared, params: Params, seed: int = 7) -> str:
    """The table as Markdown: hit rate and NDCG at 10, and how far the served ranker is above each in both."""
    cut = _start_of_test(prepared)
    data = prepared.training_data(prepared.events.time < cut, cut)
    assert data.baskets is not None
    of_baskets = replace(data, interactions=data.baskets)

    def fitted(name: str, learned: TrainingData = data) -> Score:
        return fit_model(name, learned, params.model(name), seed).scores

    rules = fit_model("fpgrowth", data, params.model("fpgrowth"), seed)
    assert isinstance(rules, FpGrowth)
    rankers: Mapping[str, Score] = {
        "rules of one and two items (served)": rules.basket_scores,
        "rules of one item": rules.scores,
        "item-kNN of users": fitted("itemknn"),
        "item-kNN of baskets": fitted("itemknn", of_baskets),
        "EASE of baskets": fitted("ease", of_baskets),
        "popularity": fitted("popularity"),
    }
    known = np.diff(data.baskets.tocsc().indptr) > 0
    cases = draw_cases(prepared, cut, known, seed)
    found = {name: _places(score, cases) for name, score in rankers.items()}
    served = next(iter(found.values()))
    rows = [(name, *_cells(places, served, seed)) for name, places in found.items()]
    less = "the served one's less this"
    head = ("ranker", f"hit rate@{K}", f"{less}, hit rate", f"NDCG@{K}", f"{less}, NDCG")
    return (
        f"{len(cases)} carts of 1 to {LARGEST_CART} items; {data.baskets.shape[0]} baskets to learn from, "
        f"{len(rules.data)} rules of one item, {len(rules.larger)} of two.\n\n" + markdown.table(head, rows)
    )


def _cells(places: IntArray, served: IntArray, seed: int) -> list[str]:
    """Hit rate and NDCG of a ranker, each with how far the served one is above it in the same carts."""
    own, best = [[(where < K).astype(np.float64), _gain(where)] for where in (places, served)]
    pairs = zip(own, best, strict=True)
    columns = np.column_stack([column for mine, other in pairs for column in (mine, other - mine)])
    cells = []
    for number, found in enumerate(estimate_means(columns, RESAMPLES, seed)):
        write = markdown.difference if number % 2 else markdown.interval
        cells.append(write(found.value, found.low, found.high))
    return cells


def draw_cases(prepared: Prepared, cut: int, known: BoolArray, seed: int) -> list[Case]:
    """A case of each basket from `cut` on that has two items that were sold before (`known`)."""
    generator = np.random.default_rng(seed)
    late = (prepared.basket_time >= cut) & known[prepared.basket_item]
    rows, items = prepared.basket_row[late], prepared.basket_item[late]
    cases = []
    for basket in np.unique(rows):
        order = generator.permutation(np.unique(items[rows == basket]))
        if len(order) > 1:
            size = int(generator.integers(1, min(len(order) - 1, LARGEST_CART) + 1))
            cases.append(Case(np.sort(order[:size]).astype(np.int32), int(order[size])))
    return cases


def _start_of_test(prepared: Prepared) -> int:
    """When the last tenth of the baskets begins, seconds since 1970."""
    first = np.full(int(prepared.basket_row.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, prepared.basket_row, prepared.basket_time)
    return int(np.quantile(first, 1 - TEST_SHARE, method="lower"))


def _places(score: Score, cases: list[Case]) -> IntArray:
    """The answer's place in each list, from 0; int32's largest where nothing speaks for it."""
    places = np.full(len(cases), np.iinfo(np.int32).max, dtype=np.int32)
    for number, case in enumerate(cases):
        ones = np.ones(len(case.cart), dtype=np.float32)
        scores = score(Query(case.cart, ones)).copy()
        scores[case.cart] = -np.inf
        if scores[case.answer] > 0:
            # Among equals the lower index comes first, as in lists.
            before = np.count_nonzero(scores[: case.answer] == scores[case.answer])
            places[number] = np.count_nonzero(scores > scores[case.answer]) + before
    return places


def _gain(places: IntArray) -> DoubleArray:
    """NDCG@K of one answer each: 1 / log2(place + 2)."""
    gains: DoubleArray = np.where(places < K, 1 / np.log2(places.astype(np.float64) + 2), 0.0)
    return gains
