"""Ids that stand in a table more than once: 8 bytes a row are in memory to find them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_checks.reading import read_parts

BATCH = 1 << 18
"""Rows read at a time."""
SEPARATOR = "\x00"
"""Between the parts of an id of several columns; PostgreSQL's texts cannot hold it."""


def repeated_numbers(path: Path, column: str) -> Any:
    """The whole numbers that a column holds more than once: Arrow's int64."""
    import pyarrow as pa

    numbers = (part.column(0).drop_null().cast("int64") for part in read_parts(path, [column], BATCH))
    return pa.array(_repeated(path, (part.to_numpy() for part in numbers), np.dtype(np.int64)), pa.int64())


def repeated_texts(path: Path, columns: Sequence[str]) -> Any:
    """The ids (`joined`) that the columns hold more than once: Arrow's string.

    Their hashes are compared, and the texts themselves only of those whose hash comes again.
    """
    import pyarrow as pa

    def texts() -> Iterator[Any]:
        for part in read_parts(path, columns, BATCH):
            yield joined(part, columns).drop_null().to_pylist()

    again = _repeated(path, (hashes_of(part) for part in texts() if part), np.dtype(np.uint64))
    found: Counter[str] = Counter()
    if len(again):
        for part in texts():
            chosen = np.flatnonzero(np.isin(hashes_of(part), again)) if part else ()
            found.update(part[place] for place in chosen)
    return pa.array(sorted(text for text, times in found.items() if times > 1), pa.string())


def hashes_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """A hash of each text, the same ones in every process: uint64[n]."""
    import pandas as pd

    return pd.util.hash_array(np.array(texts, dtype=object), categorize=False)


def joined(table: Any, columns: Sequence[str]) -> Any:
    """The id of each row of an Arrow table: its columns as one text, null where one of them is."""
    import pyarrow.compute as pc

    first, *others = (table.column(name).cast("string") for name in columns)
    return pc.binary_join_element_wise(first, *others, SEPARATOR) if others else first


def _repeated(path: Path, parts: Iterator[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values that come more than once, each once and ascending."""
    import pyarrow.parquet as pq

    values = np.empty(pq.read_metadata(path).num_rows, dtype=dtype)
    count = 0
    for part in parts:
        values[count : count + len(part)] = part
        count += len(part)
    values = values[:count]
    values.sort()
    return np.unique(values[1:][values[1:] == values[:-1]])
