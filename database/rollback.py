"""Going back to the bundle that served before: one commit under the promotion lock.

The endpoint, the command and the guard all come here; each says which stored bundles it can still serve.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments
from database.deployments import Deployment
from database.errors import DatabaseError
from database.experiments import stop_tests_of

ROLLBACK = "rollback: "
"""How the reason of every deployment that was a rollback begins."""

LOCK_SECONDS = 60.0
"""How long a promotion, or a rollback, waits for another one."""

_HISTORY = 100


InTransaction = Callable[[Connection], None]
"""Stores, in the rollback's own transaction, what led to it."""


class RollbackError(DatabaseError):
    """There is nothing to go back to; what serves stays."""


class OvertakenError(RollbackError):
    """Another bundle serves than the one that was to be taken back; it stays."""


def roll_back(
    conn: Connection,
    reason: str,
    is_whole: Callable[[Deployment], bool],
    expected: str | None = None,
    in_transaction: InTransaction | None = None,
) -> tuple[Deployment, Deployment]:
    """Serve again the newest bundle that served before and was not itself rolled back from; commits.

    A/B tests that show the bundle taken back are stopped: nobody gets it any more.

    Args:
        conn: with no transaction under way.
        reason: why; it is recorded with the deployment.
        is_whole: whether the store still holds a deployment's bundle, undamaged.
        expected: the bundle to take back; None for whichever serves.
        in_transaction: what else is stored, with the rollback or not at all.

    Returns:
        The new deployment, and the one that it took the place of.

    Raises OvertakenError when `expected` does not serve any more; RollbackError when there is no such bundle,
    or the store lost it; PromotionBusyError when another promotion holds the lock.
    """
    with deployments.promotion_lock(conn, LOCK_SECONDS):
        left = deployments.current(conn)
        if left is not None and expected not in (None, left.bundle_id):
            raise OvertakenError(
                f"bundle {left.bundle_id} is in service, not {expected}; nothing was rolled back"
            )
        target = rollback_target(conn, left)
        if left is None or target is None:
            raise RollbackError("there is no earlier bundle to roll back to")
        if not is_whole(target):
            raise RollbackError(f"bundle {target.bundle_id} is incomplete in the store")
        now = deployments.activate(
            conn, target.bundle_id, target.bundle_tag, target.manifest, f"{ROLLBACK}{reason}"
        )
        stop_tests_of(conn, left.bundle_id, f"bundle {left.bundle_id} was rolled back")
        if in_transaction is not None:
            in_transaction(conn)
        conn.commit()
    return now, left


def rollback_target(conn: Connection, serving: Deployment | None) -> Deployment | None:
    """The deployment whose bundle a rollback would bring back; None when there is none."""
    return None if serving is None else choose_target(deployments.history(conn, _HISTORY), serving)


def taken_back_at(conn: Connection, bundle_id: str) -> datetime | None:
    """When a bundle was last rolled back from; None when it never was."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select max(back.deployed_at) from deployments back
            join deployments gone on gone.deployment_id = back.previous_id
            where starts_with(back.reason, %s) and gone.bundle_id = %s""",
            (ROLLBACK, bundle_id),
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def choose_target(past: Sequence[Deployment], serving: Deployment) -> Deployment | None:
    """The newest earlier deployment of another bundle, in `past`.

    A bundle that was rolled back from is no target, unless it has been promoted again since.

    Args:
        past: deployments, newest first.
        serving: the one that serves.
    """
    left = {deployment.previous_id for deployment in past if deployment.reason.startswith(ROLLBACK)}
    judged: set[str] = {serving.bundle_id}
    for deployment in past:
        if deployment.deployment_id >= serving.deployment_id or deployment.bundle_id in judged:
            continue
        # Newest first: how the bundle's last time of service ended is what counts.
        judged.add(deployment.bundle_id)
        if deployment.deployment_id not in left:
            return deployment
    return None
