"""The month itself: what arrives each day, what goes wrong, and what the platform makes of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time

import httpx
import orjson
import pandas as pd

from benchmarks.thirty_days import nights
from benchmarks.thirty_days.clock import pass_time
from benchmarks.thirty_days.deliveries import Retail, drop, drop_broken, new_assortment
from benchmarks.thirty_days.faults import AT_NOON, KILLS, PLAN, WORSE_PARAMS, Fault, serving, until
from benchmarks.thirty_days.shoppers import Shoppers, Tally
from benchmarks.thirty_days.world import World
from database.connection import connect
from database.deployments import current
from database.ingest import ADAPTERS, ingest_file
from database.monitoring import drift_reports
from database.rollback import ROLLBACK

NEW_PARTS = 600
MONITORED_AT_NOON = frozenset({Fault.OUTAGE, Fault.DRIFT, Fault.DISLIKED})
"""Days on which monitoring runs at noon, when there is something to see."""
MONITORED_NIGHTS = 3
"""Besides, it runs each so many nights, beside the training."""

_OPEN_SECONDS = 6.0
_ENOUGH_VISITORS = 230
"""Users that see a day's bundle before the shop closes: more than the guard wants at the least."""
_ENOUGH_FROM = 24
"""First day on which the shop stays open for so many: earlier days are quick."""
_AGREEING = 12
"""Answers in a row that must name the same bundle: both workers are then taken to have it."""


@dataclass
class Day:
    """One line of the story."""

    number: int
    date: date
    inbox: str = ""
    ran: list[str] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)
    serves: str = ""
    tally: Tally = field(default_factory=Tally)


