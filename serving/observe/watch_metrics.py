"""Prometheus metrics of what the platform found when it watched itself, read from the database each time.

Every worker of every replica reports the same, so that any of them answers for all.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from database.connection import REPORT_SECONDS, connect
from database.monitoring import DriftReport, drift_reports, last_guard_rollback
from database.settings import Settings
from serving.database_errors import ask_in_thread
from serving.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class MonitoringCollector:
    """A collector of one scrape."""

    drift: DriftReport | None
    """The latest comparison of the database with the snapshot in service."""
    rolled_back_at: datetime | None
    """When the guard last took a bundle out of service."""

    def collect(self) -> Iterator[Metric]:
        """All metrics; those of what has not happened yet have no value."""
        labels = ("about", "figure")
        value = GaugeMetricFamily("shortlist_drift_value", "Value of a drift figure.", labels=labels)
        threshold = GaugeMetricFamily(
            "shortlist_drift_threshold", "Its threshold (params.yaml).", labels=labels
        )
        drifted = GaugeMetricFamily("shortlist_drift_drifted", "1 if the figure drifted.", labels=labels)
        judged = GaugeMetricFamily(
            "shortlist_drift_judged", "0 if there were too few rows to judge.", labels=labels
        )
        for figure in self.drift.report["figures"] if self.drift else ():
            names = (figure["about"], figure["name"])
            value.add_metric(names, figure["value"])
            threshold.add_metric(names, figure["threshold"])
            drifted.add_metric(names, float(figure["drifted"]))
            judged.add_metric(names, float(figure["judged"]))
        yield from (value, threshold, drifted, judged)
        drop = GaugeMetricFamily(
            "shortlist_guard_detectable_drop",
            "Relative drop of the click rate that the guard rolls back in 80 % of cases, by this traffic.",
            labels=("compared",),
        )
        power = self.drift.report.get("guard_power", {}) if self.drift else {}
        for compared in ("holdback", "days", "first_week"):
            if power.get(compared) is not None:
                drop.add_metric((compared,), power[compared])
        yield drop
        moments = (
            ("shortlist_drift_report_timestamp_seconds", "When drift was last measured.", self._measured_at),
            ("shortlist_guard_rollback_timestamp_seconds", "When the guard last rolled back.", self._back_at),
        )
        for name, about, moment in moments:
            yield GaugeMetricFamily(name, about, value=moment)

    @property
    def _measured_at(self) -> float | None:
        return self.drift.created_at.timestamp() if self.drift else None

    @property
    def _back_at(self) -> float | None:
        return self.rolled_back_at.timestamp() if self.rolled_back_at else None


async def watched_text(settings: Settings) -> bytes:
    """The metrics in Prometheus' text format; none while the database does not answer."""
    try:
        found = await ask_in_thread("reading what monitoring found", _read, settings)
    except DatabaseUnavailableError as error:
        logger.warning("no drift metrics: %s", error)
        return b""
    registry = CollectorRegistry()
    registry.register(found)
    return generate_latest(registry)


def _read(settings: Settings) -> MonitoringCollector:
    with connect(settings, REPORT_SECONDS) as conn:
        reports = drift_reports(conn, 1)
        return MonitoringCollector(reports[0] if reports else None, last_guard_rollback(conn))
