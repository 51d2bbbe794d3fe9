"""Deployments: which bundle serves, which did before, and the lock that keeps promotions apart."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.errors import DatabaseError
from database.experiments import end_holdback
from database.locks import PROMOTION, session_lock

_FIELDS = "deployment_id, bundle_id, bundle_tag, manifest::text, reason, deployed_at, previous_id"


class PromotionBusyError(DatabaseError):
    """Another promotion holds the lock."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One promotion of a bundle. `previous_id` is the deployment that served before it."""

    deployment_id: int
    bundle_id: str
    bundle_tag: str
    manifest: dict[str, Any]
    reason: str
    deployed_at: datetime
    previous_id: int | None


@contextmanager
def promotion_lock(conn: Connection, wait_seconds: float) -> Iterator[None]:
    """Hold the promotion lock for the block, over any number of transactions of `conn`.

    The server releases it when the connection ends, however that happens. Raises PromotionBusyError when
    another holds it longer than `wait_seconds`. Enter with no transaction open: it is committed.
    """
    with conn.cursor() as cursor:
        cursor.execute("select set_config('lock_timeout', %s, true)", (f"{int(wait_seconds * 1000)}ms",))
    with ExitStack() as stack:
        try:
            stack.enter_context(session_lock(conn, PROMOTION))
        except errors.LockNotAvailable as error:
            conn.rollback()
            raise PromotionBusyError("another promotion is running") from error
        yield


def activate(
    conn: Connection, bundle_id: str, bundle_tag: str, manifest: Mapping[str, Any], reason: str
) -> Deployment:
    """Record a deployment and make it the one that serves, in the caller's transaction.

    A holdback ends with it, so that nobody is kept on a bundle that was taken back.
    """
    end_holdback(conn, "another bundle was deployed")
    with conn.cursor() as cursor:
        cursor.execute("select deployment_id from change_state for update")
        row = cursor.fetchone()
        cursor.execute(
            f"""insert into deployments (bundle_id, bundle_tag, manifest, reason, previous_id)
            values (%s, %s, %s, %s, %s) returning {_FIELDS}""",
            (bundle_id, bundle_tag, Json(dict(manifest)), reason, row[0] if row else None),
        )
        deployment = _deployment(cursor.fetchone())
        if deployment is None:
            raise LookupError(bundle_id)
        cursor.execute("update change_state set deployment_id = %s", (deployment.deployment_id,))
    return deployment


def snapshots_served(conn: Connection) -> frozenset[str]:
    """DVC's hashes of the snapshots that deployed bundles were learned from."""
    with conn.cursor() as cursor:
        cursor.execute("select distinct manifest->>'snapshot_hash' from deployments")
        return frozenset(row[0] for row in cursor.fetchall() if row[0])


def current(conn: Connection) -> Deployment | None:
    """The deployment that serves; None before the first."""
    return _one(conn, "where deployment_id = (select deployment_id from change_state)")


def previous(conn: Connection) -> Deployment | None:
    """The deployment that served before the current one."""
    return _one(
        conn,
        """where deployment_id = (select d.previous_id from deployments d
        join change_state s on s.deployment_id = d.deployment_id)""",
    )


def history(conn: Connection, limit: int) -> list[Deployment]:
    """The last deployments, newest first."""
    with conn.cursor() as cursor:
        cursor.execute(f"select {_FIELDS} from deployments order by deployment_id desc limit %s", (limit,))
        return [found for row in cursor.fetchall() if (found := _deployment(row)) is not None]


def find_manifest(conn: Connection, bundle_id: str) -> dict[str, Any] | None:
    """The manifest of a bundle that served at any time; None for one that never did."""
    found = _one(conn, "where bundle_id = %s order by deployment_id desc limit 1", (bundle_id,))
    return None if found is None else found.manifest


async def fetch_deployment(conn: asyncpg.Connection, deployment_id: int) -> Deployment | None:
    """One deployment by its number; None when there is none."""
    record = await conn.fetchrow(f"select {_FIELDS} from deployments where deployment_id = $1", deployment_id)
    return _deployment(None if record is None else tuple(record))


def _one(conn: Connection, condition: str, values: tuple[object, ...] = ()) -> Deployment | None:
    with conn.cursor() as cursor:
        cursor.execute(f"select {_FIELDS} from deployments {condition}", values)
        return _deployment(cursor.fetchone())


def _deployment(row: tuple[Any, ...] | None) -> Deployment | None:
    if row is None:
        return None
    deployment_id, bundle_id, tag, manifest, reason, deployed_at, previous_id = row
    return Deployment(deployment_id, bundle_id, tag, orjson.loads(manifest), reason, deployed_at, previous_id)