class Month:
    """Plays the days on a running installation."""

    def __init__(self, world: World, retail: Retail, shoppers: Shoppers, today: date) -> None:
        self.world, self.retail, self.shoppers = world, retail, shoppers
        self.names: dict[str, str] = {}
        self._first = today - timedelta(days=len(retail.days))
        self._owed: list[pd.DataFrame] = []
        self._waiting: list[Fault] = []
        self._new = False
        """Whether the last night brought a new bundle."""

    def first_bundle(self) -> str:
        """Train and deploy what everything starts with; gives its name."""
        day = Day(0, self._first - timedelta(days=1))
        self._night(day, None, monitored=False)
        self._settle()
        return "; ".join(day.outcome)

    def play(self, number: int, day: date) -> Day:
        """One day: a night passes, shoppers come, something may go wrong; then deliveries, and the night."""
        with connect(self.world.settings) as conn:
            pass_time(conn, timedelta(days=1))
        entry, sales = Day(number, self._first + timedelta(days=number - 1)), len(self.retail.days[day]) > 0
        fault = self._due(number, sales)
        self._noon(entry, fault, sales)
        entry.inbox = "; ".join(self._deliver(number, day, fault))
        if fault is Fault.WORSE:
            self.world.write_params(WORSE_PARAMS)
        self._night(entry, fault, monitored=number % MONITORED_NIGHTS == 0)
        if fault is Fault.WORSE:
            self.world.write_params({})
        entry.serves = self.name(self._settle())
        entry.tally = self.shoppers.take()
        return entry

    def name(self, bundle_id: str) -> str:
        """B1, B2, … in the order in which bundles first served."""
        return self.names.setdefault(bundle_id, f"B{len(self.names) + 1}")

    def _due(self, number: int, sales: bool) -> Fault | None:
        """What goes wrong today: what is planned, unless it must wait for a day that allows it."""
        self._waiting += [PLAN[number]] if number in PLAN else []
        if not sales or not self._waiting or (self._waiting[0] is Fault.DISLIKED and not self._new):
            return None
        return self._waiting.pop(0)

    def _noon(self, entry: Day, fault: Fault | None, sales: bool) -> None:
        """Open the shop, and do what is planned for the day."""
        before = serving(self.world)
        if fault is Fault.DISLIKED:
            self.shoppers.displeasing = before
        self.shoppers.open = sales
        time.sleep(_OPEN_SECONDS if sales else 0)
        if sales and entry.number >= _ENOUGH_FROM:
            until(lambda: len(self.shoppers.visitors.get(before, ())) >= _ENOUGH_VISITORS)
        if fault in AT_NOON:
            told = AT_NOON[fault](self.world)
            entry.outcome.append(f"{fault.value}: {told}")
        if fault is Fault.DRIFT:
            self._import()
            entry.outcome.append(fault.value)
        self.shoppers.open = False
        if fault in MONITORED_AT_NOON:
            self._monitor(entry)
        self.shoppers.displeasing = None
        now, reason = self._settle(), self._reason()
        if now != before and reason.startswith(ROLLBACK):
            entry.outcome.append(f"{reason}; {self.name(now)} is in service again on both workers")

    def _import(self) -> None:
        path = new_assortment(self.world.root / "assortment.csv", NEW_PARTS)
        with connect(self.world.settings) as conn:
            ingest_file(conn, ADAPTERS["products"], path)

    def _deliver(self, number: int, day: date, fault: Fault | None) -> list[str]:
        inbox, frame = self.world.settings.inbox, self.retail.days[day]
        back = self.retail.ahead + timedelta(days=number)
        words = [f"a late file of {len(late)} lines" for late in self._owed]
        for place, late in enumerate(self._owed):
            drop(late, inbox / f"{day:%Y-%m-%d}-late-{place}.parquet", back)
        self._owed = []
        if not len(frame):
            return [*words, "no sales, no file"]
        if fault is Fault.LATE:
            self._owed.append(frame)
            return [fault.value]
        if fault is Fault.CORRUPT:
            self._owed.append(frame)
            drop_broken(frame, inbox / f"{day:%Y-%m-%d}.parquet", back)
            return [fault.value]
        drop(frame, inbox / f"{day:%Y-%m-%d}.parquet", back)
        return [*words, f"{len(frame)} lines"]

    def _night(self, entry: Day, fault: Fault | None, *, monitored: bool) -> None:
        """Trending, then the training, and on some nights the monitoring beside it."""
        airflow, before = self.world.airflow, serving(self.world)
        note = fault.value if fault else ""
        at = datetime.combine(entry.date, clock_time(3), UTC) + timedelta(days=1)
        trending = nights.start(airflow, "hourly_trending", entry.number, at, note)
        entry.ran.append(nights.wait(airflow, "hourly_trending", trending).in_words())
        training = nights.start(airflow, "daily_training", entry.number, at, note)
        if monitored:
            half = at + timedelta(minutes=30)
            monitoring = nights.start(airflow, "monitoring", entry.number, half, note)
        if fault in KILLS:
            if KILLS[fault](self.world, training):
                which = "stayed in service" if serving(self.world) == before else "had been replaced"
                entry.outcome.append(f"{fault.value}: {self.name(before)} {which}")
            else:
                self._waiting.insert(0, fault)
        self._tell_training(entry, before, nights.wait(airflow, "daily_training", training))
        if monitored:
            self._tell_monitoring(entry, nights.wait(airflow, "monitoring", monitoring))
            self._await_triggered(entry)
        entry.outcome += [f"`{name}` moved to failed/: {why}" for name, why in self._failed_files()]

    def _monitor(self, entry: Day) -> None:
        """Run trending and the monitoring now, and the training that it may start."""
        at = datetime.combine(entry.date, clock_time(12), UTC)
        trending = nights.start(self.world.airflow, "hourly_trending", entry.number, at, "noon")
        nights.wait(self.world.airflow, "hourly_trending", trending)
        at += timedelta(minutes=30)
        run = nights.start(self.world.airflow, "monitoring", entry.number, at, "noon")
        self._tell_monitoring(entry, nights.wait(self.world.airflow, "monitoring", run))
        self._await_triggered(entry)

    def _await_triggered(self, entry: Day) -> None:
        """Follow the training that drift has started, if it has."""
        before = serving(self.world)
        while run := self.world.airflow.unfinished_run("daily_training"):
            with connect(self.world.settings) as conn:
                figures = drift_reports(conn, 1)[0].report["figures"]
            names = ", ".join(figure["name"] for figure in figures if figure["drifted"])
            entry.outcome.append(f"drift of {names} started a training")
            self._tell_training(entry, before, nights.wait(self.world.airflow, "daily_training", run))

    def _tell_training(self, entry: Day, before: str, run: nights.Ended) -> None:
        entry.ran.append(run.in_words())
        entry.outcome += [f"`{name}` took {count} attempts" for name, count in run.tried_again().items()]
        now = serving(self.world)
        self._new = now != before
        if run.errors:
            why = "; ".join(run.errors.values())
            entry.outcome.append(f"refused, {self.name(before)} stays: {why}")
        elif now == before:
            entry.outcome.append("nothing new, skipped")
        else:
            entry.outcome.append(f"{self.name(now)} promoted")

    @staticmethod
    def _tell_monitoring(entry: Day, run: nights.Ended) -> None:
        entry.ran.append(run.in_words())
        entry.outcome += [f"`{name}`: {why}" for name, why in run.errors.items()]

    def _failed_files(self) -> list[tuple[str, str]]:
        """Files that moved to failed/ since the last look, each with its report's reason."""
        found = []
        for report in sorted((self.world.settings.inbox / "failed").glob("*.report.json")):
            why = str(orjson.loads(report.read_bytes())["error"]).replace(f"{self.world.settings.inbox}/", "")
            found.append((report.name.removesuffix(".report.json"), why))
            report.rename(report.with_suffix(".seen"))
        return found

    def _reason(self) -> str:
        with connect(self.world.settings) as conn:
            found = current(conn)
        return found.reason if found else ""

    def _settle(self) -> str:
        """Wait until every worker answers from the deployed bundle; returns its id."""
        wanted, agreeing = serving(self.world), 0

        def agreed() -> bool:
            nonlocal agreeing
            try:
                answer = httpx.get(f"{self.world.address}/status", timeout=10, trust_env=False)
            except httpx.TransportError:
                return False
            agreeing = agreeing + 1 if answer.headers["X-Bundle"] == wanted else 0
            return agreeing >= _AGREEING

        until(agreed)
        return wanted


def failures(days: Sequence[Day]) -> list[str]:
    """Every request that was not answered as it should be."""
    return [f"day {day.number}: {failure}" for day in days for failure in day.tally.failures]
