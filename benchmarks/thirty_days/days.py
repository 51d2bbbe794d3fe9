"""The month itself: what arrives each day, what goes wrong, and what the platform makes of it."""

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from enum import StrEnum

import httpx
import pandas as pd

from benchmarks.thirty_days.deliveries import Retail, drop, drop_broken, new_assortment
from benchmarks.thirty_days.shoppers import Shoppers, Tally
from benchmarks.thirty_days.world import World
from database import deployments
from database.connection import connect
from database.ingest import ADAPTERS, ingest_file
from database.settings import REPOSITORY
from database.watch import drift_reports
from training.monitoring import drift_triggered, measure_drift
from training.pipeline import STEPS, NothingNewError, StoppedError, run_steps
from training.trending import refresh_trending

logger = logging.getLogger(__name__)


class Fault(StrEnum):
    """What was planted."""

    CORRUPT = "the transfer broke off: half a file"
    LATE = "no delivery; it comes a day late"
    WORSE = "a slip in params.yaml: tfidf.min_similarity 0.95, als.regularization 1e6"
    KILLED_BEFORE = "deploy killed (SIGKILL) before its commit"
    KILLED_AFTER = "deploy killed (SIGKILL) after its commit, before MLflow knew"
    DRIFT = "600 spare parts imported at noon"
    TAKEN_BACK = "an operator posts to /training/rollback"


PLAN = {
    6: Fault.CORRUPT,
    9: Fault.LATE,
    13: Fault.WORSE,
    15: Fault.KILLED_BEFORE,
    19: Fault.KILLED_AFTER,
    22: Fault.DRIFT,
    26: Fault.TAKEN_BACK,
}
"""Day of the month, from 1 → what goes wrong. Saturdays (3, 10, 17, 24) have no sales by themselves."""

WORSE_PARAMS = {"tfidf": {"min_similarity": 0.95}, "als": {"regularization": 1e6}}
NEW_PARTS = 600
CLICKS = 20
_SWAP_SECONDS = 90.0
_AGREEING = 12
"""Answers in a row that must name the same bundle: both workers are then taken to have it."""

_KILL = """
import os, signal
from {module} import {owner}
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
{owner}.{function} = die
from training.pipeline import run_steps
run_steps(["deploy"])
"""
_KILLS = {
    Fault.KILLED_BEFORE: _KILL.format(module="database", owner="deployments", function="activate"),
    Fault.KILLED_AFTER: _KILL.format(module="training", owner="promotion", function="reconcile"),
}


@dataclass
class Day:
    """One line of the story."""

    number: int
    date: date
    inbox: str
    ran: str = ""
    outcome: list[str] = field(default_factory=list)
    serves: str = ""
    tally: Tally = field(default_factory=Tally)


