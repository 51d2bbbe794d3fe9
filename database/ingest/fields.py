"""Reading fields out of text columns: whole columns at a time, with what makes no sense left empty."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from database.items import ROUNDED

ASIN = r"[A-Z0-9]{10}"
EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
"""A time before this is a mistake of unit: the data checks refuse a snapshot that holds one."""

MOST_RATINGS = 2**31 - 1  # what the column holds
_YES = {"true", "yes", "y", "t", "instock", "available", "limitedavailability", "onlineonly", "instoreonly"}
_YES |= {"preorder", "presale", "backorder", "madetoorder", "discounted"}
_NO = {"false", "no", "n", "f", "outofstock", "soldout", "discontinued", "unavailable", "reserved"}
_DECORATION = r"^https?://schema\.org/|[\s_-]+"
NULL_WORDS = ("NULL", "null", "\\N", "None", "nan", "NaN", "NA", "N/A", "<NA>", "#N/A")
"""What programs write for a value that is missing."""

# Groups of three, or as in India of two before the last three; "1,5" is none.
_GROUPS = r"(?:\d{1,3}(?:[MARK'’ ]\d{3})+|\d{1,2}(?:[MARK]\d{2})+[MARK]\d{3}|\d+)"
_NUMBER = rf"([+-]?(?:{_GROUPS}(?:[POINT]\d*)?|[POINT]\d+)(?:[eE][+-]?\d+)?)"
_POINT = _NUMBER.replace("MARK", ",").replace("POINT", ".")
_COMMA = _NUMBER.replace("MARK", ".").replace("POINT", ",")
_UNIT = r"(?:[₹$£€¥]|Rs\.?|zł|kr\.?|[A-Z]{3})"
_SPACES = r"[\s\p{Z}\x00-\x1f\x7f\x85]+"
_UNTIDY = r"^ | $|  |[\x00-\x1f\x7f\x85]|[^\P{Z} ]"
_WHOLE = r"^([+-]?(?:0|[1-9]\d*))(?:\.0*)?$"
_EXPONENT = r"[+-]?[1-9](?:\.\d+)?[eE]\+\d\d"
_SECONDS_END = 1e11  # seconds reach it in the year 5138, milliseconds had it in 1973
_MILLISECONDS_END = 1e14


def clean(column: pd.Series) -> pd.Series:
    """Text without surrounding or repeated white space and control characters; empty becomes null."""
    text = pa.array(column.astype("str"), pa.large_string(), from_pandas=True)
    if pc.any(pc.match_substring_regex(text, _UNTIDY)).as_py():
        text = pc.utf8_trim(pc.replace_substring_regex(text, _SPACES, " "), " ")
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    return pd.Series(pd.array(text, dtype="str"), index=column.index)


def named(column: pd.Series, name: str, nulled: Counter[str], *, keep_null_words: bool = False) -> pd.Series:
    """Clean text in which a word such as NULL is a missing value, and counted."""
    text = clean(column)
    if keep_null_words:
        return text
    word = text.isin(NULL_WORDS)
    if not word.any():
        return text
    for found, count in text[word].value_counts().items():
        nulled[f'{name} is "{found}": read as missing'] += int(count)
    return text.mask(word)


def whole(column: pd.Series) -> pd.Series:
    """Clean texts, of which 17850.0 becomes 17850 and 1e+15 a one with fifteen zeros."""
    exponent = column.str.fullmatch(_EXPONENT).fillna(False).astype(bool)
    plain = column.mask(exponent, column[exponent].map(_digits)) if exponent.any() else column
    return plain.str.replace(_WHOLE, r"\1", regex=True)


def prices(column: pd.Series, name: str, nulled: Counter[str], *, comma: bool = False) -> pd.Series:
    """Positive amounts of texts such as "₹1,399" as float64; zero is null, what is no amount is counted."""
    amounts = numbers(column, name, nulled, comma=comma, unit=True)
    return amounts.where(amounts > 0)


def numbers(
    column: pd.Series, name: str, nulled: Counter[str], *, comma: bool = False, unit: bool = False
) -> pd.Series:
    """Finite numbers of texts such as "4.2", "-1" or "1,399" as float64; what is none is null and counted.

    Args:
        column: numbers, or texts.
        name: for the count.
        nulled: where what is no number is counted.
        comma: whether "1,399" is one and a bit, and "1.399" over a thousand.
        unit: whether a currency may stand before or after.
    """
    if pd.api.types.is_numeric_dtype(column):
        stated, found = column.notna(), column.astype("float64")
    else:
        text = clean(column)
        stated = text.notna() & ~text.isin(NULL_WORDS)
        found = _parsed(text, stated, comma=comma, unit=unit)
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


def number_shape(texts: pa.Array) -> tuple[int, int, str | None, str | None]:
    """What distinct texts of amounts tell of the comma.

    Returns how many can only be read with a decimal point, how many only with a decimal comma, and an example
    each of those such as 1,399 and 1.399 that can be read both ways.
    """
    marked = pc.filter(texts, pc.match_substring_regex(texts, "[.,]"))
    words = pd.Series(pd.array(marked.cast(pa.large_string()), dtype="str"))
    point, comma = (words.str.fullmatch(_whole_amount(kind)).astype(bool) for kind in (_POINT, _COMMA))
    both = words[point & comma]
    with_comma = both.str.contains(",", regex=False).astype(bool)
    thousands, decimals = (next(iter(part), None) for part in (both[with_comma], both[~with_comma]))
    return int((point & ~comma).sum()), int((comma & ~point).sum()), thousands, decimals


def within(column: pd.Series, low: float, high: float, name: str, nulled: Counter[str]) -> pd.Series:
    """The column with values outside low..high made null and counted."""
    outside = column.notna() & ~column.between(low, high)
    _count(nulled, f"{name} is not within {low:g}..{high:g}", outside)
    return column.mask(outside)


def discounts(ratio: pd.Series, price: pd.Series, original: pd.Series, nulled: Counter[str]) -> pd.Series:
    """The ratios, 0..1, without those that contradict the price and the original price, which are counted."""
    implied = 1 - price.astype("float64") / original
    false = (ratio - implied).abs() > ROUNDED
    _count(nulled, "discount_ratio contradicts the prices", false)
    return within(ratio.mask(false), 0, 1, "discount_ratio", nulled)


def times(column: pd.Series) -> pd.Series:
    """UTC times of ISO text, or of seconds, milliseconds or microseconds since 1970; null where unreadable.

    Text without a zone is UTC. A time before 1995 or more than a day ahead is taken for unreadable.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        found = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
    else:
        if isinstance(column.dtype, pd.ArrowDtype):
            column = column.astype("str")
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
    texts = [pc.fill_null(_key_text(column), "") for column in columns]
    key = pc.binary_join_element_wise(*texts, pa.scalar("|", pa.large_string()))
    return pd.Series(pd.array(key, dtype="str"), index=columns[0].index)


