"""Python's cyclic garbage collector, kept from stopping a worker.

A full collection looks at every object there is: with a catalogue of 92,000 items 0.9 million, for 400 ms in
which the worker answers nothing, and one comes every few minutes under load. What survives one is there to
stay: code, items, models. It is frozen then (the collector no longer looks at it), so that the next one only
looks at what came since. What is frozen is still freed at once when nothing refers to it any more; only rings
of objects that refer to each other would stay, and what is replaced while the service runs (items, bundles,
users' histories) is in none.
"""

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

LONGEST = 0.01
"""Seconds that a full collection may take before its survivors are frozen."""

_OLDEST = 2
"""The generation that a full collection is of."""


def freeze_survivors(
    clock: Callable[[], float] = perf_counter, longest: float = LONGEST
) -> Callable[[str, dict[str, Any]], None]:
    """A callback for `gc.callbacks`: it freezes what a long full collection left, which is no garbage."""
    started = 0.0

    def watch(phase: str, about: dict[str, Any]) -> None:
        nonlocal started
        if phase == "start":
            started = clock()
        elif about["generation"] == _OLDEST and clock() - started > longest:
            gc.freeze()

    return watch


@contextmanager
def short_collections() -> Iterator[None]:
    """Freeze what is there, and what is long-lived later on, for the length of a block.

    What was freed since the start, while all of it was loaded, goes back to the system.
    """
    gc.collect()
    gc.freeze()
    _give_back()
    watch = freeze_survivors()
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        gc.unfreeze()


def _give_back() -> None:
    """Let the C library keep nothing of what was freed; others than glibc know no such order."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
