"""Neighbours need users behind them, and a reason something to stand for."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from serving.steps.reasons import wording
from serving.steps.reasons.history import leading_items
from serving.steps.sources.similar import same_people
from serving.steps.table import Table
from serving.types import Item
from tests.worlds.world import user, world
from training.models.fpgrowth import Rule

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
