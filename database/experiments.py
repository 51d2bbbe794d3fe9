"""Experiments: arms that are compared on live traffic, when they started and why they stopped.

At most one of each kind runs at a time, so that no user's list answers to two tests. The first arm is the
control. In an A/B test shares sum to 1; in a shadow test the first arm is shown to everyone and the second is
computed, unseen, for its share of the users. A holdback is begun by a promotion: see `database.holdback`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

import asyncpg
import orjson
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extras import Json

from database.errors import DatabaseError

Kind = Literal["ab", "shadow", "holdback"]
BlendValue = float | str | Mapping[str, float]

_FIELDS = "experiment_id, kind, arms::text, started_at, stopped_at, stop_reason, ends_at"
_RUNS = "stopped_at is null and (ends_at is null or ends_at > clock_timestamp())"

STARTED: tuple[Kind, ...] = ("ab", "shadow")
"""Kinds that somebody starts."""


class ExperimentError(DatabaseError):
    """An experiment can't be started, stopped or read; the message says why."""


class ExperimentInvalidError(ExperimentError):
    """Arms, shares or bundles of a new experiment are wrong."""


class ExperimentBusyError(ExperimentError):
    """The id is taken, or an experiment of this kind runs."""


class ExperimentUnknownError(ExperimentError):
    """No such experiment, or none that runs."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the things compared: the deployed bundle and blend, with what this arm changes of them."""

    name: str
    share: float
    """Part of the users, 0 to 1."""
    bundle_id: str | None = None
    """Another bundle; None is the one that is deployed."""
    bundle_tag: str | None = None
    """Where that bundle is stored; filled in when the experiment starts."""
    blend: Mapping[str, BlendValue] | None = None
    """Keys of the params' section `blend` that this arm changes; `tuned` is replaced as a whole."""
    epsilon: float = 0.0
    """Share of lists that are drawn at random from the candidates, to learn from what would not be shown."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One experiment; it runs while `stopped_at` is None and `ends_at` is not past."""

    experiment_id: str
    kind: Kind
    arms: tuple[Arm, ...]
    started_at: datetime
    stopped_at: datetime | None
    stop_reason: str | None
    ends_at: datetime | None = None
    """When it ends by itself; None: when it is stopped."""

    def over(self, now: datetime) -> datetime:
        """The end of what it showed until `now`."""
        return min(now, self.stopped_at or now, self.ends_at or now)


def start_experiment(conn: Connection, experiment_id: str, kind: Kind, arms: Sequence[Arm]) -> Experiment:
    """Store a new experiment, which the service's workers then follow. The caller commits.

    An A/B test compares what does not change by itself. When none of its arms names a bundle, all follow the
    deployed one and change together; when one does, the others keep the bundle that is deployed now.

    Raises ExperimentInvalidError (shares, names, or a bundle that was never accepted), ExperimentBusyError.
    """
    _check(kind, arms)
    if kind == "ab" and any(arm.bundle_id for arm in arms):
        deployed = _deployed(conn)
        arms = [arm if arm.bundle_id else replace(arm, bundle_id=deployed) for arm in arms]
    placed = [asdict(arm) | {"bundle_tag": _tag(conn, arm)} for arm in arms]
    try:
        with conn.cursor() as cursor:
            cursor.execute(
                f"""insert into experiments (experiment_id, kind, arms) values (%s, %s, %s)
                returning {_FIELDS}""",
                (experiment_id, kind, Json(placed)),
            )
            return _experiment(cursor.fetchone())
    except errors.UniqueViolation as error:
        raise ExperimentBusyError(
            f"experiment {experiment_id!r} already exists, or another of kind {kind!r} is running"
        ) from error
    except errors.CheckViolation as error:
        raise ExperimentInvalidError(
            f"invalid experiment id {experiment_id!r}: use up to 64 lower-case letters, digits, '.', '_', '-'"
        ) from error


def stop_experiment(conn: Connection, experiment_id: str, reason: str) -> Experiment:
    """End a running experiment: everyone gets the deployed bundle again. The caller commits.

    Raises ExperimentUnknownError.
    """
    with conn.cursor() as cursor:
        cursor.execute(
            f"""update experiments set stopped_at = clock_timestamp(), stop_reason = %s
            where experiment_id = %s and stopped_at is null returning {_FIELDS}""",
            (reason, experiment_id),
        )
        row = cursor.fetchone()
    if row is None:
        raise ExperimentUnknownError(f"no experiment {experiment_id!r} is running")
    return _experiment(row)


