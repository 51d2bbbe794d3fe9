"""Texts of files to amounts and times, without a file."""

from collections import Counter
from datetime import UTC, datetime

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from database.ingest.fields import moments, prices


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
