"""What a run of random operations met, in words."""

from pathlib import Path

import click

from benchmarks.random_operations.seen import Phase, Read, Seen
from benchmarks.report import table

LOGGED = 150
"""Lines of the service's log that are printed from its first error on: a traceback is among them."""


def tell(seen: Seen, minutes: float, readers: int) -> None:
    """Print reads by what went on, answers, operations, and the first of what was wrong."""
    reads: dict[Phase, list[Read]] = {phase: [] for phase in Phase}
    for read in seen.reads:
        reads[seen.phase(read.sent, read.took)].append(read)
    table(
        f"{minutes:g} minutes of random operations, {readers} readers, two workers",
        ("reads", "count", "p50 ms", "p99 ms", "longest ms", "stale", "5xx", "wrong"),
        [(phase.value, *_figures(each)) for phase, each in reads.items() if each],
    )
    answers = ", ".join(f"{count} x {name}" for name, count in sorted(seen.statuses.items()))
    click.echo(f"answers: {answers}; {seen.dropped} dropped")
    click.echo("operations: " + ", ".join(f"{count} x {name}" for name, count in seen.operations.items()))
    if seen.loads:
        click.echo(f"load average {min(seen.loads):.1f} to {max(seen.loads):.1f}")
    click.echo(f"{len(seen.failed)} failed, {len(seen.wrong)} wrong")
    for line in [*seen.failed[:10], *seen.wrong[:20]]:
        click.echo(f"  {line}")


def tell_errors(log: Path) -> None:
    """Print how many errors the service logged, and the first with its traceback."""
    lines = log.read_text().splitlines()
    errors = [number for number, line in enumerate(lines) if " ERROR " in line]
    click.echo(f"{len(errors)} errors in the service's log")
    if errors:
        click.echo("\n".join(lines[errors[0] : errors[0] + LOGGED]))


def _figures(reads: list[Read]) -> tuple[object, ...]:
    waits = sorted(read.took for read in reads)
    places = [1000 * waits[int(share * (len(waits) - 1))] for share in (0.5, 0.99, 1.0)]
    stale, wrong = sum(read.stale for read in reads), sum(read.wrong for read in reads)
    return len(reads), *places, stale, sum(read.status >= 500 for read in reads), wrong
