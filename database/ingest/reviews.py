"""Amazon review JSON lines, with the field names of the 2014, 2018 or 2023 collection, plain or gzip.

A review is a rating of 1 to 5 stars. The item is the parent product where the collection names one
(2023), as its metadata does. Items that are not in the catalogue are registered without a title.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from database.ingest.chunk import DEFAULT, LOAD_ANY, Adapter, Chunk, Options, WrongFormatError, rejected_frame
from database.ingest.decoding import encoding_notes, text_encoding
from database.ingest.fields import ASIN, clean, joined, named, shifted, times
from database.ingest.files import Batch, first_objects, is_parquet, object_batches

_USER = ("user_id", "reviewerID")
_ITEM = ("parent_asin", "asin")
_STARS = ("rating", "overall")
_TIME = ("timestamp", "unixReviewTime")


def check(path: Path, options: Options = DEFAULT) -> None:
    """Raise WrongFormatError unless the first lines are reviews."""
    if is_parquet(path):
        raise WrongFormatError(f"{path}: not Amazon reviews: a Parquet file, not JSON lines; {LOAD_ANY}")
    first = first_objects(path)[0]
    for names in (_USER, _ITEM, _STARS, _TIME):
        if not set(names) & set(first):
            told = f"not Amazon reviews: no field {' or '.join(names)}"
            raise WrongFormatError(f"{path}: {told}; {LOAD_ANY}")


def read(path: Path, weeks: int, options: Options = DEFAULT) -> Iterator[Chunk]:
    """Chunks of ratings."""
    encoding = text_encoding(path, options.encoding)
    if notes := encoding_notes(encoding):
        yield Chunk(0, 0.0, notes=notes)
    for batch in object_batches(path, encoding):
        yield _chunk(batch, weeks, options)


def _chunk(batch: Batch, weeks: int, options: Options) -> Chunk:
    nulled: Counter[str] = Counter()
    users = named(_column(batch, _USER), "user", nulled, keep_null_words=options.keep_null_words)
    table = pd.DataFrame(
        {
            "line": pd.Series(batch.lines, dtype="int64"),
            "user": users,
            "item": clean(_column(batch, _ITEM)).str.upper(),
            "variant": clean(_column(batch, ("asin",))),
            "stars": pd.to_numeric(_column(batch, _STARS).astype("str"), errors="coerce"),
            "time": times(_column(batch, _TIME).astype("str")),
        }
    )
    reason = _reasons(table)
    bad = reason.notna()
    return Chunk(
        rows=len(table) + len(batch.bad_lines),
        progress=batch.progress,
        interactions=_ratings(table[~bad], weeks),
        rejected=rejected_frame(
            batch.bad_lines + list(table["line"][bad]),
            batch.bad_reasons + list(reason[bad]),
            batch.bad_raws
            + [orjson.dumps(batch.values[row], default=str).decode() for row in table.index[bad]],
        ),
        nulled=nulled,
    )


def _column(batch: Batch, names: tuple[str, ...]) -> pd.Series:
    """The first of the fields that each object has."""
    return pd.Series([_first(value, names) for value in batch.values], dtype="object")


def _first(value: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((value[name] for name in names if value.get(name) is not None), None)


def _reasons(table: pd.DataFrame) -> pd.Series:
    asin = table["item"].str.fullmatch(ASIN).fillna(False).astype(bool)
    reason = pd.Series(None, index=table.index, dtype="str")
    reason = reason.mask(table["time"].isna(), "no readable time")
    reason = reason.mask(~table["stars"].between(1, 5), "rating is not within 1..5")
    reason = reason.mask(~asin, "no product id")
    return reason.mask(table["user"].isna() | (table["user"].str.len() > 128), "no user id")


def _ratings(table: pd.DataFrame, weeks: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "line": table["line"],
            "user_id": table["user"],
            "item_id": table["item"],
            "event_type": "rating",
            "query": None,
            "value": table["stars"],
            "session_id": None,
            "occurred_at": shifted(table["time"], weeks),
            "natural_key": "amazon|"
            + joined(*(table[name] for name in ("user", "variant", "stars", "time"))),
        }
    )


ADAPTER = Adapter("reviews", "amazon_reviews", "interactions", check, read)
