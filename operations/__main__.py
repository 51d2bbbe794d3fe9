"""`python -m operations`: start, stop and inspect the platform. Usually run through `make`."""

import logging
import signal
import sys
from types import FrameType

import click

from database.settings import get_settings
from operations.environment import layout
from operations.errors import OperationsError
from operations.supervisor import Supervisor

INTERRUPTED = 130


@click.group(help=__doc__)
def main() -> None:
    """Set up logging for every command."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command()
@click.option("--detach", is_flag=True, help="Leave the platform running and return.")
@click.option("--sample/--no-sample", default=True, help="Load the sample when the database is empty.")
def up(detach: bool, sample: bool) -> None:
    """Start everything, train the first bundle if there is none, and run until Ctrl-C."""
    from operations.up import run

    # SIGINT too: a script's background job inherits it as ignored, and Ctrl-C must still stop us.
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _interrupt)
    try:
        sys.exit(run(get_settings(), detach=detach, sample=sample))
    except OperationsError as error:
        click.echo(f"make up: {error}.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


@main.command()
@click.option("--force", is_flag=True, help="Train although nothing is new since the bundle in service.")
@click.option(
    "--weights/--no-weights",
    default=True,
    help="Learn the blend's weights if they never were on this data.",
)
def train(force: bool, weights: bool) -> None:
    """Train now: follow the daily run task by task, then show what came of it."""
    from operations.answer import BundleRefusedError
    from operations.retrain import interrupted, run

    try:
        run(get_settings(), force=force, weights=weights)
    except (OperationsError, BundleRefusedError) as error:
        click.echo(f"make train: {error}.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo(interrupted(get_settings()), err=True)
        sys.exit(INTERRUPTED)


@main.command()
def down() -> None:
    """Stop everything that this installation's `up` started, and nothing else."""
    count = Supervisor(layout(get_settings())).stop()
    click.echo(f"Stopped {count} processes." if count else "Nothing was running.")


@main.command()
def check() -> None:
    """Check whether the platform could start; start nothing."""
    from operations.preflight import check as preflight

    try:
        preflight(get_settings())
    except OperationsError as error:
        click.echo(f"{error}.", err=True)
        sys.exit(1)
    click.echo("Ready to start.")


@main.command()
@click.argument("process")
def restart(process: str) -> None:
    """Restart one process of circus.ini, such as `service`; the others go on."""
    supervisor = Supervisor(layout(get_settings()))
    try:
        known = supervisor.states()
        if process not in known:
            raise click.BadParameter(f"{process} is none of {', '.join(sorted(known))}")
        supervisor.restart_process(process)
    except OperationsError as error:
        raise click.ClickException(f"{error}.") from error
    click.echo(f"Restarted {process}.")


@main.command()
def status() -> None:
    """Show each process with its state and memory, and what keeps Airflow from running the DAGs."""
    from operations.status import schedules, table

    lines = table(Supervisor(layout(get_settings())))
    lines += schedules(get_settings()) if lines else []
    click.echo("\n".join(lines) if lines else "Nothing is running.")


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
