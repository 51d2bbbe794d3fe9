"""Texts of files to amounts and times, without a file."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from database.ingest.fields import (
    EARLIEST,
    clean,
    discounts,
    flags,
    joined,
    moments,
    named,
    numbers,
    possible,
    prices,
    shifted,
    times,
    within,
)

YES = ["true", "YES", "1", "12", "0.5", "in stock", "https://schema.org/InStock", "pre-order", "Pre_Sale"]
NO = ["false", "No", "0", "-2", "-.5", "- 2", "out of stock", "http://schema.org/OutOfStock", "Sold-Out"]
KNOWN = {"1": 1.0, "2.5": 2.5, "-3": -3.0, "1,399": 1399.0, "1e3": 1000.0}
WRONG = ["inf", "abc", "1.2.3"]
MOMENTS = st.sampled_from([datetime(2024, 5, 1, 12, 30, 59, micros) for micros in (0, 1, 170, 500_000)])
DATES = ["2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "20240501", "2024-5-1", ""]
CLOCKS = [
    "",
    "T09",
    " 9:41",
    "T09:41",
    " 09:41:25",
    "T09:41:25.5",
    "T09:41:25.1234567",
    "T24:00:00",
    " 23:59:60",
]
ZONES = ["", "Z", " Z", "+02", "+0230", "-05:30", "+24:00", " UTC", " +02:00"]
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


@given(st.data(), st.lists(st.sampled_from(DATES), min_size=1, max_size=3))
@settings(max_examples=100)
def test_times_written_alike_are_the_same_beside_one_that_is_written_otherwise(
    data: st.DataObject, dates: list[str]
) -> None:
    """Where all are written alike, a column is read as a whole."""
    rest = "".join(data.draw(st.sampled_from(each)) for each in (CLOCKS, ZONES))
    missing = data.draw(st.sampled_from([[], [None]]))
    column = pd.Series([*missing, *(date + rest for date in dates)], dtype="str")
    alone, beside = moments(column), moments(pd.concat([column, texts("1.5.2024")], ignore_index=True))
    assert alone.dtype == beside.dtype
    assert alone.equals(beside[:-1]) and beside.notna().iloc[-1]


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
        f"{moment:%Y%m%dT %H%M%S}",
    )
    assert moments(texts(*written)).tolist() == [day, *[moment] * 4]


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


@given(st.lists(st.none() | st.floats() | st.sampled_from([0.0, -0.0, 5.0]), min_size=1, max_size=6))
def test_a_number_in_a_key_is_written_as_python_writes_it(values: list[float | None]) -> None:
    known = [None if value is None or math.isnan(value) else value for value in values]
    keys = joined(pd.Series(known, dtype="float64"), pd.Series([1] * len(known))).tolist()
    assert keys == [f"{'' if value is None else value}|1" for value in known]


def test_a_time_that_no_event_can_have_had_is_unreadable() -> None:
    now = datetime.now(UTC)
    moments_of = [now, now + timedelta(hours=25), EARLIEST.to_pydatetime(), EARLIEST - timedelta(seconds=1)]
    found = times(texts(*(f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in moments_of)))
    assert found.notna().tolist() == [True, False, True, False]


@given(st.sampled_from([10**11, 10**14]), st.integers(-2, 2), st.booleans())
@settings(max_examples=20)
def test_the_unit_of_a_number_goes_by_its_size_up_to_the_limits(limit: int, off: int, typed: bool) -> None:
    """From 1e11 milliseconds, from 1e14 microseconds: below, no year of ours would be meant."""
    number = limit + off
    unit = 1 if number < 10**11 else 10**3 if number < 10**14 else 10**6
    seconds = number / unit
    column = pd.Series([number]) if typed else texts(str(number))
    found = moments(column).tolist()
    if seconds > 10**10:
        assert pd.isna(found).tolist() == [True]
    else:
        micros = round(seconds * 10**6)
        assert found == [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)]


@given(st.lists(st.none() | MOMENTS, min_size=1, max_size=4), st.sampled_from([None, "UTC", "Asia/Kolkata"]))
@settings(max_examples=25)
def test_a_column_of_times_keeps_its_moments_and_without_a_zone_they_are_utc(
    written: list[datetime | None], zone: str | None
) -> None:
    column = pd.Series(pd.to_datetime(pd.Series(written))).dt.as_unit("us").dt.tz_localize(zone)
    wanted = [None if moment is None else pd.Timestamp(moment, tz=zone or "UTC") for moment in written]
    assert [None if pd.isna(each) else each for each in moments(column)] == wanted


def test_dates_that_stand_together_are_read_from_1900_to_2100_and_a_year_of_three_digits_is_none() -> None:
    found = moments(texts("19000101000000", "19000101", "21001231235959", "18991231"))
    first = datetime(1900, 1, 1, tzinfo=UTC)
    assert found[:3].tolist() == [first, first, datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC)]
    assert found[3] != datetime(1899, 12, 31, tzinfo=UTC)
    read = moments(texts("3/4/0100", "3/4/24"), True, short_years=True)
    assert read.isna().tolist() == [True, False] and read[1] == datetime(2024, 4, 3, tzinfo=UTC)


@given(st.permutations(range(6)))
@settings(max_examples=20)
def test_a_part_of_a_file_keeps_its_lines(order: list[int]) -> None:
    """Later parts of a file do not begin at line 0, and rejected lines leave gaps."""
    column = pd.Series(["3", " 4 ", "yes", "", "1714567890", "NULL"], dtype="str").iloc[order]
    column.index = pd.Index([10 * place for place in order])
    whole = {10 * place: text for place, text in enumerate(["3", "4", "yes", None, "1714567890", "NULL"])}

    def said(found: pd.Series) -> dict[object, object]:
        return {line: value for line, value in found.items() if pd.notna(value)}

    assert said(clean(column)) == {line: text for line, text in whole.items() if text is not None}
    nulled: Counter[str] = Counter()
    assert said(named(column, "user_id", nulled)) == {0: "3", 10: "4", 20: "yes", 40: "1714567890"}
    assert said(numbers(column, "price", Counter())) == {0: 3.0, 10: 4.0, 40: 1714567890.0}
    assert said(flags(column, "in_stock", Counter())) == {0: "true", 10: "true", 20: "true", 40: "true"}
    moment = datetime(2024, 5, 1, 12, 51, 30, tzinfo=UTC)
    assert said(moments(column))[40] == moment
    assert dict(joined(column, column).items())[10] == " 4 | 4 "


@given(st.lists(st.sampled_from(["NULL", "nan", "ann", "null pointer", ""]), max_size=12))
@settings(max_examples=40)
def test_words_for_what_is_missing_are_counted_each_unless_they_are_to_be_kept(words: list[str]) -> None:
    nulled: Counter[str] = Counter()
    found = [None if pd.isna(each) else each for each in named(texts(*words), "user_id", nulled)]
    missing = {"NULL", "nan"}
    assert found == [None if word in missing or not word else word for word in words]
    assert nulled == {
        f'user_id is "{word}": read as missing': words.count(word) for word in missing if word in words
    }
    kept = named(texts(*words), "title", nulled, keep_null_words=True)
    assert [None if pd.isna(each) else each for each in kept] == [word or None for word in words]


@given(st.lists(st.lists(st.sampled_from(["1", "abc", "2.x"]), max_size=4), min_size=1, max_size=4))
@settings(max_examples=30)
def test_what_is_no_number_adds_up_over_the_parts_of_a_file(parts: list[list[str]]) -> None:
    nulled: Counter[str] = Counter()
    for part in parts:
        numbers(texts(*part), "rating", nulled)
    assert nulled["rating is not a number"] == sum(word != "1" for part in parts for word in part)


@given(st.integers(0, 2000), st.sampled_from([0, 30, 31 * 24]))
@settings(max_examples=20)
def test_a_log_is_moved_forward_by_whole_weeks(weeks: int, hours: int) -> None:
    at = datetime(2010, 12, 1, 8, 26, tzinfo=UTC) + timedelta(hours=hours)
    (moved,) = shifted(pd.Series(pd.to_datetime([at])).dt.as_unit("us"), weeks)
    assert moved == at + timedelta(weeks=weeks) and moved.weekday() == at.weekday()
