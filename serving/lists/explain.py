"""Why this item for this user: the rule, the item of the history or the search that speaks for it most."""

from collections.abc import Sequence

import numpy as np

from serving.bundle.loading import Generation
from serving.lists.view import Rows, Vector, View
from serving.steps import reasons
from serving.steps.history import History

_NEAR = 0.3
"""A cosine below this is no likeness that one would name."""


class Explainer:
    """Reasons for one user's items; what they share is worked out once."""

    def __init__(
        self,
        view: View,
        history: History,
        rows: Rows,
        searches: Sequence[tuple[str, Vector | None]] = (),
    ) -> None:
        """For the items of `rows`, the ones that will be asked about."""
        self._view = view
        self._history = history
        self._searches = searches
        self._vectors = view.index.vectors.gather(history.liked)
        self._rules = {} if view.generation is None else _best_rules(view.generation, history.liked, rows)

    def reason(self, row: int, model: str) -> str:
        """The reason for an item that `model` put into the list."""
        if model == "diverse":
            return reasons.different(self._view.item(row).category)
        if model == "search" and self._searches:
            return reasons.searched(self._query(row))
        if (rule := self._rule(row)) is not None:
            return rule
        nearest = self._nearest(row)
        if model in {"tfidf", "embeddings"} and nearest is not None:
            return nearest
        if model not in {"search", "tfidf", "embeddings"} and len(self._history.liked):
            return reasons.like_you(self._view.item(int(self._history.liked[0])).name)
        return nearest or reasons.different(self._view.item(row).category)

    def _rule(self, row: int) -> str | None:
        generation = self._view.generation
        dense = -1 if generation is None else generation.index(row)
        if generation is None or dense not in self._rules:
            return None
        antecedent, position = self._rules[dense]
        rules = generation.models.fpgrowth
        name = self._view.item(antecedent).name
        return reasons.bought_together(name, float(rules.data[position]), float(rules.lift[position]))

    def _nearest(self, row: int) -> str | None:
        vector = self._view.index.vectors.get(row)
        if vector is None or not len(self._vectors):
            return None
        cosines = self._vectors @ vector
        place = int(np.argmax(cosines))
        if cosines[place] < _NEAR:
            return None
        liked = int(self._history.liked[place])
        return reasons.because_of(self._history.latest.get(liked, ""), self._view.item(liked).name)

    def _query(self, row: int) -> str:
        vector = self._view.index.vectors.get(row)
        known = [(text, asked) for text, asked in self._searches if asked is not None]
        if vector is None or not known:
            return self._searches[0][0]
        return max(known, key=lambda search: float(search[1] @ vector))[0]


def _best_rules(generation: Generation, liked: Rows, asked: Rows) -> dict[int, tuple[int, int]]:
    """For each asked item (by the bundle's index) that a rule leads to from the history: the antecedent's row
    and the rule's position, of the most confident one."""
    rules = generation.models.fpgrowth
    indexes = generation.indexes(liked)
    known, rows = indexes[indexes >= 0], liked[indexes >= 0]
    starts = np.asarray(rules.indptr)[known]
    lengths = np.asarray(rules.indptr)[known + 1] - starts
    positions = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    wanted = np.zeros(len(generation.rows) + 1, dtype=np.bool_)
    wanted[generation.indexes(asked)] = True  # -1, the unknown, falls on the last place, which no rule names
    kept = wanted[np.asarray(rules.indices)[positions]]
    positions, antecedents = positions[kept], np.repeat(rows, lengths)[kept]
    order = np.argsort(np.asarray(rules.data)[positions], kind="stable")
    positions, antecedents = positions[order], antecedents[order].tolist()
    consequents = np.asarray(rules.indices)[positions].tolist()
    return dict(zip(consequents, zip(antecedents, positions.tolist(), strict=True), strict=True))
