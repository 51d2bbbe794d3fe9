"""One job done two ways, in turns, so that whatever else the machine does falls on both alike."""

import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from benchmarks.timed import Timed, added_since, in_megabytes, joined, reset_peak

ROUNDS = 5


@dataclass(frozen=True)
class Pair:
    """One job on one set of data, to be done both ways."""

    data: str
    """What it is done on, such as "100,000 baskets of 5,000 items"."""
    ours: Callable[[], object]
    reference: Callable[[], object]
    agree: Callable[[object, object], str]
    """Says how far ours and the reference's result agree. Raises AssertionError where they don't."""


@dataclass(frozen=True)
class Benchmark:
    """A job, what it is compared with, and how fast it has to be."""

    name: str
    what: str
    reference: str
    most: float
    """Our median time must be at most so many times the reference's."""
    make: Callable[[int], Pair]
    """The job on data of a size, whose unit is the benchmark's own."""
    size: int
    """Of the comparison; the growth is measured at a tenth of it and at a hundredth too."""
    row: int
    """Its number in the table of all comparisons."""
    most_memory: float = math.inf
    """The memory that we add must be at most so many times what the reference adds."""


@dataclass(frozen=True)
class Comparison:
    """Both sides, and how far they agree."""

    benchmark: Benchmark
    data: str
    ours: Timed
    reference: Timed
    agreement: str

    @property
    def ratio(self) -> float:
        """Our median over the reference's."""
        return self.ours.median / self.reference.median

    @property
    def reached(self) -> bool:
        """Whether we are as fast as we have to be, and as small."""
        return self.ratio <= self.benchmark.most and self.small

    @property
    def small(self) -> bool:
        """Whether what is known of the memory that we add is as little as it has to be."""
        ours, theirs = self.ours.peak_bytes, self.reference.peak_bytes
        if math.isinf(self.benchmark.most_memory) or ours is None or theirs is None:
            return True
        return ours <= self.benchmark.most_memory * theirs


def compare(benchmark: Benchmark, size: int | None = None, rounds: int = ROUNDS) -> Comparison:
    """Do the job both ways, in turns; who begins changes each round.

    Raises AssertionError where the two results do not agree.
    """
    pair = benchmark.make(size or benchmark.size)
    sides = {"ours": pair.ours, "reference": pair.reference}
    took: dict[str, list[Timed]] = {name: [] for name in sides}
    results: dict[str, object] = {}
    for number in range(rounds):
        for name in sorted(sides, reverse=number % 2 == 1):
            results.pop(name, None)
            gc.collect()
            before = reset_peak()
            started, used = time.perf_counter(), time.process_time()
            results[name] = sides[name]()
            wall, processor = time.perf_counter() - started, time.process_time() - used
            took[name].append(Timed((wall,), (processor,), added_since(before)))
    ours, reference = map(joined, took.values())
    return Comparison(
        benchmark, pair.data, ours, reference, pair.agree(results["ours"], results["reference"])
    )


def print_line(comparison: Comparison) -> None:
    """Print one line of what came of it, as soon as it is known."""
    asked, ours, theirs = comparison.benchmark, comparison.ours.median, comparison.reference.median
    memory = f"{in_megabytes(comparison.ours.peak_bytes)}, {in_megabytes(comparison.reference.peak_bytes)}"
    verdict = f"at most {asked.most:g}, memory {memory}: {'reached' if comparison.reached else 'missed'}"
    click.echo(
        f"{asked.name}: {ours:.3g} s, reference {theirs:.3g} s, ratio {comparison.ratio:.3f} ({verdict}); "
        f"{comparison.agreement}"
    )
