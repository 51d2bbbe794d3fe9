"""Kaggle's "Amazon Products Sales 2023" CSV: as downloaded ("₹1,399") or cleaned (`id`, `discount_ratio`).

The id is the column `id` or `asin` when it is 10 letters and digits, else the one after /dp/ in the link.
Rows without an id or a name are refused. A rating that is none ("Get", "FREE", "₹99") leaves the item
without one, and is counted. A product that stands in several categories is one item: its first row's
category and sub-category, the other sub-categories as tags. Prices are in the file's currency, rupees.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

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
from database.ingest.decoding import encoding_notes, text_encoding
from database.ingest.fields import ASIN, MOST_RATINGS, clean, discounts, named, numbers, prices, within
from database.ingest.files import Batch, csv_batches, csv_header, is_parquet, raw_row

_NEEDED = {
    "name",
    "main_category",
    "sub_category",
    "image",
    "link",
    "ratings",
    "no_of_ratings",
    "discount_price",
    "actual_price",
}


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the file is CSV with the nine columns."""
    if is_parquet(path):
        raise WrongFormatError(f"{path}: not Amazon products: a Parquet file, not CSV; {LOAD_ANY}")
    missing = _NEEDED - set(csv_header(path))
    if missing:
        told = f"not Amazon products: no column {', '.join(sorted(missing))}"
        raise WrongFormatError(f"{path}: {told}; {LOAD_ANY}")


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of items; `weeks` is not used, products have no times."""
    header = csv_header(path)
    encoding = text_encoding(path, options.encoding)
    if notes := encoding_notes(encoding):
        yield Chunk(0, 0.0, notes=notes)
    for batch in csv_batches(path, encoding):
        yield _chunk(batch, header, options)


def _chunk(batch: Batch, header: list[str], options: Options) -> Chunk:
    table = pd.DataFrame(batch.values, columns=header, dtype="str")
    nulled: Counter[str] = Counter()
    items = _items(table, batch.lines, nulled, options)
    reason = pd.Series(None, index=table.index, dtype="str")
    reason = reason.mask(items["title"].isna(), "no name").mask(items["item_id"].isna(), "no product id")
    bad = reason.notna()
    return Chunk(
        rows=len(table) + len(batch.bad_lines),
        progress=batch.progress,
        items=items[~bad],
        rejected=rejected_frame(
            batch.bad_lines + list(items["line"][bad]),
            batch.bad_reasons + list(reason[bad]),
            batch.bad_raws + [raw_row(batch.values[row]) for row in table.index[bad]],
        ),
        nulled=nulled,
    )


def _items(table: pd.DataFrame, lines: list[int], nulled: Counter[str], options: Options) -> pd.DataFrame:
    def text(name: str) -> pd.Series:
        return named(table[name], name, nulled, keep_null_words=options.keep_null_words)

    sub_category = text("sub_category")
    offered = prices(table["discount_price"], "discount_price", nulled)
    listed = prices(table["actual_price"], "actual_price", nulled)
    count = numbers(table["no_of_ratings"], "no_of_ratings", nulled)
    count = within(count, 0, MOST_RATINGS, "no_of_ratings", nulled)
    items = pd.DataFrame(index=table.index, columns=list(ITEM_COLUMNS)).assign(
        line=lines,
        item_id=_ids(table),
        kind="product",
        title=text("name"),
        category=text("main_category"),
        sub_category=sub_category,
        tags=sub_category,
        image_url=text("image"),
        link=text("link"),
        rating=within(numbers(table["ratings"], "ratings", nulled), 0, 5, "ratings", nulled),
        rating_count=count.round().astype("Int64"),
        price=offered.fillna(listed),
        original_price=listed,
    )
    price = items["price"].astype("float64")
    implied = 1 - price / listed
    ratio = implied
    if "discount_ratio" in table:
        stated = numbers(table["discount_ratio"], "discount_ratio", nulled)
        ratio = discounts(stated, price, listed, nulled).fillna(implied)
    items["discount_ratio"] = within(ratio, 0, 1, "discount_ratio", nulled).round(4)
    return items


def _ids(table: pd.DataFrame) -> pd.Series:
    found = table["link"].str.extract(rf"/dp/({ASIN})(?:[/?]|$)", expand=False)
    for name in ("asin", "id"):
        if name in table:
            stated = clean(table[name]).str.upper()
            found = stated.where(stated.str.fullmatch(ASIN).fillna(False).astype(bool), found)
    return found


ADAPTER = Adapter("products", "amazon_products", "items", check, read)
