"""How many items each category has, by path; counted again when the catalogue has changed."""

from collections import Counter
from collections.abc import Mapping
from time import monotonic

from serving.catalogue.catalogue import Catalogue
from serving.types import PATH, Item, category_paths

_KEPT_SECONDS = 10.0
"""So long counts of a large catalogue may be old: to count a million items takes about a second."""
_SMALL = 20_000


class CategoryCounts:
    """Counts of one worker."""

    def __init__(self) -> None:
        self._revision = -1
        self._counted = -_KEPT_SECONDS
        self._counts: Mapping[str, int] = {}

    def counts(self, catalogue: Catalogue) -> Mapping[str, int]:
        """Items that may be in lists, by path; one in several categories counts in each, and above it."""
        aged = catalogue.n_rows <= _SMALL or monotonic() - self._counted >= _KEPT_SECONDS
        if catalogue.revision != self._revision and aged:
            listed = catalogue.listed(None)
            found = Counter(
                path for row, item in catalogue.live() if listed[row] for path in _with_parents(item)
            )
            self._counts = dict(sorted(found.items()))
            self._revision, self._counted = catalogue.revision, monotonic()
        return self._counts


def _with_parents(item: Item) -> set[str]:
    found = set()
    for path in category_paths(item):
        levels = path.split(PATH)
        found |= {PATH.join(levels[:depth]) for depth in range(1, len(levels) + 1)}
    return found
