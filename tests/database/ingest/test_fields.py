"""Texts of files to amounts and times, without a file."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from database.ingest.fields import EARLIEST, moments, possible, prices


def texts(*values: str) -> pd.Series:
    return pd.Series(values, dtype="str")


def test_only_an_amount_above_zero_is_a_price() -> None:
    nulled: Counter[str] = Counter()
    found = prices(texts("₹1,399", "0", "0.00", "2.50"), "price", nulled)
    assert found.isna().tolist() == [False, True, True, False]
    assert found.dropna().tolist() == [1399.0, 2.5]


@given(st.datetimes(datetime(1974, 1, 1), datetime(2286, 1, 1)))
@settings(max_examples=25)
def test_seconds_milliseconds_and_microseconds_are_one_moment(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp())
    found = moments(texts(str(seconds), str(seconds * 1000), str(seconds * 1_000_000), moment.isoformat()))
    assert found.tolist() == [moment] * 4


def test_an_event_may_be_dated_up_to_a_day_ahead() -> None:
    """A shop whose clock or time zone is wrong by hours keeps its events."""
    now = datetime.now(UTC)
    ahead = [now + timedelta(hours=hours) for hours in (-1, 1, 23, 25)]
    dated = pd.to_datetime(pd.Series([*ahead, EARLIEST, EARLIEST - timedelta(seconds=1)]), utc=True)
    assert possible(dated).tolist() == [True, True, True, False, True, False]
