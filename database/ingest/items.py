"""The catalogue of any shop: CSV (plain or gzip) or Parquet with the columns below.

`item_id` and `title` are needed; `kind` (product, which is the default, or content), `description`,
`category`, `sub_category`, `tags` (separated by "|"), `image_url`, `link`, `rating` (0 to 5),
`rating_count`, `price`, `original_price` and `discount_ratio` (0 to 1) may be there, and `hidden` and
`available` (or `availability`, `in_stock`: see `flags`): an item that is hidden or can't be had is in no
list. Columns of other names are not read. A number that makes no sense is left empty and counted.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from database.ingest.chunk import (
    DEFAULT,
    ITEM_COLUMNS,
    TAG_SEPARATOR,
    Adapter,
    Chunk,
    Options,
    WrongFormat,
)
from database.ingest.conventions import Columns, Conventions, in_words, rescaled
from database.ingest.fields import MOST_RATINGS, discounts, flags, named, numbers, prices, whole, within
from database.ingest.named_columns import read_rows, refused, require
from database.items import CONTENT

_NEEDED = ("item_id", "title")
_AVAILABLE = ("available", "availability", "in_stock")
"""Names of the one column; the first that says something counts."""
_READ = ("item_id", *CONTENT, "hidden", *_AVAILABLE)
_TAGS = r"\s*\|\s*"
_LONGEST_ID = 64
_ABOUT = {"kind is not product or content": "kind"}
_STARS = (0.0, 5.0)
_TOLD = Columns(
    read=frozenset(_READ),
    texts=frozenset(_READ),
    ids=("item_id",),
    amounts=("price", "original_price", "discount_ratio", "rating", "rating_count"),
    ratings="rating",
    stars=_STARS,
)


def check(path: Path) -> None:
    """Raise WrongFormat unless the file has the needed columns, and is no log of interactions."""
    if "user_id" in require(path, _NEEDED, "items"):
        raise WrongFormat(f"{path}: not items: it has a column user_id")


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of items; `weeks` is not used, a catalogue has no times."""
    return read_rows(path, _TOLD, _chunk, options)


def _chunk(frame: pd.DataFrame, lines: list[int], progress: float, how: Conventions) -> Chunk:
    nulled: Counter[str] = Counter()
    items = _items(frame, lines, nulled, how)
    reason = pd.Series(None, index=items.index, dtype="str")
    reason = reason.mask(~items["kind"].isin(("product", "content")), "kind is not product or content")
    reason = reason.mask(items["title"].isna(), "no title")
    reason = reason.mask(items["item_id"].str.len() > _LONGEST_ID, f"item_id is longer than {_LONGEST_ID}")
    reason = reason.mask(items["item_id"].isna(), "no item id")
    return Chunk(
        len(frame),
        progress,
        items=items[reason.isna()],
        rejected=refused(frame, lines, reason, _ABOUT),
        nulled=+nulled,
    )


def _items(frame: pd.DataFrame, lines: list[int], nulled: Counter[str], how: Conventions) -> pd.DataFrame:
    empty = pd.Series(None, index=frame.index, dtype="str")
    table = pd.DataFrame(
        {
            name: named(frame[name], name, nulled, keep_null_words=how.keep_null_words)
            if name in frame and name not in _TOLD.amounts
            else frame.get(name, empty)
            for name in _READ
        }
    )
    available = empty
    for name in _AVAILABLE:
        available = available.fillna(flags(table[name], name, nulled))
    if "item_id" in how.whole:
        table["item_id"] = whole(table["item_id"])

    def number(name: str) -> pd.Series:
        return numbers(table[name], name, nulled, comma=name in how.comma)

    listed, price = (
        prices(table[name], name, nulled, comma=name in how.comma) for name in ("original_price", "price")
    )
    price = price.fillna(listed)
    stated = number("rating")
    rating = rescaled(stated, how.scale, _STARS)
    nulled[in_words(how.scale)] += int((stated.notna() & rating.isna()).sum())
    count = within(number("rating_count"), 0, MOST_RATINGS, "rating_count", nulled)
    return table.assign(
        line=lines,
        kind=table["kind"].str.lower().fillna("product"),
        tags=table["tags"].str.replace(_TAGS, TAG_SEPARATOR, regex=True),
        rating=rating,
        rating_count=count.round().astype("Int64"),
        price=price,
        original_price=listed,
        discount_ratio=discounts(number("discount_ratio"), price, listed, nulled),
        hidden=flags(table["hidden"], "hidden", nulled),
        available=available,
        as_of=None,
        attributes=None,
    )[list(ITEM_COLUMNS)]


ADAPTER = Adapter("items", "items", "items", check, read)
