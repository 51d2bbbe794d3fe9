"""`python -m benchmarks speed`: how fast we are, and how fast what people would use instead."""

from pathlib import Path

import click

from benchmarks.speed import factors, neighbours, texts, top, vectors
from benchmarks.speed.compare import ROUNDS, compare, grow, print_line
from benchmarks.speed.page import compared, grown, machine, write_section

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
@click.option("--growth", is_flag=True, help="Measure at a hundredth and at a tenth of the size too.")
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Write the tables there."
)
def run(*, names: tuple[str, ...], rounds: int, part: float, growth: bool, page: Path | None) -> None:
    """Run the named benchmarks, or all of them."""
    chosen = [BENCHMARKS[name] for name in names or BENCHMARKS]
    done = []
    for benchmark in chosen:
        done.append(compare(benchmark, max(1, int(benchmark.size * part)), rounds))
        print_line(done[-1])
    text = f"{machine()}; medians of {rounds} rounds.\n\n{compared(done)}"
    if growth:
        text += f"\n\n{grown([(benchmark, grow(benchmark)) for benchmark in chosen])}"
    click.echo(f"\n{text}")
    if page is not None:
        write_section(page, text)
