"""`python -m benchmarks.memory`: what each stage of a night needs, by the size of the history."""

import tempfile
from pathlib import Path

import click

from benchmarks.memory.log import Size
from benchmarks.memory.measure import measure
from training.markdown import table
from training.pipeline.stages import stage_names


@click.command()
@click.option(
    "--rows", type=click.IntRange(1500), multiple=True, required=True, help="Interactions; may repeat."
)
@click.option(
    "--stage", "stages", type=click.Choice(stage_names()), multiple=True, help="Only these; may repeat."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep the workspaces here.")
def main(*, rows: tuple[int, ...], stages: tuple[str, ...], folder: Path | None) -> None:
    """Generate histories of these sizes, run the stages, and print the peak of each process."""
    cells: list[list[object]] = []
    with tempfile.TemporaryDirectory(prefix="shortlist-memory-") as temporary:
        for number in rows:
            size = Size(number)
            for peak in measure(size, stages or stage_names(), (folder or Path(temporary)) / str(number)):
                sizes = [f"{count:,}" for count in (number, size.users, size.items)]
                taken = (f"{peak.peak_bytes / 1e9:.2f}", f"{peak.seconds:.0f}", f"{peak.processor:.0f}")
                cells.append([*sizes, peak.stage, *taken])
                click.echo(" | ".join(str(cell) for cell in cells[-1]))
    columns = ["interactions", "users", "items", "stage", "peak, GB", "seconds", "of the processor"]
    click.echo(table(columns, cells))


if __name__ == "__main__":
    main()
