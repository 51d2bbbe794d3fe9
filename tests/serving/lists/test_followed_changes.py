"""What a worker of a large catalogue keeps follows the changes: its lists are those of one just started."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from database.items import ItemRow
from serving.catalogue import catalogue as catalogues
from serving.catalogue import fields, variants
from serving.catalogue.index import LiveIndex
from serving.catalogue.rankings import Rankings, stamp
from serving.catalogue.signals import TrendingScores
from serving.conditions.masks import Masks
from serving.lists import recipes
from serving.lists.executor import MadeList, make_list
from serving.lists.recommender import basket_history
from serving.steps import context as contexts
from serving.steps.context import Context, Sort, User
from serving.text import postings, titles
from serving.text.synonyms import Synonyms
from tests.worlds.shop import (
    DIMENSION,
    ENCODER,
    NOW,
    SHADES,
    STUFFS,
    build_shop,
    deleted,
    encode,
    with_vector,
)
from tests.worlds.world import world_params

pytestmark = pytest.mark.slow

LARGE = 30
"""Live items above which a catalogue counts as large here; there are some 40."""
ITEMS = build_shop(3, 60, 10).snapshot
PLACES = st.integers(0, len(ITEMS) - 1)
QUERIES = ("red mug", "wooden card teapot", "mug", "card ribbon", "gift")
CARDS = st.lists(st.sampled_from([*SHADES[:2], *STUFFS[:2], "mug", "card"]), min_size=1, max_size=4)
FILTERS = ("price < 11 and not (price = 1)", "price = null or kind = 'article'")
PRICES = st.sampled_from([None, 0.0, 1.0, 2.5, 10.0, 12.0])


class Worker:
    """What one worker holds, and the lists that it makes."""

    def __init__(self) -> None:
        self.params = world_params()
        self.index = LiveIndex(ENCODER, DIMENSION, Synonyms(Path("none")), self.params.search)
        self._masks = Masks(self.index.catalogue)
        self._rankings: Rankings | None = None

    def lists(self, now: datetime, trending: TrendingScores, asked: str) -> dict[str, Any]:
        """Ids and scores of lists of each kind, about an item, and what they count."""
        catalogue = self.index.catalogue
        catalogue.at(now)
        if self._rankings is None or self._rankings.stamp != stamp(catalogue, trending):
            self._rankings = Rankings(catalogue, trending, None, self.params.ranking, self._rankings)
        row = catalogue.row(asked)
        found = {
            "popular": self._make(recipes.TRENDING_LIST),
            "listing": self._make(recipes.LISTING),
            "by price": self._make(recipes.LISTING, sort=Sort("price", "number", descending=True)),
            "by rating": self._make(recipes.LISTING, sort=Sort("rating", "number", descending=False)),
        }
        for number, text in enumerate(FILTERS):
            few = {"permitted": self._masks.mask(text)}
            found[f"{text} by price"] = self._make(
                recipes.LISTING, sort=Sort("price", "number", descending=bool(number)), **few
            )
            found[text] = self._make(recipes.SEARCH_PAGES, query="mug", vector=encode("mug"), **few)
        if row >= 0:
            user = User("ann", basket_history(np.array([row], dtype=np.int32)), day=now.date())
            about: dict[str, Any] = {"item": row, "user": user}
            for each in (recipes.SIMILAR_BY_TITLE, recipes.SIMILAR_BY_MEANING, recipes.RECOMMEND):
                found[each.name] = self._make(each, **about)
        for query in QUERIES:
            words = {"query": query, "vector": encode(query)}
            found[query] = self._make(recipes.SEARCH_PAGES, **words)
            found[f"{query} by price"] = self._make(
                recipes.SEARCH_PAGES, sort=Sort("price", "number", descending=False), **words
            )
        return {name: self._told(made, sorted_by_field=" by " in f" {name}") for name, made in found.items()}

    def _make(self, recipe: recipes.Recipe, **wanted: Any) -> MadeList:
        assert self._rankings is not None
        context = Context(
            index=self.index,
            bundle=None,
            rankings=self._rankings,
            params=self.params,
            weights={"tfidf": 1.0, "embeddings": 1.0},
            n=6,
            one_of_variants=True,
            **wanted,
        )
        return make_list(recipe, context)

    def _told(self, made: MadeList, *, sorted_by_field: bool) -> Any:
        catalogue = self.index.catalogue
        found = sorted(catalogue.id_of(row) for row in np.flatnonzero(made.found).tolist())
        if sorted_by_field:  # the score is a place among all rows, free ones too
            return [each.item.item_id for each in made.items], found
        # Rounded: a sum of the same numbers in another order differs in its last bits.
        return [(each.item.item_id, round(each.score, 4)) for each in made.items], found


class Changes(RuleBasedStateMachine):
    """Items come, change, are hidden and deleted; lists are asked for in between."""

    @initialize(
        few=st.integers(0, 2),
        common=st.sampled_from([2, 8, 10_000]),
        front=st.sampled_from([8, 20, 20_000]),
        told=st.sampled_from([4, 256]),
    )
    def begin(self, few: int, common: int, front: int, told: int) -> None:
        self._patches = [
            patch.object(contexts, "WHOLE_CATALOGUE", LARGE),
            patch.object(variants, "_REGROUPED", few),
            patch.object(postings, "COMMON", common),
            patch.object(titles, "_CANDIDATES", 8),
            patch.object(fields, "FRONT", front),
            patch.object(catalogues, "_LATEST", told),
        ]
        for each in self._patches:
            each.start()
        self._seq, self._now, self._asked = len(ITEMS), NOW, ITEMS[0].item_id
        self._rows = {row.item_id: row for row in ITEMS}
        self._trending = TrendingScores(1, {row.item_id: (float(n % 5), n) for n, row in enumerate(ITEMS)})
        self._worker = Worker()
        self._worker.index.apply(ITEMS)

    def teardown(self) -> None:
        for each in getattr(self, "_patches", []):
            each.stop()

    def _put(self, row: ItemRow) -> None:
        self._seq += 1
        row = replace(row, change_seq=self._seq)
        self._rows[row.item_id] = row
        self._worker.index.apply([row])

    @rule(place=PLACES, words=CARDS)
    def rename(self, place: int, words: list[str]) -> None:
        self._put(with_vector(replace(ITEMS[place], deleted_at=None, title=" ".join(words))))

    @rule(place=PLACES, price=PRICES)
    def price(self, place: int, price: float | None) -> None:
        self._put(replace(self._rows[ITEMS[place].item_id], price=price))

    @rule(place=PLACES, hidden=st.booleans(), hours=st.sampled_from([None, 1, 3]))
    def withdraw(self, place: int, hidden: bool, hours: int | None) -> None:
        until = None if hours is None else self._now + timedelta(hours=hours)
        self._put(replace(self._rows[ITEMS[place].item_id], hidden=hidden, expire_at=until))

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        self._put(deleted(ITEMS[place], 0))

    @rule(hours=st.integers(1, 3))
    def wait(self, hours: int) -> None:
        self._now += timedelta(hours=hours)

    @rule()
    def give_back(self) -> None:
        self._worker.index.catalogue.give_back([])

    @rule(place=PLACES)
    def trend(self, place: int) -> None:
        scores = {**self._trending.scores, ITEMS[place].item_id: (9.0, 4)}
        self._trending = TrendingScores(self._trending.version + 1, scores)

    @rule(place=PLACES)
    def ask(self, place: int) -> None:
        self._asked = ITEMS[place].item_id

    @invariant()
    def lists_are_those_of_a_worker_that_just_started(self) -> None:
        if not hasattr(self, "_worker"):
            return
        fresh = Worker()
        fresh.index.apply(list(self._rows.values()))
        wanted = fresh.lists(self._now, self._trending, self._asked)
        for _ in range(2):  # made, and kept
            assert self._worker.lists(self._now, self._trending, self._asked) == wanted


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=10, stateful_step_count=8)
