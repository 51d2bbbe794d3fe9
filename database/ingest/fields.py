"""Reading fields out of text columns: whole columns at a time, with what makes no sense left empty."""

import html
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from database.items import ROUNDED

ASIN = r"[A-Z0-9]{10}"
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,1000}>")
EARLIEST = pd.Timestamp("1995-01-01", tz="UTC")
"""A time before this is a mistake of unit: the data checks refuse a snapshot that holds one."""

MOST_RATINGS = 2**31 - 1  # what the column holds
_YES = {"true", "yes", "y", "t", "instock", "available", "limitedavailability", "onlineonly", "instoreonly"}
_YES |= {"preorder", "presale", "backorder", "madetoorder", "discounted"}
_NO = {"false", "no", "n", "f", "outofstock", "soldout", "discontinued", "unavailable", "reserved"}
_DECORATION = r"^https?://schema\.org/|-"
NULL_WORDS = ("NULL", "null", "\\N", "None", "nan", "NaN", "NA", "N/A", "<NA>", "#N/A", "(not set)")
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
_NUMERIC = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"
_ZONE = r" ?(?:UTC|GMT|Z)$"
_FRACTION = r"(:\d\d),(\d{1,9})(?=$|[Z+-])"
_CLOCK = r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?: ?(?:UTC|GMT|Z))?"
SLASHED = rf"^\s*(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}|\d{{2}})(?:[T ,]+{_CLOCK})?\s*$"
"""A date as 3.4.2024 or 3/4/2024, and a time: first number, mark, second number, year, time."""
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


def unmarked(column: pd.Series) -> pd.Series:
    """Texts without markup and with entities read: "R&#039;s <b>Cup</b>" is "R's Cup"."""
    rows = column.str.contains(r"[<&]", regex=True).fillna(False).astype(bool)
    if not rows.any():
        return column
    return column.mask(rows, clean(column[rows].map(without_markup)))


def without_markup(text: str) -> str:
    """A text without tags of HTML and with entities read, also where they were written twice over."""
    return _TAG.sub(" ", html.unescape(html.unescape(_TAG.sub(" ", text))))


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
        codes, distinct = pd.factorize(column.astype("str"))  # -1 is a missing text, and Python's last
        text = clean(pd.Series(distinct))
        known = text.notna() & ~text.isin(NULL_WORDS)
        parsed = _parsed(text, known, comma=comma, unit=unit)
        stated = pd.Series(np.append(known, False)[codes], index=column.index)
        found = pd.Series(np.append(parsed, np.nan)[codes], index=column.index)
    found = found.mask(np.isinf(found))
    _count(nulled, f"{name} is not a number", stated & found.isna())
    return found


def flags(column: pd.Series, name: str, nulled: Counter[str]) -> pd.Series:
    """Read what shops write for yes and no as "true" or "false"; what is neither is null and counted.

    That is true, no, 1, a number in stock, or the availability of schema.org and of product feeds
    ("in stock", "OutOfStock", "preorder").
    """
    text = clean(column).str.lower().str.replace(r"[\s_]+", "", regex=True)
    number = pd.to_numeric(text, errors="coerce").astype("float64")
    word = text.str.replace(_DECORATION, "", regex=True)
    yes, no = word.isin(_YES) | (number > 0), word.isin(_NO) | (number <= 0)
    _count(nulled, f"{name} is neither yes nor no", text.notna() & ~yes & ~no)
    found = pd.Series(None, index=column.index, dtype="str")
    return found.mask(yes, "true").mask(no, "false")


def number_shape(texts: pa.Array) -> tuple[int, int, str | None, str | None]:
    """What distinct texts of amounts tell of the comma.

    Returns how many can only be read with a decimal point, how many only with a decimal comma, and an example
    each of those such as 1,399 and 1.399 that can be read both ways.
    """
    marked = pc.filter(texts, pc.match_substring_regex(texts, "[.,]"))
    point, comma = (
        pc.match_substring_regex(marked, rf"\A(?:{_whole_amount(kind)})\z") for kind in (_POINT, _COMMA)
    )
    both = pc.filter(marked, pc.and_(point, comma))
    with_comma = pc.match_substring(both, ",")
    thousands, decimals = (
        next(iter(pc.filter(both, part)[:1].to_pylist()), None)
        for part in (with_comma, pc.invert(with_comma))
    )
    return _count_true(pc.and_not(point, comma)), _count_true(pc.and_not(comma, point)), thousands, decimals


def _count_true(flags: pa.Array) -> int:
    return int(flags.true_count)


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
    """As `moments`; a time before 1995 or more than a day ahead is taken for unreadable."""
    found = moments(column)
    known: pd.Series = found.where(possible(found))
    return known


