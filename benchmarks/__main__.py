"""`python -m benchmarks`: both sides of each comparison in one run, and the tables of docs/benchmarks.md."""

import logging

import click

from benchmarks import counted_lists, filtered_lists, ingest, resident, service, whole_platform, write_path
from benchmarks.mixed import run as mixed
from benchmarks.random_operations.run import run as run_random_operations
from benchmarks.rows import PAGE, load_before
from benchmarks.speed.run import run as compare_with_libraries


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Run one benchmark, or all of them."""
    logging.basicConfig(level=logging.WARNING)
    service.unwind_on_sigterm()
    load_before()
    if context.invoked_subcommand is None:
        for each in (mixed.run, service.run, whole_platform.run, write_path.run):
            context.invoke(each, page=PAGE)
        for each in (compare_with_libraries, ingest.run, resident.run):
            context.invoke(each, page=PAGE)
        context.invoke(filtered_lists.run, sizes=(1_000, 100_000, 1_000_000), page=PAGE)


main.add_command(service.run, "service")
main.add_command(ingest.run, "ingest")
main.add_command(filtered_lists.run, "lists")
main.command("counted", help="Lists that count and sort everything, by size.")(counted_lists.run)
main.add_command(compare_with_libraries, "speed")
main.add_command(resident.run, "resident")
main.add_command(write_path.run, "write")
main.add_command(mixed.run, "mixed")
main.add_command(whole_platform.run, "platform")


@main.command("random")
@click.option("--minutes", default=10.0, help="How long.")
@click.option("--seed", default=0, help="Another seed makes other operations.")
def _random(minutes: float, seed: int) -> None:
    """Random operations on the running service under load, every answer checked."""
    run_random_operations(minutes, seed)


if __name__ == "__main__":
    main()
