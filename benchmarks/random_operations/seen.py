"""What the clients of the running service saw, and what was going on at the time."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """What a request may meet; the first that it does is what it counts for."""

    NO_WORKER = "both workers dead"
    SILENT = "the database silent"
    DEAD = "a worker dead"
    SLOW = "the database slow"
    FILE = "a file ingested and applied"
    LOCKED = "the catalogue's row locked"
    PARTITION = "partitions made"
    CALM = "calm"


AFTERWARDS = {Phase.NO_WORKER: 10.0, Phase.SILENT: 5.0, Phase.DEAD: 5.0, Phase.SLOW: 5.0}
"""Seconds after which what waited in it is surely answered. (A dead worker's successor takes 15 to load.)"""
UNSETTLED = frozenset({Phase.NO_WORKER, Phase.SILENT, Phase.DEAD, Phase.SLOW})
"""In these connections may drop, and what needs the database may answer 503."""


@dataclass(frozen=True, slots=True)
class Read:
    """An answer to a read."""

    sent: float
    took: float
    status: int
    stale: bool
    wrong: bool


@dataclass
class Seen:
    """What clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    """Connections that a killed worker had open."""
    reads: list[Read] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Answers of 500 and above, but 503 of what can't be done while the database is away."""
    operations: Counter[str] = field(default_factory=Counter)
    phases: list[tuple[Phase, float, float]] = field(default_factory=list)
    """What went on, from when until when."""
    loads: list[float] = field(default_factory=list)
    """The machine's load average, from time to time."""

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """While this lasts, and a while after it, requests count for the phase."""
        start, place = time.monotonic(), len(self.phases)
        self.phases.append((phase, start, float("inf")))
        try:
            yield
        finally:
            self.phases[place] = (phase, start, time.monotonic() + AFTERWARDS.get(phase, 0.0))

    def phase(self, sent: float, took: float) -> Phase:
        """What a request met."""
        met = {phase for phase, start, end in self.phases if sent <= end and sent + took >= start}
        return next(phase for phase in Phase if phase in met or phase is Phase.CALM)

    def settled(self, sent: float, took: float) -> bool:
        """Whether a request met a database that answered and workers that lived."""
        return self.phase(sent, took) not in UNSETTLED
