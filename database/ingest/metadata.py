"""Amazon product metadata lines of the 2014 (Python literals), 2018 or 2023 collection, plain or gzip.

Rows without a product id or a title are refused. Category and sub-category are the first two steps of the
category path, the further steps are tags; the brand is kept in the item's attributes.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from database.ingest.chunk import (
    DEFAULT,
    ITEM_COLUMNS,
    LOAD_ANY,
    TAG_SEPARATOR,
    Adapter,
    Chunk,
    Options,
    WrongFormatError,
    rejected_frame,
)
from database.ingest.decoding import encoding_notes, text_encoding
from database.ingest.fields import ASIN, MOST_RATINGS, clean, named, numbers, prices, within
from database.ingest.files import Batch, first_objects, is_parquet, object_batches

_ITEM = {"parent_asin", "asin"}
_USER = {"user_id", "reviewerID"}
_TELLING = {"title", "main_category", "main_cat", "category", "categories", "imUrl", "related", "salesRank"}
_TAG = re.compile(r"<[^<>]{1,200}>")
_LONGEST_DESCRIPTION = 8000


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the first lines describe products."""
    if is_parquet(path):
        raise WrongFormatError(f"{path}: not Amazon metadata: a Parquet file, not JSON lines; {LOAD_ANY}")
    names = {name for value in first_objects(path) for name in value}
    if not (names & _ITEM and names & _TELLING) or names & _USER:
        told = f"not Amazon metadata: its fields are {', '.join(sorted(names)[:12])}"
        raise WrongFormatError(f"{path}: {told}; {LOAD_ANY}")


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of items; `weeks` is not used, metadata have no times."""
    encoding = text_encoding(path, options.encoding)
    if notes := encoding_notes(encoding):
        yield Chunk(0, 0.0, notes=notes)
    for batch in object_batches(path, encoding):
        yield _chunk(batch, options)


def _chunk(batch: Batch, options: Options) -> Chunk:
    nulled: Counter[str] = Counter()
    items = _items(batch, nulled, options)
    asin = items["item_id"].str.fullmatch(ASIN).fillna(False).astype(bool)
    reason = pd.Series(None, index=items.index, dtype="str")
    reason = reason.mask(items["title"].isna(), "no title").mask(~asin, "no product id")
    bad = reason.notna()
    return Chunk(
        rows=len(items) + len(batch.bad_lines),
        progress=batch.progress,
        items=items[~bad],
        rejected=rejected_frame(
            batch.bad_lines + list(items["line"][bad]),
            batch.bad_reasons + list(reason[bad]),
            batch.bad_raws
            + [orjson.dumps(batch.values[row], default=str).decode() for row in items.index[bad]],
        ),
        nulled=nulled,
    )


def _items(batch: Batch, nulled: Counter[str], options: Options) -> pd.DataFrame:
    rows = [_fields(value) for value in batch.values]
    table = pd.DataFrame(rows, columns=list(ITEM_COLUMNS), dtype="object")
    for name in ("title", "category", "sub_category"):
        table[name] = named(table[name], name, nulled, keep_null_words=options.keep_null_words)
    count = numbers(table["rating_count"], "rating_count", nulled)
    return table.assign(
        line=pd.Series(batch.lines, dtype="int64"),
        item_id=clean(table["item_id"]).str.upper(),
        kind="product",
        description=clean(table["description"]).str.slice(0, _LONGEST_DESCRIPTION),
        rating=within(numbers(table["rating"], "rating", nulled), 0, 5, "rating", nulled),
        rating_count=within(count, 0, MOST_RATINGS, "rating_count", nulled).round().astype("Int64"),
        price=prices(table["price"], "price", nulled),
    )


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    """One item's columns, as text or null, whatever shapes the source has them in."""
    path = _path(value)
    brand = _text(value.get("brand") or value.get("store"))
    return {
        "item_id": _text(value.get("parent_asin") or value.get("asin")),
        "title": _text(value.get("title")),
        "description": _text(value.get("description"))
        or _text(value.get("features") or value.get("feature")),
        "category": path[0] if path else None,
        "sub_category": path[1] if len(path) > 1 else None,
        "tags": TAG_SEPARATOR.join(path[2:]) or None,
        "image_url": _image(value),
        "rating": _text(value.get("average_rating")),
        "rating_count": _text(value.get("rating_number")),
        "price": _text(value.get("price")),
        "attributes": orjson.dumps({"brand": brand}).decode() if brand else None,
    }


def _path(value: dict[str, Any]) -> list[str]:
    """Category path, the main category first, each step once."""
    steps = value.get("categories") or value.get("category") or []
    if isinstance(steps, list) and steps and isinstance(steps[0], list):
        steps = steps[0]
    main = [value.get("main_category")] if "main_category" in value else []
    texts = [_text(step) for step in [*main, *(steps if isinstance(steps, list) else [steps])]]
    path = list(dict.fromkeys(text for text in texts if text))
    return path or [text for text in [_text(value.get("main_cat"))] if text]


def _image(value: dict[str, Any]) -> str | None:
    """The largest picture that the row names."""
    for name in ("imUrl", "imageURLHighRes", "image", "images"):
        found = value.get(name)
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            found = found.get("hi_res") or found.get("large") or found.get("thumb")
        if isinstance(found, str) and found.startswith("http"):
            return found
    return None


def _text(value: Any) -> str | None:
    """Text of a field without markup; lists become their parts joined by a space."""
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        return " ".join(text for part in value if (text := _text(part))) or None
    return " ".join(_TAG.sub(" ", html.unescape(str(value))).split()) or None


ADAPTER = Adapter("metadata", "amazon_metadata", "items", check, read)
