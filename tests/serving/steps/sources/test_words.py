"""Words and their meaning, of a search, of past ones and of interests."""

from dataclasses import replace

import numpy as np
import pytest

from serving.steps import context as contexts
from serving.steps.sources import words
from serving.steps.table import INTEREST, SEARCH, numbered
from tests.worlds.plain_lists import Plain, alike, said, scaled, total, weighted
from tests.worlds.world import texts, user, world


@pytest.fixture(params=[20_000, 10], ids=["small", "large"])
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", request.param)


@pytest.mark.usefixtures("limit")
def test_words_and_meaning_of_a_search() -> None:
    made = world(0)
    for seed in range(4):
        ((query, vector),) = texts(seed, 1)
        asked = made.context(query=query, vector=vector)
        plain, allowed = Plain(made, asked), made.index.catalogue.listed(None)
        if plain.knows(query):
            assert alike(said(made, words.words(asked, allowed)["words"]), plain.word_scores(query))
        found = said(made, words.meaning(asked, allowed)["meaning"])
        least = asked.params.search.min_similarity
        near = {each: cosine for each, cosine in plain.near(vector).items() if cosine >= least}
        assert found.keys() <= near.keys() and all(abs(near[each] - found[each]) < 1e-5 for each in found)


@pytest.mark.usefixtures("limit")
def test_an_interest_is_half_words_and_half_meaning_for_every_candidate() -> None:
    made = world(0)
    asked = made.context(user=user(made, 5, interests=2))
    plain, allowed = Plain(made, asked), made.index.catalogue.listed(None)
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    columns = words.interests(asked, allowed)
    for place, (text, vector) in enumerate(asked.user.interests):
        if not plain.knows(text):
            continue
        wanted = total([weighted(plain.word_scores(text), 0.5), weighted(plain.near(vector), 0.5)])
        values = columns[numbered(INTEREST, place)].at(live, asked.n_rows).tolist()
        assert alike(
            {made.item_id(row): each for row, each in zip(live.tolist(), values, strict=True)}, wanted
        )


def test_older_searches_count_less() -> None:
    made = world(0)
    ((query, vector),) = (each for each in texts(3, 1))
    who = replace(user(made, 5), searches=((query, vector), (query, vector)))
    asked = made.context(user=who)
    columns = words.past_searches(asked, made.index.catalogue.listed(None))
    newest, older = (columns[numbered(SEARCH, age)].values for age in (0, 1))
    assert newest.any() and np.allclose(older, asked.params.ranking.query_decay * newest)
    assert scaled(said(made, columns[numbered(SEARCH, 0)]))


def test_a_text_is_searched_once_for_a_list() -> None:
    made = world(0)
    asked = made.context(query="x")
    assert words.word_matches(asked, "x") is words.word_matches(asked, "x")
