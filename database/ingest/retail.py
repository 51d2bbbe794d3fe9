"""UCI Online Retail invoice lines (Parquet), with the column names of either year.

A stock code becomes an item id by one rule: upper-cased, everything but letters and digits taken out,
padded on the left with zeros to 10 places (`85123a` is `000085123A`). A code longer than that is refused,
and so is a customer that is no whole number.
A line is a purchase: `value` is the quantity, `session_id` the invoice. Without a customer it is an
anonymous one, which counts for popularity and baskets. An item's title is its most frequent description,
its price the median unit price, both over the lines that are sales; the data has no categories.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from database.ingest.chunk import (
    DEFAULT,
    ITEM_COLUMNS,
    LOAD_ANY,
    Adapter,
    Chunk,
    Options,
    WrongFormatError,
    rejected_frame,
)
from database.ingest.fields import NULL_WORDS, clean, possible, shifted, whole
from database.ingest.files import is_parquet, parquet_columns, parquet_frames

FAMILY = "online_retail"
_NAMES = ("invoice", "code", "description", "quantity", "time", "price", "customer")
_YEARS = (
    ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID"),
    ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"),
)
_NO_PRODUCT = (
    "POST|DOT|M|D|S|B|C2|C3|CRUK|PADS|GIFT|AMAZONFEE|BANKCHARGES|ADJUST[0-9]*|TEST[0-9]*"  # upper-cased codes
)
_NO_TITLE = {"Unknown", "?", "??", "???"}


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the file is Parquet with one year's columns."""
    if not is_parquet(path):
        raise WrongFormatError(f"{path}: not Online Retail: not a Parquet file; {LOAD_ANY}")
    columns = parquet_columns(path)
    if not any(set(names) <= set(columns) for names in _YEARS):
        told = f"not Online Retail: its columns are {', '.join(columns)}"
        raise WrongFormatError(f"{path}: {told}; {LOAD_ANY}")


def last_time(path: Path) -> datetime:
    """Time of the file's last line, as UTC; what the sample's shift is reckoned from.

    Raises WrongFormatError when no line has a time.
    """
    frames = parquet_frames(path, ["InvoiceDate"])
    latest = [_times(frame["InvoiceDate"]).max() for frame, _, _ in frames]
    known = [time for time in latest if pd.notna(time)]
    if not known:
        raise WrongFormatError(f"{path}: no invoice line with a time; {LOAD_ANY}")
    latest_known: pd.Timestamp = max(known)
    return latest_known.tz_localize("UTC").to_pydatetime()


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of purchases, and at the end one of the items that they tell of."""
    columns = set(parquet_columns(path))
    names = next(year for year in _YEARS if set(year) <= columns)
    sales = []
    for frame, first, progress in parquet_frames(path, list(names)):
        lines = frame.rename(columns=dict(zip(names, _NAMES, strict=True)))
        lines.insert(0, "line", range(first, first + len(lines)))
        lines = _prepared(lines)
        reason = _reasons(lines, weeks)
        good = lines[reason.isna()]
        sales.append(good[["item_id", "title", "price", "time"]])
        yield Chunk(
            rows=len(lines),
            progress=progress,
            interactions=_purchases(good, weeks),
            rejected=_rejected(frame, first, reason),
        )
    if sales:
        yield Chunk(rows=0, progress=1.0, items=_items(pd.concat(sales, ignore_index=True), weeks))


def _prepared(lines: pd.DataFrame) -> pd.DataFrame:
    """Columns in one shape for both years; what can't be read is null."""
    code = _numbered(lines["code"]).str.upper().str.replace("[^A-Z0-9]", "", regex=True)
    return lines.assign(
        invoice=_numbered(lines["invoice"]).str.upper(),
        plain=code,
        item_id=code.str.zfill(10).where(code.str.len() <= 10),
        title=_titles(lines["description"]),
        quantity=pd.to_numeric(lines["quantity"], errors="coerce"),
        time=_times(lines["time"]),
        price=pd.to_numeric(lines["price"], errors="coerce"),
        customer=_customers(lines["customer"]),
        bad_customer=lines["customer"].notna() & _customers(lines["customer"]).isna(),
    )


def _numbered(column: pd.Series) -> pd.Series:
    """Texts of codes; a number among them that a frame made a fraction is whole again."""
    text = clean(column)
    named = text.mask(text.isin(NULL_WORDS))
    return whole(named) if pd.api.types.is_float_dtype(column) else named


def _times(column: pd.Series) -> pd.Series:
    """Times without a zone; one that the file states is gone by."""
    times = pd.to_datetime(column, errors="coerce", utc=True)
    return times.dt.tz_localize(None).dt.as_unit("s")


