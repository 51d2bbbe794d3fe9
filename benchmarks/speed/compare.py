"""One job done two ways, in turns, so that whatever else the machine does falls on both alike."""

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

ROUNDS = 5
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): the peak of the resident set begins anew


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


@dataclass(frozen=True)
class Timed:
    """One side of a comparison."""

    seconds: tuple[float, ...]
    """A figure a round."""
    processor: tuple[float, ...]
    """Seconds of the processor, of all threads: other work on the machine changes them little."""
    peak_bytes: int
    """The most memory that a round added to what the process had; 0 where the system does not tell."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        return max(self.seconds)


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
        """Whether we are as fast as we have to be."""
        return self.ratio <= self.benchmark.most


def compare(benchmark: Benchmark, size: int | None = None, rounds: int = ROUNDS) -> Comparison:
    """Do the job both ways, in turns; who begins changes each round.

    Raises AssertionError where the two results do not agree.
    """
    pair = benchmark.make(size or benchmark.size)
    sides = {"ours": pair.ours, "reference": pair.reference}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    processor: dict[str, list[float]] = {name: [] for name in sides}
    peaks = dict.fromkeys(sides, 0)
    results: dict[str, object] = {}
    for number in range(rounds):
        for name in sorted(sides, reverse=number % 2 == 1):
            results.pop(name, None)
            gc.collect()
            before = _reset_peak()
            started, used = time.perf_counter(), time.process_time()
            results[name] = sides[name]()
            seconds[name].append(time.perf_counter() - started)
            processor[name].append(time.process_time() - used)
            peaks[name] = max(peaks[name], _peak() - before)
    ours, reference = (Timed(tuple(seconds[name]), tuple(processor[name]), peaks[name]) for name in sides)
    return Comparison(
        benchmark, pair.data, ours, reference, pair.agree(results["ours"], results["reference"])
    )


@dataclass(frozen=True)
class Growth:
    """How a job's cost grows from a hundredth of a size to that size."""

    data: str
    """What the largest is done on."""
    sizes: tuple[int, ...]
    ours: tuple[Timed, ...]
    reference: tuple[Timed, ...]

    def exponent(self, side: str) -> float:
        """p of seconds of the processor ~ size^p, by least squares over the logarithms.

        `side` is ours or reference.
        """
        x = [math.log(size) for size in self.sizes]
        y = [math.log(statistics.median(timed.processor)) for timed in getattr(self, side)]
        return statistics.linear_regression(x, y).slope


def grow(benchmark: Benchmark, size: int, whole: Comparison, rounds: int = ROUNDS) -> Growth:
    """The job at a hundredth of a size and at a tenth; at the size itself it is done already."""
    sizes = (max(1, size // 100), max(1, size // 10), size)
    done = [*(compare(benchmark, each, rounds) for each in sizes[:2]), whole]
    return Growth(
        whole.data, sizes, tuple(each.ours for each in done), tuple(each.reference for each in done)
    )


def _reset_peak() -> int:
    """Bytes resident now; from now on the peak counts from here."""
    if not _RESET.exists():
        return 0
    _RESET.write_text(_RESET_PEAK)
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM") if _RESET.exists() else 0


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def print_line(comparison: Comparison) -> None:
    """Print one line of what came of it, as soon as it is known."""
    asked, ours, theirs = comparison.benchmark, comparison.ours.median, comparison.reference.median
    verdict = f"at most {asked.most:g}: {'reached' if comparison.reached else 'missed'}"
    click.echo(
        f"{asked.name}: {ours:.3g} s, reference {theirs:.3g} s, ratio {comparison.ratio:.3f} ({verdict}); "
        f"{comparison.agreement}"
    )
