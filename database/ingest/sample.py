"""The sample: the complete Online Retail data, its times moved to end within the past week."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812

from database.ingest import retail
from database.ingest.report import Report
from database.ingest.run import TextEncoder, ingest_file, recorded_shift

SAMPLE = Path(__file__).parent / "sample" / "online_retail_2010_2011.parquet"


def ingest_sample(
    conn: Connection, path: Path = SAMPLE, *, encoder: TextEncoder | None = None, now: datetime | None = None
) -> Report:
    """Load Online Retail moved forward by whole weeks, so that its last line is of the past week.

    The shift is recorded with the run and kept for every Online Retail file that comes after, so that
    overlapping ones meet; the weekday and hour of every line stay what they were.
    """
    retail.check(path)
    weeks = recorded_shift(conn, retail.ADAPTER)
    conn.commit()
    if weeks is None:
        weeks = ((now or datetime.now(UTC)) - retail.last_time(path)) // timedelta(weeks=1)
    return ingest_file(conn, retail.ADAPTER, path, encoder=encoder, shift_weeks=weeks)
