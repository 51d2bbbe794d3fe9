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

from database.ingest.chunk import ITEM_COLUMNS, TAG_SEPARATOR, Adapter, Chunk, WrongFormat
from database.ingest.fields import MOST_RATINGS, clean, flags, numbers, prices, within
from database.ingest.named_columns import columns, read_rows, refused
from database.items import CONTENT

_NEEDED = ("item_id", "title")
_AVAILABLE = ("available", "availability", "in_stock")
"""Names of the one column; the first that says something counts."""
_READ = ("item_id", *CONTENT, "hidden", *_AVAILABLE)
_TAGS = r"\s*\|\s*"
_LONGEST_ID = 64


def check(path: Path) -> None:
    """Raise WrongFormat unless the file has the needed columns, and is no log of interactions."""
    names = columns(path)
    missing = set(_NEEDED) - set(names)
    if missing or "user_id" in names:
        reason = f"no column {', '.join(sorted(missing))}" if missing else "it has a column user_id"
        raise WrongFormat(f"{path}: not items: {reason}")


def read(path: Path, weeks: int) -> Iterator[Chunk]:
    """Chunks of items; `weeks` is not used, a catalogue has no times."""
    return read_rows(path, _READ, _READ, _chunk)


def _chunk(frame: pd.DataFrame, lines: list[int], progress: float) -> Chunk:
    nulled: Counter[str] = Counter()
    items = _items(frame, lines, nulled)
    reason = pd.Series(None, index=items.index, dtype="str")
    reason = reason.mask(~items["kind"].isin(("product", "content")), "kind is not product or content")
    reason = reason.mask(items["title"].isna(), "no title")
    reason = reason.mask(items["item_id"].str.len() > _LONGEST_ID, f"item_id is longer than {_LONGEST_ID}")
    reason = reason.mask(items["item_id"].isna(), "no item id")
    return Chunk(
        len(frame),
        progress,
        items=items[reason.isna()],
        rejected=refused(frame, lines, reason),
        nulled=nulled,
    )


def _items(frame: pd.DataFrame, lines: list[int], nulled: Counter[str]) -> pd.DataFrame:
    empty = pd.Series(None, index=frame.index, dtype="str")
    table = pd.DataFrame({name: clean(frame[name]) if name in frame else empty for name in _READ})
    count = within(
        numbers(table["rating_count"], "rating_count", nulled), 0, MOST_RATINGS, "rating_count", nulled
    )
    ratio = numbers(table["discount_ratio"], "discount_ratio", nulled)
    available = empty
    for name in _AVAILABLE:
        available = available.fillna(flags(table[name], name, nulled))
    return table.assign(
        line=lines,
        kind=table["kind"].str.lower().fillna("product"),
        tags=table["tags"].str.replace(_TAGS, TAG_SEPARATOR, regex=True),
        rating=within(numbers(table["rating"], "rating", nulled), 0, 5, "rating", nulled),
        rating_count=count.round().astype("Int64"),
        price=prices(table["price"], "price", nulled),
        original_price=prices(table["original_price"], "original_price", nulled),
        discount_ratio=within(ratio, 0, 1, "discount_ratio", nulled),
        hidden=flags(table["hidden"], "hidden", nulled),
        available=available,
        as_of=None,
        attributes=None,
    )[list(ITEM_COLUMNS)]


ADAPTER = Adapter("items", "items", "items", check, read)
