"""Whether an answer is of one bundle: its content held against what the bundle that it names would say."""

import threading
from collections.abc import Callable, Mapping

from database.settings import Settings
from training.models.als import Als
from training.models.bundle import load_bundle
from training.release.bundle import find_stored

Neighbours = Callable[[str], Mapping[str, float]]
"""Item → its like items by ALS, with their scores."""

_NEAR = 2e-4
"""Scores are rounded to four places."""
_NEIGHBOURS = 60


class Answers:
    """What bundles answer about like items; `read` is asked for a bundle when an answer first names it."""

    def __init__(self, read: Callable[[str], Neighbours]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._bundles: dict[str, Neighbours] = {}
        self._known: dict[tuple[str, str], Mapping[str, float]] = {}

    def compare(self, bundle_id: str, item: str, shown: Mapping[str, float]) -> tuple[bool, bool]:
        """Whether `shown` (item → score) is what the bundle says, and whether the one before it would not."""
        with self._lock:
            expected = self._expected(bundle_id, item)
            before = [other for other in self._bundles if other < bundle_id]
            telling = bool(before) and not _fits(shown, self._expected(max(before), item))
        return _fits(shown, expected), telling

    def _expected(self, bundle_id: str, item: str) -> Mapping[str, float]:
        if bundle_id not in self._bundles:
            self._bundles[bundle_id] = self._read(bundle_id)
        key = (bundle_id, item)
        if key not in self._known:
            self._known[key] = self._bundles[bundle_id](item)
        return self._known[key]


def stored_bundles(settings: Settings) -> Callable[[str], Neighbours]:
    """Reads bundles from the store.

    What is returned raises LookupError for a bundle that is not there, BundleError for one without ALS.
    """

    def read(bundle_id: str) -> Neighbours:
        stored = find_stored(settings, bundle_id)
        if stored is None:
            raise LookupError(f"bundle {bundle_id} is not in the store")
        bundle = load_bundle(stored.path)
        als = bundle.model(Als)

        def neighbours(item: str) -> dict[str, float]:
            items, scores = als.similar(bundle.items.index(item), _NEIGHBOURS)
            return dict(zip(bundle.items.decode(items), map(float, scores), strict=True))

        return neighbours

    return read


def _fits(shown: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    return bool(shown) and all(abs(expected.get(item, 9.0) - score) < _NEAR for item, score in shown.items())