class Month:
    """Plays the days on a running installation."""

    def __init__(self, world: World, retail: Retail, shoppers: Shoppers) -> None:
        self.world, self.retail, self.shoppers = world, retail, shoppers
        self.names: dict[str, str] = {}
        self._owed: list[pd.DataFrame] = []

    def play(self, number: int, day: date) -> Day:
        """One day: deliveries and clicks by day, trending, training at night, monitoring at noon after."""
        fault = PLAN.get(number)
        now = datetime.combine(day, clock_time(3), UTC) + timedelta(days=1, weeks=self.retail.weeks)
        entry = Day(number, (now - timedelta(days=1)).date(), self._deliver(number, day, fault))
        if len(self.retail.days[day]):
            self._click(now - timedelta(hours=12))
        refresh_trending(now)
        if fault is Fault.WORSE:
            self.world.write_params(WORSE_PARAMS)
        entry.ran = self._night(entry, fault)
        if fault is Fault.WORSE:
            self.world.write_params({})
        self._settle()
        self._noon(entry, fault, now + timedelta(hours=9))
        entry.serves = self.name(self._settle())
        entry.tally = self.shoppers.take()
        return entry

    def first_bundle(self) -> str:
        """Train and deploy what everything starts with; gives its name."""
        refresh_trending(datetime.combine(min(self.retail.days), clock_time(3), UTC) + self._shift)
        run_steps(list(STEPS))
        served = self._settle()
        return self.name(served)

    def name(self, bundle_id: str) -> str:
        """B1, B2, … in the order in which bundles first served."""
        return self.names.setdefault(bundle_id, f"B{len(self.names) + 1}")

    @property
    def _shift(self) -> timedelta:
        return timedelta(weeks=self.retail.weeks)

    def _deliver(self, number: int, day: date, fault: Fault | None) -> str:
        inbox, frame = self.world.settings.inbox, self.retail.days[day]
        words = [f"a late file of {len(late)} lines" for late in self._owed]
        for place, late in enumerate(self._owed):
            drop(late, inbox / f"{day:%Y-%m-%d}-late-{place}.parquet")
        self._owed = []
        if not len(frame):
            return "; ".join([*words, "no sales, no file"])
        if fault is Fault.LATE:
            self._owed.append(frame)
            return fault.value
        if fault is Fault.CORRUPT:
            self._owed.append(frame)
            drop_broken(frame, inbox / f"{day:%Y-%m-%d}.parquet")
            return fault.value
        drop(frame, inbox / f"{day:%Y-%m-%d}.parquet")
        return "; ".join([*words, f"{len(frame)} lines"])

    def _click(self, at: datetime) -> None:
        """Clicks through the service; its clock is the real one, so they are then set back into the day."""
        self.shoppers.click(CLICKS)
        with connect(self.world.settings) as conn, conn.cursor() as cursor:
            cursor.execute(
                "update interactions set occurred_at = %s where source = 'service' and occurred_at > %s",
                (at, datetime.now(UTC) - timedelta(minutes=5)),
            )

    def _night(self, entry: Day, fault: Fault | None) -> str:
        """The daily run, step by step; returns what ran, and adds what came of it."""
        started, done = time.monotonic(), []
        before = self._serving()
        try:
            for step in STEPS:
                done.append(step)
                if step == "deploy" and fault in _KILLS:
                    entry.outcome.append(self._killed(fault, before))
                run_steps([step])
            entry.outcome.append(f"{self.name(self._serving())} promoted")
        except NothingNewError:
            entry.outcome.append("skipped: nothing new")
        except StoppedError as reason:
            entry.outcome.append(f"refused, {self.name(before)} stays: {reason}")
        failed = self._failed_files()
        entry.outcome += [f"{name} moved to failed/: {why}" for name, why in failed]
        last = "all steps" if len(done) == len(STEPS) else f"up to `{done[-1]}`"
        return f"{last}, {time.monotonic() - started:.0f} s"

    def _killed(self, fault: Fault, before: str) -> str:
        command = [sys.executable, "-c", _KILLS[fault]]
        answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if answer.returncode != -9:
            raise RuntimeError(f"the deploy step was to be killed, and was not: {answer.stderr[-2000:]}")
        now = self._serving()
        which = "the old bundle" if now == before else "the new bundle"
        return f"{fault.value}: {which} served, whole; the retry ended the promotion"

    def _failed_files(self) -> list[tuple[str, str]]:
        """Files that moved to failed/ since the last look, each with its report's reason."""
        import orjson

        found = []
        for report in sorted((self.world.settings.inbox / "failed").glob("*.report.json")):
            why = str(orjson.loads(report.read_bytes())["error"])
            name = report.name.removesuffix(".report.json")
            found.append((name, why.replace(f"{self.world.settings.inbox}/", "")))
            report.rename(report.with_suffix(".seen"))
        return found

    def _noon(self, entry: Day, fault: Fault | None, now: datetime) -> None:
        """What the monitoring DAG does, and what happens by day on the days when something does."""
        if fault is Fault.TAKEN_BACK:
            entry.outcome.append(self._take_back())
        if fault is Fault.DRIFT:
            path = new_assortment(self.world.root / "assortment.csv", NEW_PARTS)
            with connect(self.world.settings) as conn:
                ingest_file(conn, ADAPTERS["products"], path)
            entry.inbox += f"; {fault.value}"
        if measure_drift(now):
            drift_triggered()
            with connect(self.world.settings) as conn:
                figures = drift_reports(conn, 1)[0].report["figures"]
            names = ", ".join(figure["name"] for figure in figures if figure["drifted"])
            entry.outcome.append(f"drift of {names} triggers a training")
            entry.ran += f"; then {self._night(entry, None)}"

    def _take_back(self) -> str:
        started = time.monotonic()
        answer = httpx.post(
            f"{self.world.address}/training/rollback", json={"reason": "a trial by an operator"}, timeout=60
        )
        answer.raise_for_status()
        now = self._settle()
        return (
            f"taken back by `POST /training/rollback`: {self.name(now)} serves again "
            f"{time.monotonic() - started:.1f} s later on both workers"
        )

    def _serving(self) -> str:
        with connect(self.world.settings) as conn:
            found = deployments.current(conn)
        return found.bundle_id if found else "none"

    def _settle(self) -> str:
        """Wait until every worker answers from the deployed bundle; returns its id."""
        wanted, agreeing = self._serving(), 0
        give_up = time.monotonic() + _SWAP_SECONDS
        with httpx.Client(base_url=self.world.address, timeout=10) as client:
            while agreeing < _AGREEING:
                if time.monotonic() > give_up:
                    raise TimeoutError(f"the service did not follow to bundle {wanted}")
                answer = client.get("/status", headers={"Connection": "close"})
                agreeing = agreeing + 1 if answer.headers["X-Bundle"] == wanted else 0
                time.sleep(0.02)
        return wanted


def failures(days: Sequence[Day]) -> list[str]:
    """Every request that was not answered as it should be."""
    return [f"day {day.number}: {failure}" for day in days for failure in day.tally.failures]
