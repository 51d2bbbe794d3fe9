"""`python -m benchmarks speed`: how fast we are, and how fast what people would use instead."""

from pathlib import Path

import click

from benchmarks.rows import how_measured, machine, page_option, replace_between, tell_rows
from benchmarks.speed import factors, neighbours, texts, top, vectors
from benchmarks.speed.compare import ROUNDS, compare, grow, print_line
from benchmarks.speed.page import MARKS, compared, grown, row_of

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
@click.option("--growth", is_flag=True, help="Measure at a hundredth and at a tenth of it too.")
@page_option
def run(*, names: tuple[str, ...], rounds: int, part: float, growth: bool, page: Path | None) -> None:
    """Run the named benchmarks, or all of them: rows 5 to 7 and 9 to 13."""
    chosen = [BENCHMARKS[name] for name in names or BENCHMARKS]
    how = f"{rounds} rounds" if part == 1.0 else f"{rounds} rounds at {part:g} of the size"
    done, growths = [], []
    for benchmark in chosen:
        size = max(1, int(benchmark.size * part))
        done.append(compare(benchmark, size, rounds))
        print_line(done[-1])
        tell_rows([row_of(done[-1])], how, page)
        if growth:
            growths.append((benchmark, grow(benchmark, size, done[-1], rounds)))
            click.echo(f"\n{grown(growths[-1:])}")
    text = f"{machine()}; {how_measured(how)}.\n\n{compared(done)}"
    if growth:
        text += f"\n\n{grown(growths)}"
    click.echo(f"\n{text}")
    if page is not None and not names:
        replace_between(page, MARKS, text)
