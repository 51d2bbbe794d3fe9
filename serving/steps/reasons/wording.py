"""Reasons in words, each from the columns that its label names."""

from collections.abc import Callable, Sequence

import numpy as np

from serving.bundle.loading import PlacedBundle
from serving.steps.context import Context
from serving.steps.reasons import texts
from serving.steps.reasons.history import leading_items
from serving.steps.reasons.labels import strongest
from serving.steps.sources.words import word_matches
from serving.steps.table import INTEREST, SEARCH, Table, numbered
from training.models.fpgrowth import TELLING_LIFT, Rule

Wording = Callable[[Context, Table], list[str]]


def of_user(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """Why each candidate is in a user's list, by what put it there."""
    reasons = [""] * len(table)
    for label in dict.fromkeys(labels):
        places = np.array([place for place, each in enumerate(labels) if each == label])
        words = _WORDINGS.get(label, _history(label))(context, table.take(places))
        for place, reason in zip(places.tolist(), words, strict=True):
            reasons[place] = reason
    return reasons


def of_hybrid(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """By the model that gave most."""
    return of_user(context, table, strongest(table, tuple(context.shares)))


def of_popularity(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """Events of the trending window; without any, ratings."""
    found = []
    for row in table.rows.tolist():
        item, popular = context.row_item(row), context.rankings.popularity[row] > 0
        found.append(counted(context, row, texts.popular(item) if popular else texts.new_item()))
    return found


def of_value(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """What makes each item good value."""
    return [texts.good_value(context.row_item(row)) for row in table.rows.tolist()]


def of_category(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """Events of the trending window; without any, that it leads its category."""
    top = texts.top_of(context.query)
    return [
        counted(context, row, top if context.rankings.popularity[row] > 0 else texts.new_item())
        for row in table.rows.tolist()
    ]


def of_search(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """The words that matched, with the guesses that were made; else the meaning."""
    corrected = word_matches(context, context.query).corrected
    words, meaning = texts.matches(context.query, corrected), texts.near_meaning(context.query)
    return [words if label == "search" else meaning for label in labels]


def of_meaning(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """The text that each is close to: the query's, or the name of the item that is asked about."""
    text = context.query or context.row_item(context.item).name
    return [texts.near_meaning(text)] * len(table)


def of_titles(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """That they are named alike."""
    return [texts.alike(context.row_item(context.item).name)] * len(table)


def of_new_item(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """What each has in common with an item that nobody has chosen yet."""
    name = context.row_item(context.item).name
    words = {
        "tfidf": texts.alike(name),
        "embeddings": texts.near_meaning(name),
        "price": texts.priced_like(name),
    }
    return [words[label] for label in labels]


def of_people(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """The basket rule between the two items where there is one, else the people who chose both."""
    name, bundle = context.row_item(context.item).name, context.bundle
    found = []
    for row in table.rows.tolist():
        rule = None if bundle is None else _rule(bundle, context.item, row)
        same = texts.same_people(name)
        found.append(texts.bought_together(name, rule.confidence, rule.lift) if rule else same)
    return found


def of_basket(context: Context, table: Table, labels: Sequence[str]) -> list[str]:
    """The surest basket rule from one or two items of the basket; hidden items are not named."""
    bundle, basket = context.bundle, context.model_query().items
    if bundle is None:
        return [texts.with_basket()] * len(table)
    hidden = context.index.catalogue.column("hidden")
    found = []
    for rule in bundle.models.fpgrowth.explain_basket(bundle.indexes(table.rows), basket):
        rows = [] if rule is None else bundle.rows[list(rule.antecedents)].tolist()
        if rule is None or hidden[rows].any():
            found.append(texts.with_basket())
        else:
            names = " and ".join(context.row_item(each).name for each in rows)
            found.append(texts.bought_together(names, rule.confidence, rule.lift))
    return found


def counted(context: Context, row: int, otherwise: str) -> str:
    """The events of the trending window where there are any."""
    events = int(context.rankings.events[row])
    return texts.trending(events, context.params.trending.window_days) if events else otherwise


def _searches(context: Context, table: Table) -> list[str]:
    queries = [query for query, _ in context.user.searches]
    return [texts.searched(queries[place]) for place in _fitting(table, SEARCH, len(queries))]


def _interests(context: Context, table: Table) -> list[str]:
    named = [text for text, _ in context.user.interests]
    return [texts.interest(named[place]) for place in _fitting(table, INTEREST, len(named))]


def _different(context: Context, table: Table) -> list[str]:
    return [texts.different(context.row_item(row).category) for row in table.rows.tolist()]


def _popular(context: Context, table: Table) -> list[str]:
    return of_popularity(context, table, ())


def _rule(bundle: PlacedBundle, antecedent: int, row: int) -> Rule | None:
    """The rule from the one item to the other, where it says more than chance."""
    known, dense = bundle.index(antecedent), bundle.index(row)
    if known < 0 or dense < 0:
        return None
    rule = bundle.models.fpgrowth.explain(dense, np.array([known], dtype=np.int32))
    return rule if rule is not None and rule.lift >= TELLING_LIFT else None


def _history(label: str) -> Wording:
    """The item of the history that gives most, and what the two have in common."""

    def word(context: Context, table: Table) -> list[str]:
        leading = leading_items(context, label, table.rows).tolist()
        return [
            texts.different(context.row_item(row).category)
            if item < 0
            else _common(context, label, item, row)
            for row, item in zip(table.rows.tolist(), leading, strict=True)
        ]

    return word


def _common(context: Context, label: str, leading: int, row: int) -> str:
    """Their words, the basket rule from the one to the other, or the people who chose both."""
    name = context.row_item(leading).name
    if label in {"tfidf", "embeddings"}:
        return texts.because_of(context.history.latest.get(leading, ""), name)
    rule = None if context.bundle is None else _rule(context.bundle, leading, row)
    return texts.like_you(name) if rule is None else texts.bought_together(name, rule.confidence, rule.lift)


def _fitting(table: Table, name: str, count: int) -> list[int]:
    """For each candidate the search, or interest, that fits it best."""
    columns = np.stack([table.column(numbered(name, place)) for place in range(count)])
    places: list[int] = columns.argmax(axis=0).tolist()
    return places


_WORDINGS: dict[str, Wording] = {
    "search": _searches,
    "interests": _interests,
    "diverse": _different,
    "popularity": _popular,
    "popular": _popular,
}
