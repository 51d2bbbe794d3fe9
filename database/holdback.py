"""The holdback: for the first days of a bundle a small share of the users keeps the previous one.

Both bundles then serve on the same days to users whom chance assigned, and the guard compares them. It is an
experiment that a promotion begins, that ends by itself, and that every further deployment ends: a bundle that
is rolled back from is shown to nobody.
"""

import logging
from dataclasses import asdict, dataclass
from datetime import timedelta

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.deployments import Deployment
from database.experiments import Arm, list_experiments

logger = logging.getLogger(__name__)

NOW, BEFORE = "now", "before"
"""Its arms: the deployed bundle, and the previous one."""


@dataclass(frozen=True, slots=True)
class HoldbackPlan:
    """Whom a promotion keeps on the previous bundle."""

    share: float
    """Part of the users; 0 keeps nobody."""
    days: float
    min_users: int
    """No holdback where the share of the users of as many days is fewer."""


def begin_holdback(conn: Connection, deployment: Deployment, before: Deployment, plan: HoldbackPlan) -> bool:
    """Keep a share of the users on the bundle that served before; returns whether it is worth it here.

    Not in a shop whose share would be too few users to tell anything, and not beside an A/B test, in which
    every user has an arm already. The caller commits, with the deployment.
    """
    if plan.share <= 0 or before.bundle_id == deployment.bundle_id:
        return False
    if any(each.kind == "ab" for each in list_experiments(conn, 10, running_only=True)):
        logger.info("No holdback: an A/B test is running, and every user is in it.")
        return False
    kept = plan.share * users_shown(conn, timedelta(days=plan.days))
    if kept < plan.min_users:
        logger.info("No holdback: about %.0f users would be kept, %d are needed.", kept, plan.min_users)
        return False
    arms = (Arm(NOW, 1 - plan.share), Arm(BEFORE, plan.share, before.bundle_id, before.bundle_tag))
    with conn.cursor() as cursor:
        cursor.execute(
            """insert into experiments (experiment_id, kind, arms, ends_at)
            values (%s, 'holdback', %s, clock_timestamp() + %s) on conflict do nothing""",
            (
                f"holdback-{deployment.deployment_id}",
                Json([asdict(arm) for arm in arms]),
                timedelta(days=plan.days),
            ),
        )
        return cursor.rowcount == 1


def users_shown(conn: Connection, back: timedelta) -> int:
    """How many users were logged as having been shown a list, from `back` before now on."""
    with conn.cursor() as cursor:
        cursor.execute(
            """select count(distinct user_id) from impression_lists
            where shown and user_id is not null and shown_at >= clock_timestamp() - %s""",
            (back,),
        )
        row = cursor.fetchone()
    return 0 if row is None else int(row[0])
