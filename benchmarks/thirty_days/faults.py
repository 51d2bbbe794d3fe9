"""What goes wrong in the month, done to the running platform from outside."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from enum import StrEnum

import httpx
import psycopg2

from benchmarks.thirty_days.nights import await_task
from benchmarks.thirty_days.world import World
from database import deployments
from database.connection import connect

OUTAGE_SECONDS = 60.0
_PATIENCE_SECONDS = 180.0


class Fault(StrEnum):
    """What was planted."""

    CORRUPT = "a broken transfer: half a file"
    LATE = "no delivery; it arrives a day late"
    WORSE = "wrong values in params.yaml: tfidf.min_similarity 0.95, als.regularization 1e6"
    KILLED_BEFORE = "the task `deploy` killed (SIGKILL) before its commit"
    KILLED_AFTER = "the task `deploy` killed (SIGKILL) after its commit, before MLflow was updated"
    WORKER = "a worker of the service killed (SIGKILL)"
    OUTAGE = "PostgreSQL stopped for a minute"
    DRIFT = "600 spare parts imported at noon"
    DISLIKED = "shoppers click only a tenth as often on the new bundle's lists"
    TAKEN_BACK = "an operator calls /training/rollback"


PLAN = {
    5: Fault.WORKER,
    6: Fault.CORRUPT,
    9: Fault.LATE,
    11: Fault.OUTAGE,
    13: Fault.WORSE,
    15: Fault.KILLED_BEFORE,
    19: Fault.KILLED_AFTER,
    22: Fault.DRIFT,
    25: Fault.TAKEN_BACK,
    27: Fault.DISLIKED,
}
"""Day of the month, from 1 → what goes wrong then, or on the first day after it that allows it.

Saturdays (3, 10, 17, 24) have no sales by themselves.
"""

WORSE_PARAMS = {"tfidf": {"min_similarity": 0.95}, "als": {"regularization": 1e6}}


def kill_before_commit(world: World, run_id: str) -> bool:
    """Hold the promotion lock until `deploy` waits for it, and kill the task there; False when none came."""
    await_task(world.airflow, "daily_training", run_id, "gate")
    with ExitStack() as lock:
        conn = lock.enter_context(connect(world.settings))
        lock.enter_context(deployments.promotion_lock(conn, 10))
        pid = await_task(world.airflow, "daily_training", run_id, "deploy")
        if pid is None:
            return False
        until(lambda: _somebody_waits(world))
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
    return True


def kill_after_commit(world: World, run_id: str) -> bool:
    """Stop MLflow, wait for the deployment's commit, and kill the task, which waits for MLflow.

    False when the run ended without it.
    """
    before = serving(world)
    pid = await_task(world.airflow, "daily_training", run_id, "deploy")
    if pid is None:
        return False
    world.signal("mlflow", signal.SIGSTOP)
    try:
        until(lambda: serving(world) != before)
        os.kill(pid, signal.SIGKILL)
    finally:
        world.signal("mlflow", signal.SIGCONT)
    return True


def stop_database(world: World) -> str:
    """Stop PostgreSQL for a minute, and wait until everything answers again."""
    world.supervisor.call("stop", name="postgres", waiting=True, match="simple")
    time.sleep(OUTAGE_SECONDS)
    started = time.monotonic()
    world.supervisor.start_process("postgres")
    until(lambda: world.airflow.healthy() and _writes(world))
    return f"everything worked again {time.monotonic() - started:.0f} s after PostgreSQL returned"


def kill_worker(world: World) -> str:
    """Kill one of the service's workers, and wait for its successor."""
    victim, *_ = before = world.workers()
    started = time.monotonic()
    victim.kill()
    until(lambda: len(world.workers()) == len(before) and victim not in world.workers())
    until(lambda: answers(f"{world.address}/readyz"))
    return f"a new worker was up {time.monotonic() - started:.0f} s later"


def take_back(world: World) -> str:
    """Roll back as an operator does."""
    body = {"reason": "an operator's test"}
    httpx.post(f"{world.address}/training/rollback", json=body, timeout=60).raise_for_status()
    return "rolled back by `POST /training/rollback`"


def serving(world: World) -> str:
    """Id of the bundle that serves; "none" before the first."""
    with connect(world.settings) as conn:
        found = deployments.current(conn)
    return found.bundle_id if found else "none"


def until(true: Callable[[], bool]) -> None:
    """Wait for something to be true. Raises TimeoutError when it was not within three minutes."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not true():
        if time.monotonic() > give_up:
            raise TimeoutError("it did not happen within three minutes")
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        return httpx.get(address, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _writes(world: World) -> bool:
    try:
        return serving(world) != "none" and answers(f"{world.address}/readyz")
    except psycopg2.OperationalError:
        return False


def _somebody_waits(world: World) -> bool:
    with connect(world.settings) as conn, conn.cursor() as cursor:
        cursor.execute(
            """select exists (select from pg_locks l join pg_database d on d.oid = l.database
            where d.datname = current_database() and l.locktype = 'advisory' and not l.granted)"""
        )
        return cursor.fetchone() == (True,)


KILLS = {Fault.KILLED_BEFORE: kill_before_commit, Fault.KILLED_AFTER: kill_after_commit}
"""During the training: what is done to the run with an id; whether it could be."""

AT_NOON = {
    Fault.WORKER: kill_worker,
    Fault.OUTAGE: stop_database,
    Fault.TAKEN_BACK: take_back,
}
"""By day."""
