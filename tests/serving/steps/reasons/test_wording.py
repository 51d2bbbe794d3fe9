"""Neighbours need users behind them, and a reason something to stand for."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.steps.context import Recent
from serving.steps.reasons import texts, wording
from serving.steps.reasons.history import leading_items
from serving.steps.sources.similar import same_people
from serving.steps.table import INTEREST, Table, numbered
from serving.types import Item, Reason
from tests.worlds.tables import floats, table_of
from tests.worlds.world import user, world
from training.models.fpgrowth import TELLING_LIFT, Rule

ALLOWED = np.ones(3, dtype=np.bool_)


def bundle(users: list[int], cosines: list[float], lift: float = 1.0) -> Any:
    """Three items; item 0 is asked about, and the others have so many users and such cosines with it."""
    als = SimpleNamespace(
        n_items=3, similar=lambda index, k: (np.array([1, 2]), np.array(cosines, dtype=np.float32))
    )
    rule = Rule(antecedents=(0,), consequent=1, support=0.1, confidence=0.3, lift=lift)
    return SimpleNamespace(
        rows=np.arange(3, dtype=np.int32),
        index=lambda row: row,
        models=SimpleNamespace(
            als=als,
            popularity=SimpleNamespace(all_time=np.array([500, *users])),
            fpgrowth=SimpleNamespace(explain=lambda index, items: rule),
        ),
    )


def context(bundle: Any = None) -> Any:
    items = [
        Item(item_id=name, kind="product", title=name, category="light") for name in ("lamp", "mug", "tray")
    ]
    rankings = SimpleNamespace(popularity=np.array([1.0, 0.0, 0.5]), events=np.zeros(3, dtype=np.int32))
    return SimpleNamespace(
        bundle=bundle, item=0, rankings=rankings, row_item=items.__getitem__, query="light"
    )


def table(*rows: int) -> Any:
    found = np.array(rows, dtype=np.int32)
    none = np.zeros(len(rows), dtype=np.float32)
    return Table(found, found.astype(np.uint64), found >= 0, {}, {}, none)


def test_one_click_of_one_user_does_not_stand_beside_the_bestseller() -> None:
    column = same_people(context(bundle(users=[1, 400], cosines=[0.95, 0.6])), ALLOWED)["als"]
    one_user, bestseller = column.values
    assert bestseller > 3 * one_user


def test_a_basket_rule_near_chance_is_no_reason() -> None:
    for lift, told in ((1.0, False), (1.1, False), (4.2, True)):
        asked = context(bundle(users=[9, 9], cosines=[0.5, 0.5], lift=lift))
        (reason,) = wording.of_people(asked, table(1), ["als"])
        assert ("by chance" in reason) == told, reason


def test_what_nobody_touched_is_called_neither_popular_nor_top() -> None:
    untouched, known = wording.of_popularity(context(), table(1, 2), ["popular", "popular"])
    assert "popular" not in untouched and "popular" in known
    untouched, known = wording.of_category(context(), table(1, 2), ["top_categories"] * 2)
    assert untouched != known and "top" not in untouched


def test_what_is_near_an_item_in_meaning_names_it() -> None:
    asked = context()
    asked.query = ""
    for reason in wording.of_meaning(asked, table(1, 2), ["embeddings"] * 2):
        assert (reason, reason.item) == ("close in meaning to 'lamp'", "lamp")
    asked.query = "light"
    for reason in wording.of_meaning(asked, table(1, 2), ["embeddings"] * 2):
        assert (reason, reason.item) == ("close in meaning to 'light'", None)


def test_words_and_meaning_are_told_by_what_the_user_did_and_users_by_each_other() -> None:
    made = world(0, "small")
    asked = made.context(user=user(made, 3, events=20))
    rows = np.flatnonzero(made.index.catalogue.column("alive"))[:60].astype(np.int32)
    codes = {}
    for label in ("embeddings", "tfidf", "als"):
        told = wording.of_user(asked, table(*rows.tolist()), [label] * len(rows))
        leading = leading_items(asked, label, rows).tolist()
        codes[label] = {
            reason.code.split("_you_")[0]
            for reason, item in zip(told, leading, strict=True)
            if item >= 0 and reason.item == asked.row_item(item).item_id
        }
    assert codes["embeddings"] == codes["tfidf"] == {"because"}
    assert codes["als"] <= {"people_like_you", "people_like", "people", "bought_together"} and codes["als"]


def test_a_basket_is_told_by_all_items_of_its_rule_and_never_by_a_hidden_one() -> None:
    """The item itself is linked where there is one only."""
    for antecedents, hidden, named, linked in (
        ((0,), [], "lamp", "lamp"),
        ((0, 1), [], "lamp and mug", None),
        ((0, 1), [1], None, None),
        ((1,), [0], "mug", "mug"),
    ):
        rule = Rule(antecedents=antecedents, consequent=2, support=0.1, confidence=0.3, lift=4.2)
        learned = bundle(users=[9, 9], cosines=[0.5, 0.5])
        learned.indexes = lambda rows: rows
        learned.models.fpgrowth.explain_basket = lambda rows, basket, rule=rule: [rule]
        asked = context(learned)
        mask = np.isin(np.arange(3), hidden)
        asked.index = SimpleNamespace(catalogue=SimpleNamespace(column=lambda name, mask=mask: mask))
        asked.model_query = lambda items=antecedents: SimpleNamespace(items=items)
        (reason,) = wording.of_basket(asked, table(2), ["fpgrowth"])
        if named is None:
            assert "lamp" not in reason and "mug" not in reason
        else:
            assert named in reason
        assert reason.item == linked


def told(reasons: list[Reason]) -> list[tuple[str, str, str | None, dict[str, float]]]:
    """Reasons with their parts: two of one text may differ in those."""
    return [(str(reason), reason.code, reason.item, dict(reason.numbers)) for reason in reasons]


SIX = [Item(name, "product", f"the {name}", category=f"kind of {name}") for name in "abcdef"]
"""The user's are the first three, candidates the others."""