def _key_text(column: pd.Series) -> pa.Array:
    """Text of a natural key: that of a moment does not depend on the others of its file."""
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return pa.array(column.astype("str"), pa.large_string(), from_pandas=True)
    moments = pa.array(column.dt.tz_convert(None).dt.as_unit("us").to_numpy(), from_pandas=True)
    micros = pc.subsecond(moments)
    text = pc.strftime(pc.floor_temporal(moments, unit="second").cast(pa.timestamp("s")), "%Y-%m-%d %H:%M:%S")
    if pc.any(pc.greater(micros, 0)).as_py():
        fraction = pc.utf8_ltrim(pc.cast(pc.round(micros, 6), pa.string()), "0")
        text = pc.if_else(pc.greater(micros, 0), pc.binary_join_element_wise(text, fraction, ""), text)
    return pc.cast(pc.binary_join_element_wise(text, "+00:00", ""), pa.large_string())


def _digits(text: str) -> str:
    return f"{Decimal(text):f}"


def _whole_amount(number: str) -> str:
    return rf"(?:{_UNIT}\s*)?{number}(?:\s*{_UNIT})?"


def _parsed(text: pd.Series, stated: pd.Series, *, comma: bool, unit: bool) -> pd.Series:
    """Numbers of clean texts, null where one is none. Most are plain, and PyArrow or pandas reads those."""
    found = pd.to_numeric(
        text.where(~text.str.contains(".", regex=False)) if comma else text, errors="coerce"
    )
    found = found.astype("float64")
    rest = text[stated & found.isna()]
    if len(rest):
        number = _COMMA if comma else _POINT
        form = _whole_amount(number) if unit else number
        digits = rest.str.extract(f"^{form}$", expand=False).str.replace(
            r"[.'’ ]" if comma else r"[,'’ ]", "", regex=True
        )
        digits = digits.str.replace(",", ".", regex=False)
        found.loc[rest.index] = pd.to_numeric(digits, errors="coerce").astype("float64")
    return found


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
