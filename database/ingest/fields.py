"""Reading fields out of text columns: whole columns at a time, with what makes no sense left empty."""

from collections import Counter

import numpy as np
import pandas as pd

ASIN = r"[A-Z0-9]{10}"
EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
"""A time before this is a mistake of unit: the data checks refuse a snapshot that holds one."""

MOST_RATINGS = 2**31 - 1  # what the column holds
_NUMBER = r"([+-]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)$"
_CURRENCY = r"[₹$£€]?\s*"
_YES = {"true", "yes", "y", "t", "instock", "available", "limitedavailability", "onlineonly", "instoreonly"}
_YES |= {"preorder", "presale", "backorder", "madetoorder", "discounted"}
_NO = {"false", "no", "n", "f", "outofstock", "soldout", "discontinued", "unavailable", "reserved"}
_DECORATION = r"^https?://schema\.org/|[\s_-]+"
_SECONDS_END = 1e11  # seconds reach it in the year 5138, milliseconds had it in 1973
_MILLISECONDS_END = 1e14


def clean(column: pd.Series) -> pd.Series:
    """Text without surrounding or repeated white space and control characters; empty becomes null."""
    text = column.astype("str").str.replace(r"[\s\x00-\x1f\x7f]+", " ", regex=True).str.strip()
    return text.mask(text == "")


def prices(column: pd.Series, name: str, nulled: Counter[str]) -> pd.Series:
    """Positive amounts of texts such as "₹1,399" as float64; zero is null, what is no amount is counted."""
    amounts = numbers(column, name, nulled, before=_CURRENCY)
    return amounts.where(amounts > 0)


def numbers(column: pd.Series, name: str, nulled: Counter[str], before: str = "") -> pd.Series:
    """Finite numbers of texts such as "4.2", "-1" or "1,399" as float64; what is none is null and counted."""
    if pd.api.types.is_numeric_dtype(column):
        stated, found = column.notna(), column.astype("float64")
    else:
        text = clean(column)
        digits = text.str.extract(f"^{before}{_NUMBER}", expand=False).str.replace(",", "", regex=False)
        stated, found = text.notna(), pd.to_numeric(digits, errors="coerce").astype("float64")
    found = found.mask(np.isinf(found))
    _count(nulled, f"{name} is not a number", stated & found.isna())
    return found


def flags(column: pd.Series, name: str, nulled: Counter[str]) -> pd.Series:
    """Read what shops write for yes and no as "true" or "false"; what is neither is null and counted.

    That is true, no, 1, a number in stock, or the availability of schema.org and of product feeds
    ("in stock", "OutOfStock", "preorder").
    """
    text = clean(column).str.lower().str.replace(_DECORATION, "", regex=True)
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    yes, no = text.isin(_YES) | (number > 0), text.isin(_NO) | (number <= 0)
    _count(nulled, f"{name} is neither yes nor no", text.notna() & ~yes & ~no)
    found = pd.Series(None, index=column.index, dtype="str")
    return found.mask(yes, "true").mask(no, "false")


def within(column: pd.Series, low: float, high: float, name: str, nulled: Counter[str]) -> pd.Series:
    """The column with values outside low..high made null and counted."""
    outside = column.notna() & ~column.between(low, high)
    _count(nulled, f"{name} is not within {low:g}..{high:g}", outside)
    return column.mask(outside)


def times(column: pd.Series) -> pd.Series:
    """UTC times of ISO text, or of seconds, milliseconds or microseconds since 1970; null where unreadable.

    Text without a zone is UTC. A time before 1995 or more than a day ahead is taken for unreadable.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        found = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
    else:
        epoch = pd.to_numeric(column, errors="coerce")
        found = _from_epoch(epoch)
        texts = epoch.isna() & column.notna()
        if texts.any():
            read = pd.to_datetime(column[texts].astype("str"), errors="coerce", utc=True, format="ISO8601")
            found = found.where(~texts, read.dt.as_unit("us").reindex(found.index))
    found = found.dt.as_unit("us")
    known: pd.Series = found.where(possible(found))
    return known


def possible(moments: pd.Series) -> pd.Series:
    """Whether each UTC time is one that an event can have had: since EARLIEST, at most a day ahead."""
    return moments.between(EARLIEST, pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=1))


def shifted(column: pd.Series, weeks: int) -> pd.Series:
    """Times moved forward by whole weeks."""
    return column + pd.Timedelta(weeks=weeks)


def joined(*columns: pd.Series) -> pd.Series:
    """The columns' texts joined by "|", null as the empty text: a natural key."""
    key = columns[0].astype("str").fillna("")
    for column in columns[1:]:
        key = key + "|" + column.astype("str").fillna("")
    return key


def _from_epoch(epoch: pd.Series) -> pd.Series:
    seconds = epoch.astype("float64")
    seconds = seconds.where(seconds < _MILLISECONDS_END, seconds / 1e6)
    seconds = seconds.where(seconds < _SECONDS_END, seconds / 1e3)
    seconds = seconds.where(seconds.between(0, 1e10))
    return pd.to_datetime((seconds * 1e6).round().astype("Int64"), unit="us", utc=True)


def _count(nulled: Counter[str], reason: str, which: pd.Series) -> None:
    count = int(which.sum())
    if count:
        nulled[reason] += count
