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
from serving.types import Reason
from training.models.fpgrowth import TELLING_LIFT, Rule

Wording = Callable[[Context, Table], list[Reason]]


def of_user(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """Why each candidate is in a user's list, by what put it there."""
    reasons: list[Reason] = [texts.with_basket()] * len(table)
    for label in dict.fromkeys(labels):
        places = np.array([place for place, each in enumerate(labels) if each == label])
        words = _WORDINGS.get(label, _history(label))(context, table.take(places))
        for place, reason in zip(places.tolist(), words, strict=True):
            reasons[place] = reason
    return reasons


def of_hybrid(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """By the model that gave most."""
    return of_user(context, table, strongest(table, tuple(context.shares)))


def of_popularity(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """Events of the trending window; without any, ratings."""
    found = []
    for row in table.rows.tolist():
        item, popular = context.row_item(row), context.rankings.popularity[row] > 0
        found.append(counted(context, row, texts.popular(item) if popular else texts.new_item()))
    return found


def of_value(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """What makes each item good value."""
    return [texts.good_value(context.row_item(row)) for row in table.rows.tolist()]


def of_category(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """Events of the trending window; without any, that it leads its category."""
    top = texts.top_of(context.query)
    return [
        counted(context, row, top if context.rankings.popularity[row] > 0 else texts.new_item())
        for row in table.rows.tolist()
    ]


def of_search(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """The words that matched, with the guesses that were made; else the meaning."""
    corrected = word_matches(context, context.query).corrected
    words, meaning = texts.matches(context.query, corrected), texts.near_meaning(context.query)
    return [words if label == "search" else meaning for label in labels]


def of_meaning(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """The text that each is close to: the query's, or the name of the item that is asked about."""
    if context.query:
        return [texts.near_meaning(context.query)] * len(table)
    item = context.row_item(context.item)
    return [texts.near_meaning(item.name, item)] * len(table)


def of_titles(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """That they are named alike."""
    return [texts.alike(context.row_item(context.item))] * len(table)


def of_new_item(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """What each has in common with an item that nobody has chosen yet."""
    item = context.row_item(context.item)
    words = {
        "tfidf": texts.alike(item),
        "embeddings": texts.near_meaning(item.name, item),
        "price": texts.priced_like(item),
    }
    return [words[label] for label in labels]


def of_people(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """The basket rule between the two items where there is one, else the people who chose both."""
    item, bundle = context.row_item(context.item), context.bundle
    found = []
    for row in table.rows.tolist():
        rule = None if bundle is None else _rule(bundle, context.item, row)
        same = texts.same_people(item)
        together = (
            None if rule is None else texts.bought_together(item.name, rule.confidence, rule.lift, item)
        )
        found.append(together or same)
    return found


def of_basket(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
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
            named = [context.row_item(each) for each in rows]
            only = named[0] if len(named) == 1 else None
            names = " and ".join(each.name for each in named)
            found.append(texts.bought_together(names, rule.confidence, rule.lift, only))
    return found


def of_window(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """Events of the hours that are asked for."""
    events = context.recent.events_of(table.rows)
    return [texts.trending_hours(count, context.recent.hours) for count in events]


def of_listing(context: Context, table: Table, labels: Sequence[str]) -> list[Reason]:
    """That nothing but the filter speaks for them."""
    return [texts.listed()] * len(table)


def counted(context: Context, row: int, otherwise: Reason) -> Reason:
    """The events of the trending window where there are any."""
    events = int(context.rankings.events[row])
    return texts.trending(events, context.params.trending.window_days) if events else otherwise


def _searches(context: Context, table: Table) -> list[Reason]:
    queries = [query for query, _ in context.user.searches]
    return [texts.searched(queries[place]) for place in _fitting(table, SEARCH, len(queries))]


def _interests(context: Context, table: Table) -> list[Reason]:
    named = [text for text, _ in context.user.interests]
    return [texts.interest(named[place]) for place in _fitting(table, INTEREST, len(named))]


def _different(context: Context, table: Table) -> list[Reason]:
    return [texts.different(context.row_item(row).category) for row in table.rows.tolist()]


def _popular(context: Context, table: Table) -> list[Reason]:
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

    def word(context: Context, table: Table) -> list[Reason]:
        leading = leading_items(context, label, table.rows).tolist()
        return [
            texts.different(context.row_item(row).category)
            if item < 0
            else _common(context, label, item, row)
            for row, item in zip(table.rows.tolist(), leading, strict=True)
        ]

    return word


def _common(context: Context, label: str, leading: int, row: int) -> Reason:
    """Their words, the basket rule from the one to the other, or the people who chose both."""
    item = context.row_item(leading)
    if label in {"tfidf", "embeddings"}:
        return texts.because_of(context.history.latest.get(leading, ""), item)
    rule = None if context.bundle is None else _rule(context.bundle, leading, row)
    if rule is None:
        return texts.like_you(item)
    return texts.bought_together(item.name, rule.confidence, rule.lift, item)


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