def moments(column: pd.Series, day_first: bool | None = None, *, short_years: bool = False) -> pd.Series:
    """UTC times of texts and numbers; null where unreadable.

    Known are ISO 8601, "20240501" with or without a time, RFC 2822, seconds, milliseconds or microseconds
    since 1970, "3.4.2024", which is in April, and "3/4/2024". What names no zone is UTC.

    Args:
        column: times, numbers or texts.
        day_first: whether "3/4/2024" is in April; None: it can't be read.
        short_years: whether a year may have two digits, as in "3/4/24".
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        found = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
    else:
        if isinstance(column.dtype, pd.ArrowDtype):
            column = column.astype("str")
        found = _all_plain(column)
        if found is None:
            found = _each_as_written(column, day_first, short_years=short_years)
    read_as: pd.Series = found.dt.as_unit("us")
    return read_as


def _all_plain(column: pd.Series) -> pd.Series | None:
    """Times of texts, all of which are "2024-05-01T12:30:00Z" or another form of ISO 8601 that PyArrow reads,
    many times faster than pandas, and alike; else None. Either all name a zone or none does."""
    if not isinstance(column.dtype, pd.StringDtype):
        return None
    text = pa.array(column, pa.large_string(), from_pandas=True)
    first = text.drop_null()[:1]  # a column that PyArrow can't read takes it longer than pandas needs
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):
        with suppress(pa.ArrowInvalid):
            first.cast(kind)
            found = text.cast(kind).to_numpy(zero_copy_only=False)
            return pd.Series(found, index=column.index).dt.tz_localize("UTC")
    return None


def _each_as_written(column: pd.Series, day_first: bool | None, *, short_years: bool) -> pd.Series:
    """Times of numbers, or of texts each of which may be written in another way."""
    epoch = _epochs(column)
    found = _from_epoch(epoch)
    rest = column[epoch.isna() & column.notna() | _written_together(epoch)].astype("str")
    for read in (_iso, _iso_in_words, _together, _mail, _slashed(day_first, short_years)):
        if len(rest):
            known = read(rest).dt.as_unit("us").dropna()
            found.loc[known.index] = known
            rest = rest.drop(known.index)
    return found


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
    if column.dtype == np.float64:
        # By their bits, for 0.0 equals -0.0; most values stand many times, and to write one takes long.
        codes, distinct = pd.factorize(column.to_numpy().view(np.int64))
        return _key_text(pd.Series(distinct.view(np.float64)).astype("str")).take(pa.array(codes))
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return pa.array(column.astype("str"), pa.large_string(), from_pandas=True)
    moments = pa.array(column.dt.tz_convert(None).dt.as_unit("us").to_numpy(), from_pandas=True)
    micros = pc.subsecond(moments)
    text = pc.floor_temporal(moments, unit="second").cast(pa.timestamp("s")).cast(pa.string())
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


def _epochs(column: pd.Series) -> pd.Series:
    """The numbers of a column; of a column of texts, those that look like one, for reading them is slow."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    text = pa.array(column.astype("str"), pa.large_string(), from_pandas=True)
    numeric = pc.fill_null(pc.match_substring_regex(text, _NUMERIC), False).to_numpy(zero_copy_only=False)
    found = pd.Series(np.nan, index=column.index)
    if numeric.any():
        found[numeric] = pd.to_numeric(column[numeric], errors="coerce").astype("float64")
    return found


def _written_together(epoch: pd.Series) -> pd.Series:
    """Whether a number is a date such as 20240501, or that with its time; no time since 1970 looks so."""
    day = epoch.between(19_000_101, 21_001_231)
    return (day | epoch.between(19_000_101_000_000, 21_001_231_235_959)) & (epoch % 1 == 0)


def _iso(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")


def _iso_in_words(texts: pd.Series) -> pd.Series:
    """As in "2019-10-01 00:00:00 UTC" or "2019-10-01T00:00:00,500"."""
    plain = texts.str.strip().str.replace(_ZONE, "Z", regex=True).str.replace(_FRACTION, r"\1.\2", regex=True)
    return pd.to_datetime(plain, errors="coerce", utc=True, format="ISO8601")


def _together(texts: pd.Series) -> pd.Series:
    digits = texts.str.strip().str.replace(r"\.0*$", "", regex=True).str.replace(r"[T ]", "", regex=True)
    digits = digits.where(digits.str.fullmatch(r"\d{8}(\d{6})?").astype(bool))
    return pd.to_datetime(digits.str.ljust(14, "0"), errors="coerce", utc=True, format="%Y%m%d%H%M%S")


def _mail(texts: pd.Series) -> pd.Series:
    """RFC 2822, as in "Wed, 01 May 2024 12:30:00 +0200"."""
    plain = texts.str.replace(r"^\s*[A-Z][a-z]{2},\s*", "", regex=True)
    plain = plain.str.replace(r"\s*(?:GMT|UTC?|Z)\s*$", " +0000", regex=True)
    return pd.to_datetime(plain, errors="coerce", utc=True, format="%d %b %Y %H:%M:%S %z")


def _slashed(day_first: bool | None, short_years: bool) -> Callable[[pd.Series], pd.Series]:
    def read(texts: pd.Series) -> pd.Series:
        parts = texts.str.extract(SLASHED)
        first, second = (pd.to_numeric(parts[place], errors="coerce") for place in (0, 2))
        dotted = parts[1] == "."
        day = first.where(dotted | (day_first is True), second if day_first is not None else np.nan)
        month = second.where(dotted | (day_first is True), first)
        year = pd.to_numeric(parts[3], errors="coerce")
        year = year.where(year > 99, year + 2000 if short_years else np.nan)
        rest = parts[4].fillna("0:00").str.strip()
        rest = rest.where(rest.str.count(":") == 2, rest + ":00").str.replace(r"^(\d):", r"0\1:", regex=True)
        known = day.notna() & month.notna() & year.notna()
        year, month, day = (part[known].astype("int64").astype("str") for part in (year, month, day))
        stamps = year + "-" + month.str.zfill(2) + "-" + day.str.zfill(2) + "T" + rest[known]
        return pd.to_datetime(stamps, errors="coerce", utc=True, format="ISO8601")

    return read


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
