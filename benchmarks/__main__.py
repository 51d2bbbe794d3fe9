"""`python -m benchmarks`: both sides of each comparison in one run, ratios out."""

import logging

import click

from benchmarks import ingest, service, training


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Run one benchmark, or all of them."""
    logging.basicConfig(level=logging.WARNING)
    if context.invoked_subcommand is None:
        for each in (training.run, ingest.run, service.run):
            each()


main.command("service", help="The service under BentoML, its bare app, and raw ASGI.")(service.run)
main.command("ingest", help="Ingestion and bare COPY.")(ingest.run)
main.command("training", help="ALS and bare implicit.")(training.run)

if __name__ == "__main__":
    main()
