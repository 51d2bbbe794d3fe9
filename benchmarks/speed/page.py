"""The table of all comparisons, and the section of docs/benchmarks.md that holds it."""

from collections.abc import Sequence
from statistics import median

from benchmarks.rows import Row
from benchmarks.speed.compare import Benchmark, Comparison, Growth, Timed
from training.markdown import table

_COLUMNS = ("", "what", "data", "ours", "reference", "ratio", "at most", "worst", "memory", "agreement")
MARKS = ("<!-- speed -->", "<!-- end of speed -->")


def row_of(done: Comparison) -> Row:
    """The comparison's row of the table of all."""
    asked = done.benchmark
    return Row(
        asked.row,
        f"{asked.what}; {asked.reference}; {done.data}; {done.agreement}",
        f"{_seconds(done.ours.median)} (worst {_seconds(done.ours.worst)})",
        f"{_seconds(done.reference.median)} (worst {_seconds(done.reference.worst)})",
        f"{done.ratio:.3f}",
        f"≤ {asked.most:.3g}",
        done.reached,
    )


def compared(comparisons: Sequence[Comparison]) -> str:
    """A Markdown table: medians of the rounds, the worst and the peak memory, each for ours and theirs."""
    return table(_COLUMNS, [_row(each) for each in comparisons])


def _row(done: Comparison) -> list[str]:
    asked = done.benchmark
    return [
        asked.name,
        f"{asked.what}; {asked.reference}",
        done.data,
        _seconds(done.ours.median),
        _seconds(done.reference.median),
        f"{done.ratio:.3f}",
        f"{asked.most:.3g}{'' if done.reached else ' (missed)'}",
        f"{_seconds(done.ours.worst)}, {_seconds(done.reference.worst)}",
        f"{_bytes(done.ours)}, {_bytes(done.reference)}",
        done.agreement,
    ]


def grown(growths: Sequence[tuple[Benchmark, Growth]]) -> str:
    """A Markdown table of how each side's seconds of the processor and memory grow with the size."""
    rows = [
        [
            f"{benchmark.name}, {growth.data}",
            side,
            *(f"{_seconds(median(timed.processor))}, {_bytes(timed)}" for timed in getattr(growth, side)),
            f"{growth.exponent(side):.2f}",
        ]
        for benchmark, growth in growths
        for side in ("ours", "reference")
    ]
    return table(("", "side", "a hundredth of it", "a tenth", "this size", "exponent"), rows)


def _seconds(value: float) -> str:
    return f"{1000 * value:.3g} ms" if value < 1 else f"{value:.3g} s"


def _bytes(timed: Timed) -> str:
    return f"{timed.peak_bytes / 1e6:,.0f} MB" if timed.peak_bytes else "?"
