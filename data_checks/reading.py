"""A Parquet file as Arrow tables of so many rows: what is checked is never in memory as a whole."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any


def read_parts(
    path: Path, columns: Sequence[str], rows: int, categories: Iterable[str] = ()
) -> Iterator[Any]:
    """Some columns, at most so many rows at a time; of a file without rows, one part without rows.

    Args:
        path: of the file.
        columns: that are read.
        rows: of a part, at most.
        categories: columns of texts that repeat themselves: read as dictionaries.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, read_dictionary=list(categories)) as file:
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().select(list(columns))
            return
        for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
            yield pa.Table.from_batches([batch])