def _customers(column: pd.Series) -> pd.Series:
    """Customer numbers; null where there is none or it is no whole number that a double holds exactly."""
    number = pd.to_numeric(column, errors="coerce").astype("float64")
    return number.where((number % 1 == 0) & (number.abs() < 2**53)).astype("Int64")


def _titles(descriptions: pd.Series) -> pd.Series:
    """Clean descriptions; each distinct one is cleaned once."""
    distinct = pd.Series(descriptions.dropna().unique())
    cleaned = clean(distinct)
    known = dict(zip(distinct, cleaned.mask(cleaned.isin({*_NO_TITLE, *NULL_WORDS})), strict=True))
    return descriptions.map(known).astype("str")


def _reasons(lines: pd.DataFrame, weeks: int) -> pd.Series:
    """Why a line can't be used, the first that holds; null for a sale."""
    rules = (
        ("no invoice, stock code, time, quantity or price", _unreadable(lines)),
        ("time before 1995 or in the future", ~possible(_moved(lines["time"], weeks))),
        ("customer is not a whole number", lines["bad_customer"]),
        ("cancellation", lines["invoice"].str.startswith("C")),
        ("stock code is not a product", lines["plain"].str.fullmatch(_NO_PRODUCT)),
        ("stock code longer than 10", lines["item_id"].isna()),
        ("quantity is not positive", lines["quantity"] <= 0),
        ("price is not positive: a stock adjustment or a give-away", lines["price"] <= 0),
    )
    reason = pd.Series(None, index=lines.index, dtype="str")
    for text, holds in reversed(rules):
        reason = reason.mask(holds.fillna(True).astype(bool), text)
    return reason


def _unreadable(lines: pd.DataFrame) -> pd.Series:
    needed = lines[["invoice", "plain", "time", "quantity", "price"]]
    return needed.isna().any(axis=1) | (lines["plain"] == "")


def _purchases(sales: pd.DataFrame, weeks: int) -> pd.DataFrame:
    customer = sales["customer"].astype("str")
    return pd.DataFrame(
        {
            "line": sales["line"],
            "user_id": customer,
            "item_id": sales["item_id"],
            "event_type": "purchase",
            "query": None,
            "value": sales["quantity"],
            "session_id": sales["invoice"],
            "occurred_at": _moved(sales["time"], weeks),
            "natural_key": _natural_keys(sales),
        }
    )


def _moved(times: pd.Series, weeks: int) -> pd.Series:
    """The lines' times as UTC, moved forward by whole weeks."""
    return shifted(times.dt.tz_localize("UTC"), weeks)


def _natural_keys(sales: pd.DataFrame) -> pd.Series:
    """The line itself as text, in its own time: a line of both years' files has one key."""
    parts = [
        pa.scalar(FAMILY),
        *(pa.array(sales[name]).cast(pa.string()).fill_null("") for name in ("invoice", "plain", "quantity")),
        *(pa.array(sales[name]).cast(pa.string()).fill_null("") for name in ("price", "customer", "time")),
    ]
    return pd.Series(pc.binary_join_element_wise(*parts, "|").to_pandas().array, index=sales.index)


def _items(sales: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """One row an item sold."""
    counted = sales.dropna(subset=["title"]).groupby(["item_id", "title"], as_index=False).size()
    counted = counted.sort_values(["item_id", "size", "title"], ascending=[True, False, True])
    titles = counted.drop_duplicates("item_id").set_index("item_id")["title"]
    facts = sales.groupby("item_id").agg(price=("price", "median"), last=("time", "max"))
    found = pd.DataFrame(index=facts.index, columns=list(ITEM_COLUMNS)).assign(
        line=range(1, len(facts) + 1),
        item_id=facts.index,
        kind="product",
        title=titles.reindex(facts.index),
        price=facts["price"].round(2),
        as_of=_moved(facts["last"], weeks),
    )
    found["attributes"] = [_attributes(item_id) for item_id in facts.index]
    return found.reset_index(drop=True)


def _attributes(item_id: str) -> str:
    return orjson.dumps({"stock_code": item_id.lstrip("0")}).decode()


def _rejected(frame: pd.DataFrame, first: int, reason: pd.Series) -> pd.DataFrame:
    """Refused lines as they stand in the file, as JSON."""
    bad = frame[reason.notna()]
    raws = [] if bad.empty else bad.to_json(orient="records", lines=True, date_format="iso").splitlines()
    return rejected_frame([first + row for row in bad.index], list(reason[bad.index]), raws)


ADAPTER = Adapter("retail", FAMILY, "interactions", check, read)
