"""`python -m training.release.rollback --reason ...`: back to the bundle that served before, all at once."""

import logging

import click
import httpx

from database.command_line import errors_as_messages
from database.errors import DatabaseError
from database.rollback import InTransaction
from database.settings import Settings, get_settings
from training.release.promotion import Promotion, mirror, roll_back
from training.tracking.tracker import Tracker

logger = logging.getLogger(__name__)

_HEALTH_SECONDS = 2.0


def roll_back_and_tell(
    settings: Settings, reason: str, expected: str | None = None, in_transaction: InTransaction | None = None
) -> Promotion:
    """Roll back, then move MLflow's aliases if its server answers; within the hour they are moved otherwise.

    Raises OvertakenError when `expected` does not serve any more; RollbackError when there is nothing to go
    back to; PromotionBusyError when another promotion holds the lock.
    """
    promotion = roll_back(settings, reason, expected, in_transaction)
    if mlflow_answers(settings):
        mirror(settings, Tracker(settings).registry)
    else:
        logger.warning("MLflow is unreachable; the next `monitoring` run will update its aliases.")
    return promotion


def mlflow_answers(settings: Settings) -> bool:
    """Whether the tracking server is up; a database URL in place of a server counts as up."""
    if not settings.tracking_uri.startswith("http"):
        return True
    try:
        return httpx.get(f"{settings.tracking_uri}/health", timeout=_HEALTH_SECONDS).is_success
    except httpx.TransportError:
        return False


@click.command()
@click.option("--reason", required=True, help="Reason, stored with the deployment.")
@click.option("--bundle", help="Roll back only if this bundle is in service.")
@errors_as_messages(DatabaseError)
def main(reason: str, bundle: str | None) -> None:
    """Roll back to the previous bundle. Workers switch at their next request."""
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(message)s")
    promotion = roll_back_and_tell(settings, reason, bundle)
    now, replaced = promotion.deployment.bundle_id, promotion.previous_bundle
    click.echo(f"Bundle {now} is in service again; it replaced {replaced}.")


if __name__ == "__main__":
    main()