@given(
    st.sampled_from(["tfidf", "ease"]),
    st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), min_size=3, max_size=3), min_size=3, max_size=3
    ),
    st.sets(st.integers(0, 2), max_size=2),
    st.dictionaries(st.integers(0, 2), st.sampled_from(["purchase", "like", "click"])),
    st.sampled_from([1.0, 4.2]),
)
@settings(max_examples=60)
def test_a_candidate_is_told_by_the_item_of_the_history_that_gave_most(
    label: str, given_by: list[list[float]], hidden: set[int], latest: dict[int, str], lift: float
) -> None:
    """By what the user did with it, by their basket rule, by people; without one, as something different."""
    learned = bundle(users=[9, 9], cosines=[0.5, 0.5], lift=lift)
    parts = SimpleNamespace(contributions=lambda query, indexes: np.array(given_by)[indexes - 3])
    learned.rows, learned.indexes = np.arange(6, dtype=np.int32), lambda rows: rows
    learned.bundle = SimpleNamespace(models={label: parts})
    mask = np.isin(np.arange(6), list(hidden))
    asked = SimpleNamespace(
        bundle=learned,
        row_item=SIX.__getitem__,
        history=SimpleNamespace(latest=latest),
        index=SimpleNamespace(catalogue=SimpleNamespace(column=lambda name: mask)),
        model_query=lambda: SimpleNamespace(items=np.arange(3, dtype=np.int32)),
    )
    wanted = []
    for candidate, gives in enumerate(given_by, start=3):
        heard = [0.0 if each in hidden else gives[each] for each in range(3)]
        named = heard.index(max(heard))
        item = SIX[named]
        if heard[named] <= 0:
            wanted.append(texts.different(f"kind of {SIX[candidate].item_id}"))
        elif label == "tfidf":
            wanted.append(texts.because_of(latest.get(named, ""), item))
        elif lift >= TELLING_LIFT:
            wanted.append(texts.bought_together(item.name, 0.3, lift, item))
        else:
            wanted.append(texts.like_you(item))
    context: Any = asked
    assert told(wording.of_user(context, table(3, 4, 5), [label] * 3)) == told(wanted)
    different = wording.of_user(context, table(3, 4, 5), ["diverse"] * 3)
    assert told(different) == told([texts.different(item.category) for item in SIX[3:]])


def test_of_nobody_there_is_no_leading_item() -> None:
    rows = np.arange(5, dtype=np.int32)
    assert leading_items(world(0).context(), "als", rows).tolist() == [-1] * 5


@given(st.permutations([0.9, 0.3, 0.1]), st.permutations([0.2, 0.8, 0.4]))
@settings(max_examples=20)
def test_the_interest_that_fits_best_is_named(first: list[float], second: list[float]) -> None:
    made = world(0)
    asked = made.context(user=user(made, 3, interests=3))
    table = table_of({numbered(INTEREST, place): [first[place], second[place]] for place in range(3)})
    named = [text for text, _ in asked.user.interests]
    wanted = [named[max(range(3), key=scores.__getitem__)] for scores in (first, second)]
    assert told(wording.of_user(asked, table, ["interests"] * 2)) == told([texts.interest(n) for n in wanted])


def test_of_models_together_each_candidate_is_told_by_the_one_that_gave_most() -> None:
    asked = context()
    asked.shares = {"popular": 0.5, "diverse": 0.5}
    made = table(0, 1)
    made.steps.update({"popular": floats(0.9, 0.1), "diverse": floats(0.2, 0.8)})
    assert told(wording.of_hybrid(asked, made, ["hybrid"] * 2)) == told(
        [texts.popular(asked.row_item(0)), texts.different("light")]
    )


def test_what_a_new_item_has_in_common_names_the_item() -> None:
    found = wording.of_new_item(context(), table(0, 1, 2), ["tfidf", "embeddings", "price"])
    assert [(str(reason), reason.item) for reason in found] == [
        ("similar to lamp", "lamp"),
        ("close in meaning to 'lamp'", "lamp"),
        ("similar in price to lamp", "lamp"),
    ]


@given(st.lists(st.integers(0, 2000), min_size=3, max_size=3), st.integers(1, 48))
@settings(max_examples=20)
def test_a_trend_of_hours_is_told_with_its_hours(counts: list[int], hours: int) -> None:
    asked = context()
    asked.recent = Recent(hours, events={row: count for row, count in enumerate(counts) if count})
    found = wording.of_window(asked, table(0, 1, 2), ["window"] * 3)
    assert [(reason.numbers["events"], reason.numbers["hours"]) for reason in found] == [
        (count, hours) for count in counts
    ]
    assert all(("the last hour" in reason) == (hours == 1) for reason in found)
