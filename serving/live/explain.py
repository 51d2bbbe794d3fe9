"""Why this item for this user: the rule, the item of the history or the search that speaks for it most."""

from collections.abc import Sequence

import numpy as np

from serving.live.view import Vector, View
from serving.ranking import reasons
from serving.ranking.history import History

_NEAR = 0.3
"""A cosine below this is no likeness that one would name."""


class Explainer:
    """Reasons for one user's items; what they share is worked out once."""

    def __init__(
        self, view: View, history: History, searches: Sequence[tuple[str, Vector | None]] = ()
    ) -> None:
        self._view = view
        self._history = history
        self._searches = searches
        self._vectors = view.index.vectors.gather(history.liked)
        generation = view.generation
        known = np.full(len(history.liked), -1) if generation is None else generation.indexes(history.liked)
        self._indexes = known[known >= 0].astype(np.int32)

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
        if model in {"als", "nmf", "cf", "fpgrowth", "hybrid"} and len(self._history.liked):
            return reasons.like_you(self._view.item(int(self._history.liked[0])).name)
        return nearest or reasons.different(self._view.item(row).category)

    def _rule(self, row: int) -> str | None:
        generation = self._view.generation
        if generation is None or not len(self._indexes):
            return None
        dense = int(generation.indexes(np.array([row], dtype=np.int32))[0])
        rule = None if dense < 0 else generation.models.fpgrowth.explain(dense, self._indexes)
        if rule is None:
            return None
        antecedent = self._view.item(int(generation.rows[rule.antecedent]))
        return reasons.bought_together(antecedent.name, rule.confidence, rule.lift)

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