def get_experiment(conn: Connection, experiment_id: str) -> Experiment:
    """One experiment, running or not. Raises ExperimentUnknownError when there is no such experiment."""
    with conn.cursor() as cursor:
        cursor.execute(f"select {_FIELDS} from experiments where experiment_id = %s", (experiment_id,))
        row = cursor.fetchone()
    if row is None:
        raise ExperimentUnknownError(f"no experiment {experiment_id!r}")
    return _experiment(row)


def end_holdback(conn: Connection, reason: str) -> None:
    """End the holdback that runs, if one does. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """update experiments set stopped_at = clock_timestamp(), stop_reason = %s
            where kind = 'holdback' and stopped_at is null""",
            (reason,),
        )


def stop_tests_of(conn: Connection, bundle_id: str, reason: str) -> None:
    """Stop the tests that show a bundle. The caller commits."""
    with conn.cursor() as cursor:
        cursor.execute(
            """update experiments set stopped_at = clock_timestamp(), stop_reason = %s
            where stopped_at is null and kind = 'ab'
                and arms @> jsonb_build_array(jsonb_build_object('bundle_id', %s))""",
            (reason, bundle_id),
        )


def list_experiments(
    conn: Connection,
    limit: int,
    running_only: bool = False,
    kinds: Sequence[Kind] = ("ab", "shadow", "holdback"),
) -> list[Experiment]:
    """The experiments of some kinds, newest first."""
    with conn.cursor() as cursor:
        cursor.execute(
            f"""select {_FIELDS} from experiments where kind = any(%s) and (not %s or {_RUNS})
            order by started_at desc limit %s""",
            (list(kinds), running_only, limit),
        )
        return [_experiment(row) for row in cursor.fetchall()]


async def running_experiments(conn: asyncpg.Connection) -> list[Experiment]:
    """The experiments that run now: at most one of each kind."""
    rows = await conn.fetch(f"select {_FIELDS} from experiments where {_RUNS} order by kind")
    return [_experiment(tuple(row)) for row in rows]


def _check(kind: Kind, arms: Sequence[Arm]) -> None:
    names = [arm.name for arm in arms]
    if len(arms) < 2 or len(set(names)) < len(names) or not all(names):
        raise ExperimentInvalidError("an experiment needs two arms or more, with names that differ")
    if any(not 0 < arm.share <= 1 or not 0 <= arm.epsilon < 1 for arm in arms):
        raise ExperimentInvalidError("a share must be above 0 and at most 1, epsilon at least 0 and below 1")
    if kind == "ab" and abs(sum(arm.share for arm in arms) - 1) > 1e-9:
        raise ExperimentInvalidError("the shares of an A/B test must sum to 1")
    if kind == "shadow" and (len(arms) > 2 or arms[0].share < 1 or arms[1].epsilon > 0):
        raise ExperimentInvalidError(
            "a shadow test has two arms: the shown one with share 1, and the shadow without epsilon"
        )


def _deployed(conn: Connection) -> str | None:
    with conn.cursor() as cursor:
        cursor.execute("select bundle_id from deployments join change_state using (deployment_id)")
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def _tag(conn: Connection, arm: Arm) -> str | None:
    """Where the arm's bundle is stored: any bundle that passed the gate may be tried on users.

    Bundles are versions of one name in the store, so one that never served lies beside the others.
    """
    if arm.bundle_id is None:
        return None
    with conn.cursor() as cursor:
        cursor.execute(
            """select split_part(bundle_tag, ':', 1) || ':' || %(bundle)s from deployments
            where exists (select from deployments where bundle_id = %(bundle)s)
                or exists (select from gate_decisions where bundle_id = %(bundle)s and accepted)
            order by deployment_id desc limit 1""",
            {"bundle": arm.bundle_id},
        )
        row = cursor.fetchone()
    if row is None:
        raise ExperimentInvalidError(f"arm {arm.name!r}: no bundle {arm.bundle_id!r} has passed the gate")
    return str(row[0])


def _experiment(row: tuple[Any, ...] | None) -> Experiment:
    if row is None:
        raise ExperimentUnknownError("the experiment was not stored")
    experiment_id, kind, arms, started_at, stopped_at, reason, ends_at = row
    made = tuple(Arm(**arm) for arm in orjson.loads(arms))
    return Experiment(experiment_id, kind, made, started_at, stopped_at, reason, ends_at)
