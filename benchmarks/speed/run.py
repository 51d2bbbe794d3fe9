"""`python -m benchmarks speed`: how fast we are, and how fast what people would use instead."""

import math
from functools import partial
from pathlib import Path

import click

from benchmarks.growth import Sides, grow, growth_option, tell_growth
from benchmarks.rows import Row, page_option, tell_rows
from benchmarks.speed import factors, neighbours, texts, top, vectors
from benchmarks.speed.compare import ROUNDS, Benchmark, Comparison, compare, print_line
from benchmarks.timed import Timed, in_megabytes, in_seconds

BENCHMARKS = {
    each.name: each
    for each in (
        *factors.BENCHMARKS,
        *neighbours.BENCHMARKS,
        *texts.BENCHMARKS,
        *top.BENCHMARKS,
        *vectors.BENCHMARKS,
    )
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(BENCHMARKS)))
@click.option(
    "--rounds", default=ROUNDS, show_default=True, type=click.IntRange(1), help="Each side, in turns."
)
@click.option(
    "--part", default=1.0, type=click.FloatRange(0, 1, min_open=True), help="Of the size, for a quick look."
)
@growth_option
@page_option
def run(*, names: tuple[str, ...], rounds: int, part: float, growth: bool, page: Path | None) -> None:
    """Run the named benchmarks, or all of them: rows 5 to 7 and 9 to 13."""
    how = f"{rounds} rounds" if part == 1.0 else f"{rounds} rounds at {part:g} of the size"
    for benchmark in (BENCHMARKS[name] for name in names or BENCHMARKS):
        size = max(1, int(benchmark.size * part))
        done = compare(benchmark, size, rounds)
        print_line(done)
        tell_rows([_row(done)], how, page)
        if growth:
            whole, smaller = (done.ours, done.reference), partial(_sides, benchmark, rounds)
            tell_growth(
                grow(benchmark.row, f"{benchmark.name}; {done.data}", size, whole, smaller), how, page
            )


def _sides(benchmark: Benchmark, rounds: int, size: int) -> Sides:
    done = compare(benchmark, size, rounds)
    return done.ours, done.reference


def _row(done: Comparison) -> Row:
    """The comparison's row of the table of all."""
    asked = done.benchmark
    small = "" if math.isinf(asked.most_memory) else f", memory ≤ {asked.most_memory:g}"
    return Row(
        asked.row,
        f"{asked.what}; {asked.reference}; {done.data}; {done.agreement}",
        _told(done.ours),
        _told(done.reference),
        f"{done.ratio:.3f}",
        f"≤ {asked.most:.3g}{small}",
        done.reached,
    )


def _told(side: Timed) -> str:
    return f"{in_seconds(side.median)} (worst {in_seconds(side.worst)}); {in_megabytes(side.peak_bytes)}"
