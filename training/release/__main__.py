"""`python -m training.release`: which bundles there are, what sets two apart, why the last was refused."""

import getpass
import logging

import click

from database.command_line import errors_as_messages
from database.connection import connect
from database.errors import DatabaseError
from database.settings import get_settings
from database.training_failures import TrainingOutcome, last_outcome
from training.errors import TrainingError
from training.params import load_params
from training.release.bundle import find_stored
from training.release.overview import (
    compare_bundles,
    describe_bundles,
    find_bundle,
    list_bundles,
)
from training.release.promotion import deploy_stored
from training.release.rollback import mlflow_answers
from training.release.smoke import smoke_test
from training.tracking.tracker import Tracker


@click.group(help="List and compare bundles, promote one, and see why the last training was refused.")
def main() -> None:
    """Set up logging for every command."""
    logging.basicConfig(level=get_settings().log_level, format="%(levelname)s %(message)s")


@main.command()
def bundles() -> None:
    """List every bundle that was judged, served or stored."""
    with connect() as conn:
        found = list_bundles(conn, get_settings())
    click.echo(describe_bundles(found) if found else "There is no bundle yet.")


@main.command()
@click.argument("one")
@click.argument("other")
@errors_as_messages(TrainingError)
def compare(one: str, other: str) -> None:
    """Show two bundles side by side: data, params that differ, metrics, the gate's decisions."""
    with connect() as conn:
        found = list_bundles(conn, get_settings())
    click.echo(compare_bundles(find_bundle(found, one), find_bundle(found, other)))


@main.command()
@click.argument("bundle_id")
@click.option("--reason", required=True, help="Reason, stored with the deployment.")
@errors_as_messages(TrainingError, DatabaseError)
def promote(bundle_id: str, reason: str) -> None:
    """Put a stored bundle into service, older or newer than the one that serves; the gate isn't asked."""
    settings, params = get_settings(), load_params()
    stored = find_stored(settings, bundle_id)
    if stored is None:
        raise click.ClickException(f"bundle {bundle_id} is not in the store, or not whole")
    _, errors = smoke_test(stored.path, params.gate.smoke_queries, params.seed)
    if errors:
        raise click.ClickException(f"bundle {bundle_id} can't serve: {'; '.join(errors)}")
    registry = Tracker(settings).registry if mlflow_answers(settings) else None
    done = deploy_stored(settings, registry, stored, f"promoted by {getpass.getuser()}: {reason}")
    instead = f"; it replaced {done.previous_bundle}" if done.changed and done.previous_bundle else ""
    click.echo(f"Bundle {bundle_id} {'is' if done.changed else 'was already'} in service{instead}.")


@main.command()
def why() -> None:
    """Say how the last training ended and, if it failed or was refused, why."""
    with connect() as conn:
        found = last_outcome(conn)
    click.echo(describe_outcome(found) if found else "No training has come to an end yet.")


def describe_outcome(found: TrainingOutcome) -> str:
    """How a training ended, with its offending rows, in a few lines."""
    lines = [f"{found.ended_at:%Y-%m-%d %H:%M} {found.outcome}{': ' if found.reason else ''}{found.reason}"]
    for finding in found.details.get("findings", []):
        if finding.get("rows"):
            where = f"{finding['suite']}.{finding['column']}" if finding["column"] else finding["suite"]
            lines.append(f"  {where}: {', '.join(finding['rows'])}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
