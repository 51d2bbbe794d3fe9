"""Texts of files to amounts and times, without a file."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from database.ingest.fields import (
    EARLIEST,
    discounts,
    flags,
    joined,
    moments,
    numbers,
    possible,
    prices,
    times,
    within,
)

YES = ["true", "YES", "1", "12", "0.5", "in stock", "https://schema.org/InStock", "pre-order", "Pre_Sale"]
NO = ["false", "No", "0", "-2", "-.5", "- 2", "out of stock", "http://schema.org/OutOfStock", "Sold-Out"]
KNOWN = {"1": 1.0, "2.5": 2.5, "-3": -3.0, "1,399": 1399.0, "1e3": 1000.0}
WRONG = ["inf", "abc", "1.2.3"]
MOMENTS = st.sampled_from([datetime(2024, 5, 1, 12, 30, 59, micros) for micros in (0, 1, 170, 500_000)])
NEITHER = ["maybe", "stock", "schema.org"]


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


@given(st.datetimes(datetime(1995, 1, 2), datetime(2099, 12, 31)), st.sampled_from(["", ".", ".0", ".000"]))
@settings(max_examples=50)
def test_digits_that_stand_together_are_a_time_also_where_a_program_made_them_a_fraction(
    moment: datetime, fraction: str
) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    day = moment.replace(hour=0, minute=0, second=0)
    written = (
        f"{day:%Y%m%d}{fraction}",
        f"{moment:%Y%m%d%H%M%S}{fraction}",
        f"{moment:%Y%m%dT%H%M%S}",
        f" {moment:%Y%m%d %H%M%S} ",
    )
    assert moments(texts(*written)).tolist() == [day, moment, moment, moment]


@given(st.lists(st.sampled_from([*YES, *NO, *NEITHER, ""]), max_size=12))
@settings(max_examples=50)
def test_yes_and_no_are_read_and_what_is_neither_is_counted(words: list[str]) -> None:
    nulled: Counter[str] = Counter()
    found = flags(texts(*words), "in_stock", nulled)
    wanted = ["true" if word in YES else "false" if word in NO else None for word in words]
    assert [None if pd.isna(each) else each for each in found] == wanted
    neither = sum(word in NEITHER for word in words)
    assert nulled == ({"in_stock is neither yes nor no": neither} if neither else {})


@given(st.lists(st.sampled_from([*KNOWN, *WRONG, "NULL", ""]), max_size=9))
@settings(max_examples=50)
def test_what_is_no_number_is_counted_and_what_is_missing_is_not(words: list[str]) -> None:
    nulled: Counter[str] = Counter()
    found = numbers(texts(*words), "rating", nulled)
    assert [None if pd.isna(each) else each for each in found] == [KNOWN.get(word) for word in words]
    wrong = sum(word in WRONG for word in words)
    assert nulled == ({"rating is not a number": wrong} if wrong else {})


def test_values_outside_their_limits_and_discounts_that_contradict_the_prices_are_counted() -> None:
    nulled: Counter[str] = Counter()
    column = pd.Series([-0.1, 0.0, 2.5, 5.0, 5.1, np.nan])
    assert within(column, 0, 5, "rating", nulled).fillna(-1).tolist() == [-1, 0, 2.5, 5, -1, -1]
    assert nulled == {"rating is not within 0..5": 2}
    nulled.clear()
    ratios = pd.Series([0.5, 0.25, 0.9, 1.2, 0.3])
    price, original = pd.Series([50, 75, 50, np.nan, np.nan]), pd.Series([100, 100, 100, np.nan, 100])
    assert discounts(ratios, price, original, nulled).fillna(-1).tolist() == [0.5, 0.25, -1, -1, 0.3]
    assert nulled == {"discount_ratio contradicts the prices": 1, "discount_ratio is not within 0..1": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from([None, "ann", "a"]), st.none() | MOMENTS),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=50)
def test_a_key_is_that_of_its_row_whatever_else_is_in_the_file(
    rows: list[tuple[str | None, datetime | None]],
) -> None:
    users = pd.Series([user for user, _ in rows], dtype="str")
    stamps = pd.to_datetime(pd.Series([moment for _, moment in rows]), utc=True).dt.as_unit("us")
    keys = joined(users, stamps).tolist()
    alone = [joined(users[[place]], stamps[[place]]).item() for place in range(len(rows))]
    assert keys == alone
    assert len(set(keys)) == len(set(rows))
    for key, (user, moment) in zip(keys, rows, strict=True):
        whole = f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
        assert key.startswith(f"{user or ''}|{whole}") and key.endswith("+00:00" if moment else "|")


def test_a_time_that_no_event_can_have_had_is_unreadable() -> None:
    now = datetime.now(UTC)
    moments_of = [now, now + timedelta(hours=25), EARLIEST.to_pydatetime(), EARLIEST - timedelta(seconds=1)]
    found = times(texts(*(f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in moments_of)))
    assert found.notna().tolist() == [True, False, True, False]
