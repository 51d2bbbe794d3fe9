"""Reports that the database takes too long for are given up: they must not hold their threads for ever."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from database.online import Attribution
from database.settings import get_settings
from serving.api import experiments
from serving.api.v1 import metrics
from serving.database_errors import ask_in_thread
from serving.errors import DatabaseUnavailableError
from serving.observe import watch_metrics

NOW = datetime.now(UTC)
CLICKS = Attribution(("click",), timedelta(hours=1))


def test_a_report_that_the_database_takes_too_long_for_is_given_up(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (metrics, experiments, watch_metrics):
        monkeypatch.setattr(module, "REPORT_SECONDS", 0.1)
    settings = get_settings()
    with connection.cursor() as cursor:
        cursor.execute("lock table impression_lists, experiments, drift_reports in access exclusive mode")
    since = NOW - timedelta(hours=1)
    with pytest.raises(DatabaseUnavailableError, match="reading"):
        asyncio.run(ask_in_thread("reading", metrics._read, settings, since, NOW, NOW, CLICKS))
    with pytest.raises(DatabaseUnavailableError, match="listing"):
        asyncio.run(ask_in_thread("listing", experiments._latest, settings, 1))
    assert asyncio.run(watch_metrics.watched_text(settings)) == b""
    connection.rollback()
    assert experiments._latest(settings, 1) == []
