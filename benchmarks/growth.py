"""How a job's cost grows with its size, and the table of docs/benchmarks.md that tells it."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.rows import write_table
from benchmarks.timed import Timed, in_megabytes, in_seconds

SIDES = ("ours", "reference")
_COLUMNS = ("#", "side", "of what", "a hundredth of it", "a tenth", "all of it", "exponent", "measured")
_MARKS = ("<!-- growth -->", "<!-- end of growth -->")

Sides = tuple[Timed, Timed]
"""Ours and the reference."""


@dataclass(frozen=True)
class Growth:
    """A job at a hundredth of a size, at a tenth and at that size."""

    row: int
    """Its number in the table of all comparisons."""
    data: str
    """What the largest is done on."""
    sizes: tuple[int, int, int]
    ours: tuple[Timed, ...]
    reference: tuple[Timed, ...]

    def exponent(self, side: str) -> float:
        """p of seconds of the processor ~ size^p, by least squares over the logarithms.

        `side` is ours or reference.
        """
        x = [math.log(size) for size in self.sizes]
        y = [math.log(statistics.median(timed.processor)) for timed in getattr(self, side)]
        return statistics.linear_regression(x, y).slope

    def cells(self, side: str, measured: str) -> tuple[str, ...]:
        """One side's row of the table."""
        costs = (
            f"{in_seconds(statistics.median(timed.processor))}, {in_megabytes(timed.peak_bytes)}"
            for timed in getattr(self, side)
        )
        return (str(self.row), side, self.data, *costs, f"{self.exponent(side):.2f}", measured)


def grow(row: int, data: str, size: int, whole: Sides, smaller: Callable[[int], Sides]) -> Growth:
    """The job at a hundredth of a size and at a tenth, by `smaller`; at the size itself it is done."""
    sizes = (max(1, size // 100), max(1, size // 10), size)
    done = (smaller(sizes[0]), smaller(sizes[1]), whole)
    return Growth(row, data, sizes, *zip(*done, strict=True))


def tell_growth(growth: Growth, how: str, page: Path | None) -> None:
    """Print a job's rows of the table, and write them into a page.

    Args:
        how: the size of the measurement, such as "5 rounds".
        page: with the marks of the table; None: print only.
    """
    write_table(
        _COLUMNS, lambda measured: [growth.cells(side, measured) for side in SIDES], how, page, _MARKS
    )


growth_option = click.option(
    "--growth", is_flag=True, help="Measure at a hundredth and at a tenth of it too."
)
