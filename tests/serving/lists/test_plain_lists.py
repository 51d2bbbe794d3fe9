"""Every list is what docs/ranking.md says, on small shops as they are: compared with slow, plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.lists import recipes
from serving.lists.executor import make_list
from serving.lists.home import make_home
from serving.lists.recommender import basket_history
from serving.steps import context as contexts
from serving.steps.context import Context, User
from serving.types import UNTOLD
from tests.worlds.plain_lists import Plain, agree, agree_in_turn, agree_reordered, only
from tests.worlds.world import World, changed_params, texts, user, world

KINDS = st.sampled_from([None, frozenset({"product"}), frozenset({"article", "content"})])
LENGTHS = st.sampled_from([1, 7, 30, 200])
"""The longest is past the pool of candidates, and past the shop."""


class Ask:
    """Somebody in some world asks for a list."""

    def __init__(self, made: World, asked: Context, drawn: str) -> None:
        self.made, self.asked, self._drawn = made, asked, drawn

    def __repr__(self) -> str:
        return f"Ask({self._drawn})"


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """Somebody asks for a list, in a tiny shop, a small one, or one without a bundle."""
    which = draw(
        st.sampled_from([(0, "tiny", True), (0, "small", True), (1, "small", True), (2, "small", False)])
    )
    of_user = {"seed": draw(st.integers(0, 30)), "events": draw(st.sampled_from([0, 2, 4, 12, 40]))}
    of_user |= {"searches": draw(st.integers(0, 3)), "interests": draw(st.integers(0, 2))}
    n, kinds = draw(LENGTHS), draw(KINDS)
    made = world(which[0], which[1], bundle=which[2])
    asked = made.context(n, kinds=kinds, user=user(made, **of_user))
    plain = Plain(made, asked)
    who = asked.user
    searches = [each for each in who.searches if plain.knows(each[0])]
    interests = [each for each in who.interests if plain.knows(each[0])]
    asked = replace(asked, user=replace(who, searches=searches, interests=interests))
    return Ask(made, asked, f"{which}, {of_user}, n={n}, kinds={kinds}")


def about_an_item(made: World, asked: Context, place: int) -> Context:
    """The same list, asked about an item."""
    rows = np.flatnonzero(made.index.catalogue.column("alive"))
    return made.context(asked.n, kinds=asked.kinds, item=int(rows[place % len(rows)]))


@given(asks())
@settings(max_examples=25)
def test_the_shared_lists_of_home(ask: Ask) -> None:
    made, asked = ask.made, ask.asked
    plain = Plain(made, made.context(asked.n, kinds=asked.kinds))
    home = make_home(asked)
    popular = only(plain.popular, plain.listed())
    agree(home.rows["trending"], popular, asked.n, worthy="all")
    agree(home.rows["best_value"], plain.best_value(), asked.n)
    names = plain.top_categories()
    if names:
        assert list(home.top_categories) == names
    for name, found in home.top_categories.items():
        own = {
            each: score
            for each, score in popular.items()
            if name == "Other" or plain.items[each].category == name
        }
        agree(found, own, asked.n, worthy="all")
        assert (found.part, found.shared) == (name, True)
        told = {str(each.reason) for each in found.items if each.reason.code == "popular_in_category"}
        assert told <= {f"popular in {name}"}
    assert home.rows["trending"].shared and home.rows["best_value"].shared


@given(asks(), st.sampled_from(["tuned", "original"]), st.sampled_from([0.0, 0.5]))
@settings(max_examples=25)
def test_personalized(ask: Ask, weights: str, penalty: float) -> None:
    made, asked = ask.made, ask.asked
    params = changed_params(made.params, "ranking", dislike_penalty=penalty)
    own = (
        asked.weights
        if weights == "tuned"
        else dict.fromkeys(("als", "tfidf", "fpgrowth", "embeddings"), 1.0)
    )
    asked = made.context(asked.n, kinds=asked.kinds, user=asked.user, params=params, weights=own)
    plain = Plain(made, asked)
    agree_reordered(plain, make_list(recipes.PERSONALIZED, asked), plain.personalized(), spread=True)


@given(asks())
@settings(max_examples=25)
def test_diverse_picks(ask: Ask) -> None:
    made, asked = ask.made, ask.asked
    home = make_home(asked)
    beside = asked.excluding(home.rows["personalized"].rows)
    agree(home.rows["diverse_picks"], Plain(made, beside).diverse_picks(), asked.n)
    shown = [
        item.item.item_id for name in ("personalized", "diverse_picks") for item in home.rows[name].items
    ]
    assert len(set(shown)) == len(shown)


@given(asks(), st.booleans())
@settings(max_examples=25)
def test_the_als_list(ask: Ask, hide_seen: bool) -> None:
    made, asked = ask.made, ask.asked
    asked = made.context(asked.n, kinds=asked.kinds, user=asked.user, hide_seen=hide_seen)
    plain, found = Plain(made, asked), make_list(recipes.ALS, asked)
    wanted = plain.als()
    if wanted:
        agree_reordered(plain, found, wanted, spread=False)
    else:
        popular = only(plain.popular, plain.allowed(unseen=True))
        agree(found, popular, asked.n, worthy="all")
        assert not found.items or found.fallback == "popular"


@given(
    asks(),
    st.sampled_from(
        [{"cf": 0.5, "embeddings": 0.5}, {"cf": 0.8, "embeddings": 0.2}, {"cf": 1.0}, {"embeddings": 1.0}, {}]
    ),
)
@settings(max_examples=25)
def test_the_hybrid_list(ask: Ask, shares: dict[str, float]) -> None:
    made, asked = ask.made, ask.asked
    asked = made.context(asked.n, kinds=asked.kinds, user=asked.user, shares=shares)
    plain = Plain(made, asked)
    agree_reordered(plain, make_list(recipes.COLD_START, asked), plain.cold(), spread=True)
    wanted = only(plain.hybrid(), plain.allowed(unseen=True))
    if any(score > 1e-4 for score in wanted.values()):
        agree_reordered(plain, make_list(recipes.HYBRID, asked), wanted, spread=True)


@given(asks(), st.booleans())
@settings(max_examples=25)
def test_a_list_whose_reasons_nobody_asked_for_is_the_same_list(ask: Ask, explain: bool) -> None:
    asked = replace(ask.asked, shares={"cf": 0.5, "embeddings": 0.5}, explain=explain)
    for recipe in (recipes.PERSONALIZED, recipes.ALS, recipes.HYBRID, recipes.RECOMMEND, recipes.TRENDING):
        told, untold = (make_list(recipe, replace(asked, reasons=reasons)) for reasons in (True, False))
        assert all(each.reason for each in told.items)
        assert untold.items == [replace(each, reason=UNTOLD) for each in told.items]
        assert (untold.name, untold.fallback) == (told.name, told.fallback)


@given(asks(), st.sampled_from([(0.5, 0.5), (0.8, 0.2), (1.0, 0.0), (0.0, 1.0)]))
@settings(max_examples=25)
def test_the_list_of_a_cold_start(ask: Ask, shares: tuple[float, float]) -> None:
    made, asked = ask.made, ask.asked
    weighed = dict(zip(("cf", "embeddings"), shares, strict=True))
    asked = made.context(asked.n, kinds=asked.kinds, user=asked.user, shares=weighed)
    plain = Plain(made, asked)
    agree_reordered(plain, make_list(recipes.COLD_START, asked), plain.cold(), spread=True)


def narrowed(made: World, asked: Context, seed: int) -> Context:
    """The same list with what /v1 adds to a request: a filter, items to leave out, more or less variety."""
    random = np.random.default_rng(seed)
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    return replace(
        asked,
        permitted=None if seed % 3 == 0 else random.random(asked.n_rows) < 0.6,
        exclude=random.choice(live, 3, replace=False),
        diversity=None if seed % 2 else float(random.choice([0.0, 0.4, 1.0])),
    )


@given(asks(), st.integers(0, 100))
@settings(max_examples=25)
def test_lists_with_a_filter_exclusions_and_variety(ask: Ask, seed: int) -> None:
    made, asked = ask.made, narrowed(ask.made, ask.asked, seed)
    plain = Plain(made, asked)
    personal, cold = make_list(recipes.PERSONALIZED, asked), make_list(recipes.COLD_START, asked)
    agree_reordered(plain, personal, plain.personalized(), spread=True)
    agree_reordered(plain, cold, plain.cold(), spread=True)
    agree(make_list(recipes.POPULAR, asked), plain.popular_unseen(), asked.n, worthy="all")


@given(asks(), st.integers(0, 100))
@settings(max_examples=25)
def test_what_is_recommended_is_filled_up_with_popular_items(ask: Ask, seed: int) -> None:
    made, asked = ask.made, replace(narrowed(ask.made, ask.asked, seed), diversity=None)
    found = make_list(recipes.RECOMMEND, asked)
    first = make_list(recipes.PERSONALIZED, asked)
    filled = bool(first.items)
    first = first if filled else make_list(recipes.COLD_START, asked)
    assert [each.item for each in found.items[: len(first.items)]] == [each.item for each in first.items]
    rest = replace(found, items=found.items[len(first.items) :])
    if filled:
        others = Plain(made, asked.excluding(first.rows)).popular_unseen()
        agree(rest, others, asked.n - len(first.items), worthy="all")
    else:
        assert not rest.items


@given(asks(), st.lists(st.integers(0, 10_000), min_size=1, max_size=4), st.integers(0, 100))
@settings(max_examples=25)
def test_the_list_of_a_cart(ask: Ask, places: list[int], seed: int) -> None:
    made = ask.made
    live = np.flatnonzero(made.index.catalogue.column("alive")).astype(np.int32)
    rows = np.unique(live[np.array(places) % len(live)])
    asked = replace(narrowed(made, ask.asked, seed), user=User(history=basket_history(rows)))
    agree_in_turn(make_list(recipes.CART, asked), Plain(made, asked).cart(), asked.n)


@given(asks(), st.integers(0, 10_000))
@settings(max_examples=25)
def test_what_is_like_an_item(ask: Ask, place: int) -> None:
    made, asked = ask.made, ask.asked
    about = about_an_item(made, asked, place)
    plain, item_id = Plain(made, about), made.item_id(about.item)
    near = only(plain.near(made.vectors.get(item_id), negative=True), plain.allowed(itself=False))
    agree(make_list(recipes.NEAR_ITEM, about), near, about.n, worthy="scored")
    agree(make_list(recipes.SAME_PEOPLE, about), plain.same_people(), about.n, worthy="scored")
    agree(make_list(recipes.SIMILAR_TO_NEW_ITEM, about), plain.like_new_item(), about.n)
    titled = plain.similar_titles()
    found = make_list(recipes.SIMILAR_TITLES, about)
    labels = [each.model for each in found.items]
    assert labels == sorted(labels, reverse=True), "named alike first, then what is near in meaning"
    by_name = [each for each in found.items if each.model == "tfidf"]
    assert len(by_name) == min(about.n, len(titled))
    assert len(found.items) == min(about.n, len(titled.keys() | near.keys()))


@given(asks(), st.integers(0, 200))
@settings(max_examples=25)
def test_searches(ask: Ask, seed: int) -> None:
    made, asked = ask.made, ask.asked
    ((query, vector),) = texts(seed, 1)
    searched = made.context(asked.n, kinds=asked.kinds, query=query, vector=vector)
    plain = Plain(made, searched)
    if not plain.knows(query):
        return  # a word that no listed item has is guessed: tests/serving/text
    wanted = only(plain.search(query, vector, plain.allowed(), asked.n), plain.allowed())
    agree(make_list(recipes.SEARCH, searched), wanted, asked.n)
    found = make_list(recipes.SEARCH_PAGES, searched)
    agree(found, wanted, asked.n)
    assert np.count_nonzero(found.found) == len([score for score in wanted.values() if score > 0])
    near = only(plain.near(vector, negative=True), plain.allowed())
    agree(make_list(recipes.NEAR_QUERY, searched), near, asked.n, worthy="scored")


@pytest.mark.slow
def test_a_shop_that_is_longer_than_every_block() -> None:
    """1,900 items: more than columns grow by, than neighbours are found at a time, than any pool holds."""
    made = world(0, "large")
    for number in range(3):
        who = user(made, number, events=30, searches=2)
        asked = made.context(60, user=who, shares={"cf": 0.5, "embeddings": 0.5})
        plain = Plain(made, asked)
        agree_reordered(plain, make_list(recipes.PERSONALIZED, asked), plain.personalized(), spread=True)
        wanted = only(plain.hybrid(), plain.allowed(unseen=True))
        agree_reordered(plain, make_list(recipes.HYBRID, asked), wanted, spread=True)
    shared = made.context(1500)
    plain = Plain(made, shared)
    agree(make_home(shared).rows["trending"], only(plain.popular, plain.listed()), 1500, worthy="all")
    agree(make_home(shared).rows["best_value"], plain.best_value(), 1500)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [20_000, 100], ids=["whole", "pooled"])
def test_lists_of_one_source_are_the_same_where_each_brings_only_its_best(
    whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a catalogue that counts as large, and with more neighbours than are found at a time."""
    monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", whole)
    made = world(0, "large")
    live = np.flatnonzero(made.index.catalogue.column("alive"))
    for number in range(3):
        asked = made.context(60, user=user(made, number, events=30))
        plain = Plain(made, asked)
        agree_reordered(plain, make_list(recipes.ALS, asked), plain.als(), spread=False)
        about = made.context(1500, item=int(live[-1 - number]))
        plain = Plain(made, about)
        vector = made.vectors.get(made.item_id(about.item))
        near = only(plain.near(vector, negative=True), plain.allowed(itself=False))
        agree(make_list(recipes.NEAR_ITEM, about), near, 1500, worthy="scored")
        agree(make_list(recipes.SAME_PEOPLE, about), plain.same_people(), 1500, worthy="scored")


@pytest.mark.slow
def test_a_pool_of_the_best_makes_nearly_the_list_that_all_items_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = world(0, "large")
    for number in range(3):
        asked = made.context(20, user=user(made, number, events=30, searches=1))
        monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", 20_000)
        whole = {item.item.item_id for item in make_list(recipes.PERSONALIZED, asked).items}
        monkeypatch.setattr(contexts, "WHOLE_CATALOGUE", 100)
        pooled = {item.item.item_id for item in make_list(recipes.PERSONALIZED, asked).items}
        assert len(pooled) == 20 and len(whole & pooled) >= 15
