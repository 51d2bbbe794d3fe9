"""Which bundle serves: promotion, rollback, and the repair of what a crash left behind.

The database's deployment row is the truth, and changing it is one commit. Everything before
it (storing the Bento model, registering the version) is invisible and can be repeated; everything
after it (MLflow's aliases) only mirrors it, and `reconcile` repairs the mirror. All of it runs
under one lock in the database, so two promotions can't race.
"""

import logging
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from database import deployments, rollback
from database.connection import connect
from database.deployments import Deployment
from database.gate_decisions import decisions
from database.holdback import HoldbackPlan, begin_holdback
from database.rollback import InTransaction
from database.settings import Settings
from training.errors import TrainingError
from training.release.bundle import StoredBundle, find_stored
from training.tracking.registry import BUNDLE, CHALLENGER, CHAMPION, PREVIOUS, Registry

logger = logging.getLogger(__name__)

_MIRROR_SECONDS = 5.0
"""How long `mirror` waits for others: a promotion, which moves the aliases itself, a rollback, retention."""


class PromotionError(TrainingError):
    """The bundle can't take over; what serves stays."""


@dataclass(frozen=True)
class Promotion:
    """The outcome: what serves, what did before, and whether this call changed it."""

    deployment: Deployment
    previous_bundle: str | None
    changed: bool


def promote(
    settings: Settings,
    registry: Registry,
    stored: StoredBundle,
    reason: str,
    holdback: HoldbackPlan | None = None,
) -> Promotion:
    """Make a stored bundle serve, when the gate's latest decision on it was to accept; again is no change.

    With `holdback` a share of the users keeps the previous bundle for a while, where that tells anything.

    Raises PromotionError when the gate did not accept it, accepted it against another champion, or accepted
    it before it was taken back; PromotionBusyError when another promotion holds the lock.
    """
    with connect(settings) as conn, deployments.promotion_lock(conn, rollback.LOCK_SECONDS):
        serving = deployments.current(conn)
        changed = serving is None or serving.bundle_id != stored.bundle_id
        if changed:
            _require_acceptance(conn, stored.bundle_id, serving)
            left = serving
            serving = deployments.activate(conn, stored.bundle_id, stored.tag, stored.manifest, reason)
            if left is not None and holdback is not None:
                begin_holdback(conn, serving, left, holdback)
            conn.commit()
            logger.info("Bundle %s is in service (deployment %d).", serving.bundle_id, serving.deployment_id)
        before = deployments.previous(conn)
        reconcile(conn, registry)
        if serving is None:
            raise PromotionError("the deployment was not stored")
    return Promotion(serving, before.bundle_id if before else None, changed)


def deploy_stored(
    settings: Settings, registry: Registry | None, stored: StoredBundle, reason: str
) -> Promotion:
    """Make a stored bundle serve on an operator's word, whatever the gate or a rollback said of it.

    Without a registry (MLflow is down) its aliases move within the hour.

    Raises PromotionBusyError when another promotion holds the lock.
    """
    with connect(settings) as conn, deployments.promotion_lock(conn, rollback.LOCK_SECONDS):
        serving = deployments.current(conn)
        before = serving.bundle_id if serving else None
        if serving is None or serving.bundle_id != stored.bundle_id:
            serving = deployments.activate(conn, stored.bundle_id, stored.tag, stored.manifest, reason)
            conn.commit()
            logger.info("Bundle %s is in service: %s", serving.bundle_id, reason)
        if registry is not None:
            reconcile(conn, registry)
    return Promotion(serving, before, before != stored.bundle_id)


def roll_back(
    settings: Settings, reason: str, expected: str | None = None, in_transaction: InTransaction | None = None
) -> Promotion:
    """Go back to the newest bundle that served before and was not itself rolled back from.

    MLflow is not asked: going back must work without it. `reconcile` moves its aliases. With `expected`
    only that bundle is taken back; what `in_transaction` stores is stored with the rollback, or not at all.

    Raises OvertakenError when `expected` does not serve any more; RollbackError when there is nothing to go
    back to; PromotionBusyError when another promotion holds the lock.
    """

    def is_whole(target: Deployment) -> bool:
        return find_stored(settings, target.bundle_id) is not None

    with connect(settings) as conn:
        now, left = rollback.roll_back(conn, reason, is_whole, expected, in_transaction)
    logger.warning("Rolled back to bundle %s: %s", now.bundle_id, reason)
    return Promotion(now, left.bundle_id, True)


def reconcile(conn: Connection, registry: Registry) -> list[str]:
    """Point MLflow's aliases at what the database says serves; returns those that had to move.

    The models' aliases move first and the bundle's last. The caller holds the promotion lock.
    """
    serving = deployments.current(conn)
    before = rollback.rollback_target(conn, serving)
    conn.commit()
    if serving is None:
        return []
    mine, theirs = _versions(registry, serving), _versions(registry, before)
    moved, last = [], registry.name_of(BUNDLE)
    for name in sorted(mine.keys() | theirs.keys(), key=lambda name: (name == last, name)):
        wanted = {PREVIOUS: theirs.get(name), CHAMPION: mine.get(name)}
        if registry.aliases(name).get(CHALLENGER) == mine.get(name):
            wanted[CHALLENGER] = None
        moved += [f"{name}@{alias}" for alias in registry.set_aliases(name, wanted)]
    if moved:
        logger.info("Aliases moved: %s", ", ".join(moved))
    return moved


def mirror(settings: Settings, registry: Registry) -> None:
    """`reconcile` under the lock; while others keep it, the aliases wait for the next call in an hour."""
    with connect(settings) as conn:
        try:
            with deployments.promotion_lock(conn, _MIRROR_SECONDS):
                reconcile(conn, registry)
        except deployments.PromotionBusyError:
            logger.warning(
                "A promotion or rollback is running; the next `monitoring` run will update MLflow's aliases."
            )


def _require_acceptance(conn: Connection, bundle_id: str, serving: Deployment | None) -> None:
    found = decisions(conn, 1, bundle_id)
    if not found or not found[0].accepted:
        raise PromotionError(f"the gate has not accepted bundle {bundle_id}")
    champion = serving.bundle_id if serving else None
    if found[0].champion_id != champion:
        raise PromotionError(
            f"bundle {bundle_id} was compared with {found[0].champion_id}, but {champion} is in service now: "
            "run the gate again"
        )
    taken_back = rollback.taken_back_at(conn, bundle_id)
    if taken_back is not None and taken_back > found[0].decided_at:
        raise PromotionError(
            f"bundle {bundle_id} was rolled back after the gate accepted it: run the gate again"
        )


def _versions(registry: Registry, deployment: Deployment | None) -> dict[str, str]:
    """Registered name → version of a deployment's bundle and its models."""
    if deployment is None:
        return {}
    bundle = registry.find_bundle(deployment.bundle_id)
    models: dict[str, Any] = deployment.manifest["models"]
    versions = {
        registry.name_of(name): str(entry["version"])
        for name, entry in models.items()
        if entry.get("version")
    }
    return versions | ({bundle.name: bundle.version} if bundle else {})
