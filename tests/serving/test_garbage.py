"""What is long-lived is looked at once by the garbage collector, and garbage is still collected."""

import ctypes
import gc
import weakref
from collections.abc import Iterator

import psutil
import pytest

from serving.garbage import LONGEST, freeze_survivors, short_collections


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


class Ring:
    """An object that keeps itself alive: only the collector frees it."""

    def __init__(self) -> None:
        self.me = self


def looked_at() -> int:
    """Objects that a full collection looks at."""
    return len(gc.get_objects())


def test_what_survives_a_long_collection_is_not_looked_at_again() -> None:
    times = iter([0.0, 2 * LONGEST, 10.0, 10.0 + LONGEST / 2])
    watch = freeze_survivors(lambda: next(times))
    catalogue = [[number] for number in range(1000)]
    for phase in ("start", "stop"):
        watch(phase, {"generation": 2})
    assert looked_at() < len(catalogue)
    kept = gc.get_freeze_count()
    more = [[number] for number in range(1000)]
    for phase in ("start", "stop"):
        watch(phase, {"generation": 2})
    assert gc.get_freeze_count() <= kept, "a short collection freezes nothing"
    assert len(catalogue) == len(more)


def test_a_young_collection_freezes_nothing() -> None:
    times = iter([0.0, 10.0])
    watch = freeze_survivors(lambda: next(times))
    kept = gc.get_freeze_count()
    for phase in ("start", "stop"):
        watch(phase, {"generation": 0})
    assert gc.get_freeze_count() <= kept


def test_garbage_is_collected_beside_what_is_frozen() -> None:
    with short_collections():
        kept = [[number] for number in range(1000)]
        rings = [weakref.ref(Ring()) for _ in range(100)]
        gc.collect()
        assert all(ring() is None for ring in rings)
        item = Ring()
        gc.freeze()
        item.me = None  # type: ignore[assignment]
        gone = weakref.ref(item)
        del item
        assert gone() is None, "what nothing refers to is freed, frozen or not"
    assert len(kept) == 1000
    assert gc.get_freeze_count() == 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc alone keeps what was freed")
def test_what_was_freed_while_loading_goes_back_to_the_system() -> None:
    process = psutil.Process()
    read = [bytes(100_000) for _ in range(1000)]
    above = [bytes(1000) for _ in range(100_000)]
    read.clear()
    before = process.memory_info().rss
    with short_collections():
        assert process.memory_info().rss < before - 50_000_000
    assert len(above) == 100_000
