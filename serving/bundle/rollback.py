"""Going back to the previous bundle from the service: workers follow with their next request."""

from database.connection import connect
from database.deployments import Deployment
from database.rollback import roll_back
from database.settings import Settings
from serving.bundle.loading import Locate, bento_folder
from serving.database_errors import ask_in_thread
from training.models.bundle import BundleError, verify_bundle


async def roll_back_bundle(
    settings: Settings, reason: str, expected: str | None = None, locate: Locate = bento_folder
) -> tuple[Deployment, Deployment]:
    """Roll back in a thread, on a connection of its own; returns what serves now, and what served.

    MLflow is not asked: a run of `monitoring` moves its aliases. Raises RollbackError when there is nothing
    to go back to or `expected` does not serve, PromotionBusyError when a promotion is under way,
    DatabaseUnavailableError.
    """
    return await ask_in_thread("rolling back", _take_back, settings, reason, expected, locate)


def _take_back(
    settings: Settings, reason: str, expected: str | None, locate: Locate
) -> tuple[Deployment, Deployment]:
    def is_whole(target: Deployment) -> bool:
        try:
            verify_bundle(locate(target.bundle_tag))
        except (BundleError, LookupError):
            return False
        return True

    with connect(settings) as conn:
        return roll_back(conn, reason, is_whole, expected)
